"""Plugins: the documented example as it stands, and everything that can be wrong with one."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from commands import Run
from studies import take_reference

from nas import plugins
from nas.blocks import KINDS, Layer, block_graph
from nas.data import READERS
from nas.proxies import PROXIES
from nas.study import Study, begin
from nas.study.samplers import SAMPLERS
from nas.support.errors import NasError
from nas.support.registry import transaction
from nas.testing import check_proxy, check_sampler

GUIDE = Path(__file__).parents[1] / "docs" / "plugins.md"
REGISTRIES: tuple[dict[str, Any], ...] = (KINDS, PROXIES, SAMPLERS, READERS, plugins._FILES)
BLOCK = """
from nas.blocks import block
@block("{name}")
def _(net, x, *, out: int, stride: int = 1):
    return net.conv(x, out, kernel=3, stride=stride)
"""

Forget = Callable[[], None]


@pytest.fixture(autouse=True)
def forget() -> Iterator[Forget]:
    """Unregisters what was registered since the test began, as a new process would."""
    with transaction() as made:

        def reset() -> None:
            made.undo()
            plugins.load_installed.cache_clear()

        yield reset
        reset()


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Runs one command beside the guide's files: (exit code, standard output, standard error)."""
    (tmp_path / "my_blocks.py").write_text(fenced("python"))
    (tmp_path / "my.yaml").write_text(fenced("yaml"))
    return run


@pytest.fixture
def searched(run: Run, forget: Forget) -> Run:
    """The same after the guide's search, in what is to `nas` a new process."""
    words = fenced("sh").split()[1:]
    code, out, _ = run(*words, "--trials", "3", "--study", "s")
    assert code == 0
    assert "export the best" in out
    forget()
    assert "sandglass" not in KINDS
    return run


def fenced(language: str) -> str:
    """The guide's first block of code in that language."""
    found = re.search(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_the_example_of_the_guide_has_ten_lines() -> None:
    assert len([line for line in fenced("python").splitlines() if line]) <= 10


COMMANDS = (
    *(["show", "s"], ["show", "s", "--json"], ["export", "s"], ["describe", "s"], ["score", "s"]),
    *(["resume", "s"], ["compare", "s"], ["verify", "s"], ["score", "s", "--front"]),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_a_study_names_is_not_run(
    searched: Run, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's folder of studies, with a plugin that is what it was when the study began."""
    here = contents(tmp_path)
    code, out, err = searched(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"study 's' names the plugin {tmp_path / 'my_blocks.py'}" in err
    assert f"nas plugins allow {tmp_path / 'my_blocks.py'}" in err
    assert "sandglass" not in KINDS
    assert contents(tmp_path) == here


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_plugin_is_named_on_the_command_line_each_time(searched: Run, forget: Forget) -> None:
    for _ in range(2):
        assert searched("describe", "s", "--plugin", "my_blocks.py")[0] == 0
        forget()
        assert searched("describe", "s")[0] == 2
    out = searched("resume", "s", "--trials", "1", "--plugin", "my_blocks.py")[1]
    suggested = next(line for line in out.splitlines() if "nas resume" in line)
    assert re.search(r"nas resume s --plugin \S+/my_blocks.py --trials", suggested)


def test_allowing_and_forgetting(searched: Run, forget: Forget, tmp_path: Path) -> None:
    path = tmp_path / "my_blocks.py"
    code, out, _ = searched("plugins", "allow", "my_blocks.py")
    assert code == 0
    assert str(path) in out
    assert "sandglass" not in KINDS  # it was not run
    assert str(path) in searched("plugins")[1]
    assert [file["path"] for file in json.loads(searched("plugins", "--json")[1])] == [str(path)]
    assert searched("describe", "s")[0] == 0
    forget()
    assert searched("plugins", "forget", "my_blocks.py")[0] == 0
    assert searched("describe", "s")[0] == 2
    assert searched("plugins", "forget", "my_blocks.py")[0] == 2
    assert searched("plugins", "--json")[1] == "[]\n"


def test_other_content_is_not_what_was_allowed(searched: Run, tmp_path: Path) -> None:
    assert searched("plugins", "allow", "my_blocks.py")[0] == 0
    write(tmp_path / "my_blocks.py", fenced("python") + "# another")
    assert "has changed since the study began" in searched("describe", "s")[2]
    write(tmp_path / "c.yaml", "space: my.yaml\nplugin: my_blocks.py\n")
    code, out, err = searched("search", "--config", "c.yaml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"config c.yaml names the plugin {tmp_path / 'my_blocks.py'}" in err
    assert "sandglass" not in KINDS


@pytest.mark.parametrize("damage", ["[]", '{"plugins": {"x": "y"}}', '{"plugin": {}}', "\0", ""])
def test_a_damaged_file_of_approvals_allows_nothing(
    searched: Run, configuration: Path, damage: str
) -> None:
    (configuration / "plugins.json").write_text(damage)
    code, out, err = searched("describe", "s")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "plugins.json" in err
    assert "sandglass" not in KINDS


@pytest.mark.parametrize(("answer", "allowed"), [("y", True), ("yes", True), ("", False)])
def test_a_terminal_is_asked_once(
    searched: Run, forget: Forget, monkeypatch: pytest.MonkeyPatch, answer: str, allowed: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, out, err = searched("describe", "s", "--json")
    assert "my_blocks.py, SHA-256" in err
    assert (code == 0, "sandglass" in KINDS) == (allowed, allowed)
    assert bool(out) == allowed
    forget()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert (searched("describe", "s")[0] == 0) == allowed


def test_workers_are_given_what_the_driver_was_allowed(searched: Run, tmp_path: Path) -> None:
    (tmp_path / "my_blocks.py").rename(tmp_path / "moved.py")
    words = ["resume", "s", "--trials", "2", "--workers", "2", "--plugin", "moved.py"]
    code, _, err = searched(*words)
    assert (code, "failed" in err) == (0, False)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "nul", "large"])
def test_what_is_no_file_of_code_is_refused_at_once(run: Run, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.py"
    match kind:
        case "device":
            path = Path("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "nul":
            path = Path("a\0.py")
        case "large":
            with path.open("wb") as file:
                file.truncate(1 << 40)
    for words in (["spaces", "small", "--plugin", str(path)], ["plugins", "allow", str(path)]):
        code, out, err = run(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "\0" not in err
    stored = plugins.PluginFile(path=str(path), sha256="0" * 64)
    with pytest.raises(NasError, match=r"^study: plugin .*(no ordinary|director|no name|larger)"):
        plugins.restore([stored], "study")


def test_an_allowed_study_loads_its_plugins_by_itself(
    searched: Run, forget: Forget, tmp_path: Path
) -> None:
    assert searched("plugins", "allow", "my_blocks.py")[0] == 0
    code, out, _ = searched("show", "s", "--json")
    assert (code, json.loads(out)["trials"]) == (0, 3)
    stages = json.loads(out)["best"]["architecture"]["stages"]
    assert stages[-1][0]["kind"] == "sandglass"
    export, more = ["export", "s", "-o", "best.onnx"], ["resume", "s", "--trials", "1"]
    for words in (export, ["describe", "s"], more):
        forget()
        assert searched(*words)[0] == 0
    onnx.checker.check_model(onnx.load(tmp_path / "best.onnx"), full_check=True)
    forget()
    assert "4/3" in searched("studies")[1]
    assert "sandglass" not in KINDS  # a list runs nobody's code


def test_a_network_and_a_space_need_the_option(
    searched: Run, forget: Forget, tmp_path: Path
) -> None:
    shown = searched("show", "s", "--json", "--plugin", "my_blocks.py")[1]
    best = json.loads(shown)["best"]
    write(tmp_path / "net.json", json.dumps(best["architecture"]))
    for words in (["describe", "net.json"], ["spaces", "my.yaml"]):
        forget()
        code, _, err = searched(*words)
        assert (code, err.count("\n")) == (2, 1)
        assert "block 'sandglass' is unknown" in err
        code, out, _ = searched(*words, "--plugin", "my_blocks.py")
        assert code == 0
        assert "sandglass" in out


def test_an_onnx_file_with_an_own_block_is_read_without_its_plugin(
    searched: Run, forget: Forget
) -> None:
    plugin = ("--plugin", "my_blocks.py")
    assert searched("export", "s", "--output", "best.onnx", *plugin)[0] == 0
    known = json.loads(
        searched("describe", "best.onnx", "--json", "--target", "jetson", *plugin)[1]
    )
    forget()
    code, out, err = searched("describe", "best.onnx", "--json", "--target", "jetson")
    assert (code, err.count("\n")) == (0, 1)
    assert "best.onnx: read as a file of another program, for block 'sandglass' is not" in err
    read = json.loads(out)
    assert all(read[key] == known[key] for key in ("macs", "resolution", "peak_bytes"))
    code, _, err = searched("score", "best.onnx")
    assert code == 2
    assert "has a block of a plugin (--plugin), so it has no architecture" in err


def test_a_plugin_that_changed_is_refused_and_not_run(searched: Run, tmp_path: Path) -> None:
    write(tmp_path / "my_blocks.py", "raise SystemExit('it ran')")
    for command in ("show", "resume", "describe"):
        code, out, err = searched(command, "s")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "has changed since the study began" in err


def test_the_name_of_another_study_with_plugins(
    searched: Run, forget: Forget, tmp_path: Path
) -> None:
    words = ("search", "--space", "my.yaml", "--study", "s", "--plugin", "my_blocks.py")
    code, out, err = searched(*words, "--seed", "7")
    assert (code, out, err.count("\n")) == (2, "", 1)
    suggested = re.search("go on with it: nas (resume .*)", err)
    assert suggested
    forget()
    assert searched(*suggested[1].split(), "--trials", "1")[0] == 0
    forget()
    write(tmp_path / "my_blocks.py", fenced("python") + "# another")
    code, out, err = searched(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    changed = f"plugin {tmp_path / 'my_blocks.py'} has changed since it began"
    assert f"is of another search: {changed}; take another --study" in err
    assert searched(*words, "--study", "t", "--trials", "2")[0] == 0


def test_a_block_that_is_not_registered_is_no_damage(
    forget: Forget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of a notebook, whose study another process opens."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my.yaml", fenced("yaml"))
    runpy.run_path(write(tmp_path / "notebook.py", fenced("python")))
    take_reference(begin("cpu", ["300M"], "my.yaml", name="s", proxies=["entropy"]))
    assert len(Study.load("s").reference_trials) == 16
    forget()
    with pytest.raises(NasError, match="'sandglass' is unknown") as found:
        Study.load("s").reference_trials  # noqa: B018
    assert "damaged" not in str(found.value)


def test_the_same_search_with_its_plugin_elsewhere_goes_on(
    searched: Run, forget: Forget, tmp_path: Path
) -> None:
    words = fenced("sh").split()[1:]
    (tmp_path / "my_blocks.py").rename(tmp_path / "moved.py")
    words = [word.replace("my_blocks.py", "moved.py") for word in words]
    code, _, err = searched(*words, "--trials", "5", "--study", "s")
    assert (code, "going on with study 's'" in err) == (0, True)


def test_a_plugin_that_moved_is_named_again(searched: Run, tmp_path: Path) -> None:
    (tmp_path / "my_blocks.py").rename(tmp_path / "moved.py")
    code, _, err = searched("show", "s")
    assert (code, err.count("\n")) == (2, 1)
    assert "my_blocks.py: No such file or directory; if it has moved" in err
    assert searched("show", "s", "--plugin", "moved.py")[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "my_blocks.py: No such file or directory"),
        ("x = 1\ndef f(:\n", "my_blocks.py, line 2: SyntaxError: invalid syntax"),
        ("\n\nnone", "my_blocks.py, line 3: NameError: name 'none' is not defined"),
        ("\nraise KeyError('a\\nb')", "my_blocks.py, line 2: KeyError"),
        ("import no_such_module", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit(3)", "my_blocks.py, line 2: SystemExit: 3"),
        ("x = '\0'", "my_blocks.py"),
        (b"x = '\xff'", "my_blocks.py"),
        ("import nas", "my_blocks.py: registers nothing"),
        (BLOCK.format(name="fire"), "line 3: block name 'fire' is taken by nas.blocks.fire"),
        (BLOCK.format(name="mine") + "raise ValueError", "my_blocks.py, line 6: ValueError"),
        (BLOCK.format(name="mine") + BLOCK.format(name="fire"), "is taken by nas.blocks.fire"),
        (BLOCK.format(name="mine").replace("out: int", "out: no"), "line 4: NameError"),
        (
            BLOCK.format(name="mine").replace("out: int", "out: list[int]"),
            "line 3: setting 'out' must be int, float, str, bool or None, not list[int]",
        ),
        (
            BLOCK.format(name="mine").replace("*, ", ""),
            "line 3: settings must come after a `*`: out, stride",
        ),
        (
            BLOCK.format(name="mine").replace("def _", "def mine")
            + "@mine.layer\ndef _(layer, squeeze: float = 0.5): return {}",
            "line 6: settings must come after a `*`: squeeze",
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, text: str | bytes | None, said: str
) -> None:
    path = tmp_path / "my_blocks.py"
    path.unlink()
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = [dict(registry) for registry in REGISTRIES]
    code, out, err = run("search", "--space", "my.yaml", "--plugin", "my_blocks.py")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert "Traceback" not in err
    assert before == [dict(registry) for registry in REGISTRIES]
    assert str(path) not in sys.modules


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    net.convolution(x, out)", "my_blocks.py, line 5: AttributeError"),
        ("    net.conv(x, out)", "must return the node of its result, not None"),
    ],
)
def test_a_mistake_inside_a_block_is_one_line(
    run: Run, tmp_path: Path, line: str, said: str
) -> None:
    text = BLOCK.format(name=f"broken{len(line)}")
    write(tmp_path / "my_blocks.py", text[: text.index("    return")] + line)
    space = (tmp_path / "my.yaml").read_text().replace("sandglass", f"broken{len(line)}")
    write(tmp_path / "my.yaml", re.sub("choices: .*", "", space))
    code, out, err = run("search", "--space", "my.yaml", "--plugin", "my_blocks.py")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_mistake_inside_a_sampler_is_one_line(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path / "mine.py",
        "from optuna.samplers import RandomSampler\nfrom nas.study.samplers import sampler\n"
        '@sampler("mine")\nclass Mine(RandomSampler):\n'
        "    def __init__(self, seed, ancestors): super().__init__(seed=seed)\n"
        "    def sample_relative(self, study, trial, space): raise ValueError('no idea')\n",
    )
    words = ("--space", "small", "--sampler", "mine", "--plugin", "mine.py", "--trials", "400")
    code, out, err = run("search", *words, "--budget", "20MFLOPs")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"nas: sampler 'mine': {tmp_path / 'mine.py'}, line 6: ValueError: no idea"
    )
    assert "Traceback" not in err


def test_a_layer_function_that_fails_is_named(tmp_path: Path) -> None:
    text = BLOCK.format(name="divides").replace("def _", "def mine")
    path = write(tmp_path / "a.py", text + "@mine.layer\ndef _(layer): return {'out': 1 // 0}\n")
    plugins.load(path)
    with pytest.raises(NasError, match=r"'divides': .*a.py, line 7: ZeroDivisionError"):
        KINDS["divides"].resolve(Layer(8, 8, 1, 0.0, 8), {})


def test_loading_twice_is_harmless_and_a_changed_file_is_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    write(path, BLOCK.format(name="twice"))
    (tmp_path / "link.py").symlink_to(path)
    first = plugins.load(path)
    assert plugins.load(str(tmp_path / "link.py")) == first
    assert not (tmp_path / "__pycache__").exists()
    write(path, BLOCK.format(name="other"))
    with pytest.raises(NasError, match="has changed since it was loaded"):
        plugins.load(path)
    assert "other" not in KINDS


def test_a_name_of_another_plugin_is_taken_by_that_file(tmp_path: Path) -> None:
    first = write(tmp_path / "a.py", BLOCK.format(name="both"))
    second = write(tmp_path / "b.py", BLOCK.format(name="both") + "# another file")
    plugins.load(first)
    said = f"{second}, line 3: block name 'both' is taken by {first}"
    with pytest.raises(NasError, match=re.escape(said)):
        plugins.load(second)


def test_a_study_holds_the_plugins_that_it_uses(tmp_path: Path) -> None:
    used = plugins.load(write(tmp_path / "a.py", fenced("python")))
    plugins.load(write(tmp_path / "b.py", BLOCK.format(name="unused")))
    text = "from nas.proxies import proxy\n@proxy('flat', paper='none')\ndef f(probe): return 1.0\n"
    proxy = plugins.load(write(tmp_path / "c.py", text))
    space = write(tmp_path / "my.yaml", fenced("yaml"))
    place = str(tmp_path / "studies")
    study = begin("cpu", space=space, storage=place, name="s", proxies=["flat"])
    assert study.settings.plugins == (used, proxy)
    assert Path(used.path).is_absolute()
    assert Study.load("s", place).settings == study.settings
    assert begin("cpu", space="small", storage=place).settings.plugins == ()


def test_a_study_is_looked_at_without_the_plugins_that_its_networks_do_not_need(
    run: Run, forget: Forget, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    write(
        mine,
        "from optuna.samplers import RandomSampler\nfrom nas.study.samplers import sampler\n"
        "from nas.proxies import proxy\n@sampler('mine')\n"
        "def mine(seed, ancestors): return RandomSampler(seed=seed)\n"
        "@proxy('wide', paper='none')\ndef wide(probe): return float(probe.params)\n",
    )
    words = ("--sampler", "mine", "--proxies", "wide", "--budget", "20M", "--space", "small")
    assert run("search", *words, "--plugin", "mine.py", "--study", "s", "--trials", "3")[0] == 0
    forget()
    timed = ["verify", "s", "--top", "1", "--minutes", "0.001"]
    reading = (
        *(["show", "s"], ["show", "s", "--json"], ["describe", "s"], ["export", "s"]),
        *(["compare", "s"], timed),
    )
    for command in (*reading, ["report", "s"]):
        assert run(*command)[0] == 0, command
    assert "mine" not in SAMPLERS
    mine.unlink()
    for command in (*reading, ["report", "s"], ["describe", "s:0"]):
        assert run(*command)[0] == 0, command
    code, out, err = run("resume", "s", "--trials", "1")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "mine.py: No such file" in err


def test_another_plugin_s_block_of_the_same_name_is_not_the_study_s(
    searched: Run, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.py", fenced("python") + "# another\n")
    (tmp_path / "my_blocks.py").unlink()
    for command in ("show", "describe", "export"):
        code, out, err = searched(command, "s", "--plugin", other)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "my_blocks.py: No such file" in err


def test_plugins_of_installed_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Forget
) -> None:
    write(tmp_path / "installed_blocks.py", BLOCK.format(name="installed"))
    write(tmp_path / "broken_blocks.py", BLOCK.format(name="half") + "import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    good = EntryPoint("good", "installed_blocks", plugins.GROUPS[0])
    bad = EntryPoint("bad", "broken_blocks", plugins.GROUPS[0])
    found = [good]
    monkeypatch.setattr(
        plugins, "entry_points", lambda group: [e for e in found if e.group == group]
    )
    plugins.load_all([])
    plugins.load_all(None)
    assert "installed" in KINDS
    row = KINDS["installed"].resolve(Layer(8, 16, 2, 0.0, 8), {})
    assert block_graph(row, (8, 8, 8)).output_shape == (16, 4, 4)
    forget()
    found = [bad]
    with pytest.raises(NasError, match=r"^plugin 'bad' \(broken_blocks\): ModuleNotFoundError"):
        plugins.load_installed()
    assert "half" not in KINDS
    monkeypatch.delitem(sys.modules, "installed_blocks")


def test_the_command_line_starts_without_plugins() -> None:
    program = "import sys, nas.cli.main\nassert not {'nas.plugins', 'torch'} & {*sys.modules}"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


SAMPLER = """
from optuna.samplers import NSGAIISampler
from nas.study.samplers import sampler
@sampler("mine", cascade=3)
def mine(seed, ancestors):
    return NSGAIISampler(population_size=4, seed=seed)
"""
READER = """
import numpy as np
from nas.data import DataSet, Images, reader
from nas.data.dataset import split
@reader("npz", accepts=lambda path: path.suffix == ".npz")
def read(source, seed):
    with np.load(source) as file:
        images = Images(file["pixels"], file["labels"])
    return DataSet(source, ("a", "b"), *split(images, 0.1, seed), seed=seed)
"""


def test_a_sampler_and_a_reader_of_plugins_are_stored_and_restored(
    run: Run, forget: Forget, tmp_path: Path
) -> None:
    write(tmp_path / "s.py", SAMPLER)
    write(tmp_path / "r.py", READER)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "photos.npz", pixels=pixels, labels=np.arange(40) % 2)
    words = ["search", "--space", "small", "--sampler", "mine", "--data", "photos.npz"]
    words += ["--proxies", "synflow", "--trials", "3", "--study", "s"]
    code, _, err = run(*words, "--plugin", "r.py")
    assert code == 2
    assert err.splitlines()[-1].startswith("nas: sampler 'mine' is unknown")
    forget()
    code, _, err = run(*words, "--plugin", "s.py")
    said = "nas: data set photos.npz: photos.npz is a NumPy file without train_images or x_train, "
    assert (code, err.count("\n"), err.startswith(said)) == (2, 1, True)
    forget()
    assert run(*words, "--plugin", "s.py", "--plugin", "r.py")[0] == 0
    stored = Study.load("s", "studies").settings
    assert [Path(file.path).name for file in stored.plugins] == ["s.py", "r.py"]
    assert (stored.sampler, stored.cascade) == ("mine", 3)
    forget()
    assert "mine" not in SAMPLERS
    resume = ["resume", "s", "--trials", "1", "--plugin"]
    assert run(*resume, "s.py")[0] == 2
    assert run(*resume, "s.py", "--plugin", "r.py")[0] == 0
    assert {"mine"} < set(SAMPLERS)
    assert {"npz"} < set(READERS)


def test_the_proxy_and_the_sampler_of_the_guide_keep_their_contracts(tmp_path: Path) -> None:
    codes = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    for name, check in (("depth", check_proxy), ("young", check_sampler)):
        (code,) = (code for code in codes if f'("{name}"' in code)
        plugins.load(write(tmp_path / f"{name}.py", code))
        check(name)


def test_one_name_in_two_registries_is_two_things(tmp_path: Path) -> None:
    block = plugins.load(write(tmp_path / "a.py", BLOCK.format(name="both")))
    text = "from nas.proxies import proxy\n@proxy('both', paper='none')\ndef f(probe): return 1.0\n"
    proxy = plugins.load(write(tmp_path / "b.py", text))
    assert plugins.providers((PROXIES, ["both"])) == (proxy,)
    assert plugins.providers((KINDS, ["both"])) == (block,)
    assert plugins.providers((KINDS, ["fire"]), (PROXIES, ["synflow"])) == ()


@pytest.mark.parametrize("group", plugins.GROUPS)
def test_every_group_of_entry_points_is_loaded(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = group.replace(".", "_")
    write(tmp_path / f"{module}.py", BLOCK.format(name=module))
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("good", module, group)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry] * (group == entry.group))
    plugins.load_all([])
    assert KINDS.owner(module) == module
    assert plugins.providers((KINDS, [module])) == ()
    monkeypatch.delitem(sys.modules, module)


def test_a_plugin_that_loads_nas_first_takes_nothing_of_it_away(tmp_path: Path) -> None:
    """In a new process the plugin is what imports the proxies; its failure must not forget them."""
    text = "import nas.proxies, nas.study.samplers\n" + BLOCK.format(name="half") + "raise OSError"
    path = write(tmp_path / "a.py", text)
    program = f"""
from nas import plugins
try:
    plugins.load({path!r})
except ValueError as error:
    assert 'OSError' in str(error), error
from nas.blocks import KINDS
from nas.proxies import PROXIES
from nas.study.samplers import SAMPLERS
assert 'half' not in KINDS and 'fire' in KINDS and 'synflow' in PROXIES and 'gp' in SAMPLERS
assert PROXIES.owner('synflow') == 'nas.proxies.kinds.synflow'
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
