"""The commands as a user runs them: what they print, what they write, and every kind of mistake."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from commands import Run

import nas
from nas.__main__ import run as program
from nas.latency.metadata import read_metadata
from nas.latency.target import target_names, target_path
from nas.networks import read_network
from nas.study import Driver


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a small study called `s` has been made, once."""
    folder = tmp_path_factory.mktemp("made")
    command = [sys.executable, "-m", "nas", *SEARCH, "--study", "s"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def searched(run: Run, made: Path, tmp_path: Path) -> Run:
    """`run` in a copy of that folder."""
    copytree(made, tmp_path, dirs_exist_ok=True)
    return run


SEARCH = ("search", "--target", "jetson", "--budget", "15M", "--space", "small", "--trials", "6")
QUICK = ("--proxies", "entropy")  # where the score is not what is looked at


def test_search_ends_with_a_table_within_budget_and_the_next_commands(run: Run) -> None:
    code, out, _ = run(*SEARCH, "--budget", "1.5ms", "--seed", "3")
    assert code == 0
    name = "small-jetson-agx-xavier-15m-1.5ms"
    assert f"nas export {name} --output best.onnx" in out
    assert f"nas resume {name} --trials 6" in out
    rows = [line.split() for line in out.splitlines() if line[:7].strip().isdigit()]
    assert rows
    for row in rows:
        assert float(row[1].removesuffix("%")) > 0
        assert float(row[3]) <= 15
        assert float(row[6]) <= 1.5
    assert "predicted accuracy: what the top-1 in percent would be on" in out
    assert "calibrated" in out


def test_show_json_is_what_other_programs_rely_on(searched: Run) -> None:
    code, out, _ = searched("show", "s", "--json")
    shown = json.loads(out)
    assert code == 0
    assert set(shown) == {
        "study", "space", "target", "budgets", "sampler", "objectives",
        "trials", "feasible", "best", "pareto", "hypervolume", "scored_by", "trained",
    }  # fmt: skip
    assert (shown["study"], shown["space"], shown["trials"]) == ("s", "small", 6)
    assert shown["budgets"] == ["15M"]
    for entry in (shown["best"], *shown["pareto"]):
        arch = nas.Architecture.from_dict(entry["architecture"])
        prediction = nas.Target.load("jetson").predict(arch)
        assert entry["latency_ms"] == prediction.ms
        assert entry["latency_interval_ms"] == [prediction.low_ms, prediction.high_ms]
        halved = 2 * entry["peak_bytes"]  # the target's precision is fp16
        assert nas.cost(arch) == (entry["params"], entry["macs"], halved)
        assert entry["resolution"] == arch.resolution
        low, high = entry["predicted_accuracy_interval"]
        assert low < entry["predicted_accuracy"] < high


def test_show_lists_best_and_layers(searched: Run) -> None:
    code, out, _ = searched("show", "s")
    assert code == 0
    assert "head.2" in out
    code, out, _ = searched("studies")
    assert "6/6" in out


def test_resume_adds_trials(searched: Run) -> None:
    assert searched("resume", "s", "--trials", "3")[0] == 0
    assert json.loads(searched("show", "s", "--json")[1])["trials"] == 9
    code, _, err = searched("resume", "s")
    assert code == 0
    assert "has its 9 trials" in err


@pytest.mark.parametrize("ending", ["onnx", "tflite"])
def test_an_untrained_network_as_int8_is_for_timing(
    searched: Run, tmp_path: Path, ending: str
) -> None:
    pytest.importorskip("tflite")
    code, out, _ = searched("export", "s", "--int8", "-o", f"a.{ending}", "--trial", "2")
    assert code == 0
    assert "its outputs mean nothing" in out
    assert read_network(tmp_path / f"a.{ending}").hash == trial_two(searched)
    code, out, _ = searched("export", "s", "-o", f"b.{ending}", "--trial", "2")
    assert code == 0
    whole, small = (tmp_path / f"{name}.{ending}" for name in "ba")
    assert whole.stat().st_size > 1.2 * small.stat().st_size
    code, _, _ = searched("export", "s", "--int8", "--format", ending)
    assert code == 0
    assert (tmp_path / f"s_int8.{ending}").exists()
    assert not (tmp_path / f"s.{ending}").exists()


def trial_two(searched: Run) -> str:
    code, out, _ = searched("export", "s:2")
    assert out.startswith("s-2.onnx: trial 2")
    code, _, _ = searched("export", "s", "-o", "two.onnx", "--trial", "2")
    assert code == 0
    return read_network(Path("two.onnx")).hash


@pytest.mark.parametrize("dynamic", [False, True])
def test_export_equals_torch_and_says_so(searched: Run, tmp_path: Path, dynamic: bool) -> None:
    words = ["export", "s", "--output", "out/best.onnx", "--trial", "2"]
    code, out, _ = searched(*words, *(["--dynamic-batch"] if dynamic else []))
    assert code == 0
    difference = float(out.split("above 1: ")[1].split()[0])
    assert difference <= 1e-4
    model = onnx.load(tmp_path / "out" / "best.onnx")
    onnx.checker.check_model(model, full_check=True)
    facts = {p.key: p.value for p in model.metadata_props}
    arch = nas.Architecture.from_json(facts["architecture"])
    assert facts["target"] == "jetson-agx-xavier"
    assert json.loads(facts["budgets"]) == ["15M"]
    assert set(json.loads(facts["versions"])) == {"hw-nas", "torch", "onnx"}
    assert not any(n.op_type == "BatchNormalization" for n in model.graph.node)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    batch = 3 if dynamic else 1
    image = np.zeros((batch, *arch.input_shape), np.float32)
    (logits,) = session.run(["logits"], {"image": image})
    assert logits.shape == (batch, 10)


def test_describe_a_reference_network(run: Run) -> None:
    code, out, _ = run("describe", "mobilenet_v2_100", "--target", "jetson", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["name"] == "mobilenet_v2_100"
    assert (facts["params"], facts["macs"]) == (3_504_872, 300_774_272)
    assert facts["resolution"] == 224
    low, high = facts["latency_interval_ms"]
    assert low < facts["latency_ms"] < high
    for total in ("params", "macs"):
        assert sum(layer[total] for layer in facts["layers"]) == facts[total]
    assert max(layer["peak_bytes"] for layer in facts["layers"]) == facts["peak_bytes"]
    assert sum(layer["latency_ms"] for layer in facts["layers"]) <= facts["latency_ms"]
    assert facts["layers"][-1]["shape"] == [1000, 1, 1]


def test_describe_a_file_and_a_study(searched: Run, tmp_path: Path) -> None:
    best = json.loads(searched("show", "s", "--json")[1])["best"]
    (tmp_path / "a.json").write_text(json.dumps(best["architecture"]))
    by_file = json.loads(searched("describe", "a.json", "--target", "jetson", "--json")[1])
    by_study = json.loads(searched("describe", "s", "--json")[1])
    assert {**by_file, "name": ""} == {**by_study, "name": ""}
    assert by_study["macs"] == best["macs"]
    assert "MMACs" in searched("describe", "a.json")[1]


def test_lists(run: Run) -> None:
    assert "jetson-agx-xavier" in run("targets")[1]
    assert "calibrated" in run("targets")[1]
    assert {"mobile", "small"} <= set(run("spaces")[1].split())
    assert "no studies" in run("studies")[1]
    assert run("--version")[1].startswith("nas ")
    assert "Commands:" in run()[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serch"], "serch"),
        (["search", "--target", "jetsn"], "did you mean 'jetson'"),
        (["search", "--budget", "300"], "300MFLOPs, 8ms"),
        (["search", "--budget", "1MFLOPs", "--target", "jetson"], "smallest network"),
        (["search", "--space", "mobil"], "did you mean 'mobile'"),
        (["search", "--space", "none.yaml"], "none.yaml"),
        (["search", "--sampler", "nsga3"], "did you mean 'nsga2'"),
        (["search", "--trials", "0"], "trials: should be greater than or equal to 1, not 0"),
        (["search", "--trials", "many"], "many"),
        (["search", "--seed", "-1"], "seed"),
        (["search", "--storage", "no://where"], "cannot be opened"),
        (["search", "--workers", "0"], "workers 0: must be from 1"),
        (["search", "--target", "n" * 5000], "nn…"),
        (["search", "--study", "n" * 5000], "study name"),
        (["resume", "none"], "'none'"),
        (["resume", "none.journal"], "'none'"),
        (["show", "none"], "'none'"),
        (["export", "none", "-o", "a.onnx"], "'none'"),
        (["describe", "mobilenet_v2_10"], "did you mean 'mobilenet_v2_1"),
        (["describe", "none.json"], "No such file"),
        (["describe", "resnet18", "--target", "x"], "target 'x'"),
        (["describe", "resnet18", "--resolution", "0"], "0"),
        (["describe", "."], ".: a folder without a training"),
        (["measure", "--target", "Bad Name"], "'Bad Name' must be of lower-case"),
        (["measure", "--target", "x", "--minutes", "0"], "minutes must be above 0, not 0"),
        (["measure", "--target", "x", "--space", "mobil"], "did you mean 'mobile'"),
        (["export"], "NETWORK"),
        (["search", "--budgt", "1"], "--budgt"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run: Run, words: list[str], said: str) -> None:
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert "Traceback" not in err


def test_mistakes_about_a_study_that_exists(searched: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for words, said in (
        (["export", "s", "-o", "a.onnx", "--trial", "99"], "trial 99"),
        (["export", "s", "-o", "folder"], "folder cannot be written: it is no regular file"),
        (["export", "s", "-o", ""], "no regular file"),
        (["export", "s", "-o", os.devnull], "no regular file"),
        (["export", "s", "-o", "a.onnx", "--format", "tflite"], "tflite"),
        (["export", "s", "-o", "a.onnx", "--opset", "12"], "opset must be a whole number of 13 to"),
        (["resume", "s", "--trials", "0"], "--trials 0"),
        ([*SEARCH, "--seed", "7", "--study", "s"], "seed 0, not 7; go on with it: nas resume s"),
        (["resume", "s", "--workers", "-1"], "workers -1"),
        (["describe", "s", "--resolution", "32"], "--resolution 32"),
    ):
        code, _, err = searched(*words)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_every_trial_and_says_how_to_resume(number: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "nas", *SEARCH[:-1], "100000", *QUICK, "--study", "c"]
    child: Any = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "studies" / "c.journal"
    while child.poll() is None and not (
        journal.exists() and b'"nas:trial"' in journal.read_bytes()
    ):
        time.sleep(0.01)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    assert child.returncode == 128 + number
    assert "nas resume c" in out
    kept = int(out.split("interrupted: all ")[1].split()[0])
    assert kept >= 1
    assert len(nas.Study.load(str(journal)).trials()) == kept


def test_ctrl_c_in_a_command_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.latency.target_names", interrupted)
    assert run("targets") == (130, "", "nas: interrupted\n")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libx.so.1: cannot open shared object file: Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_too_little_memory_is_said(
    error: Exception, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is a library that does not load for it."""

    def raised(*_: object) -> None:
        raise error

    monkeypatch.setattr("nas.latency.target_names", raised)
    assert run("targets") == (2, "", "nas: out of memory; what was stored is kept\n")
    if not isinstance(error, RuntimeError):
        monkeypatch.setattr("nas.cli.main.main", raised)
        with pytest.raises(SystemExit, match="2"):
            program()


@pytest.mark.parametrize("megabytes", [500, 640])
def test_torch_is_not_loaded_where_it_would_end_the_process(megabytes: int, tmp_path: Path) -> None:
    """Its threads do, by std::bad_alloc and without a line, at one size and another."""
    limit = megabytes << 20
    done = subprocess.run(
        [sys.executable, "-m", "nas", "score", "squeezenet1_1", "--proxies", "synflow"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "nas: out of memory; what was stored is kept"


def test_another_library_that_does_not_load_is_no_lack_of_memory(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raised(*_: object) -> None:
        raise ImportError("libx.so.1: no such file")

    monkeypatch.setattr("nas.latency.target_names", raised)
    with pytest.raises(ImportError, match="no such file"):
        run("targets")


def test_ctrl_c_while_starting_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.cli.main.main", interrupted)
    with pytest.raises(SystemExit, match="130"):
        program()
    assert capsys.readouterr().err == "nas: interrupted\n"


@pytest.mark.parametrize(
    "words", [["references"], ["--help"], ["describe", "vgg16", "--target", "jetson", "--json"]]
)
def test_a_closed_pipe_is_no_error(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        words = [sys.executable, "-m", "nas", *words]
        done = subprocess.run(words, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def on_a_terminal(columns: int, folder: Path, *words: str) -> str:
    """What a command prints on a terminal of that width, without colours."""
    reader, writer = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "nas", *words]
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=writer)
    os.close(writer)
    printed = b""
    with suppress(OSError):  # the end of a terminal
        while data := os.read(reader, 4096):
            printed += data
    os.close(reader)
    assert child.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("words", "dropped"),
    [
        ("targets", {"provenance", "device", "runtime", "date", "noise"}),
        ("spaces mobile squeeze", set()),
        ("references", set()),
        ("describe resnet18", set()),
        ("show s", {"by hand"}),
        ("studies", set()),
    ],
)
def test_no_number_is_cut_on_a_narrow_terminal(
    searched: Run, tmp_path: Path, words: str, dropped: set[str]
) -> None:
    narrow, wide = on_a_terminal(80, tmp_path, *words.split()), searched(*words.split())[1]
    table, complete = (text.split("──\n")[-1] for text in (narrow, wide))
    assert max(len(line) for line in narrow.splitlines() if line.startswith("──")) <= 80
    assert "…" not in narrow
    assert narrow[0] != "\n" != wide[0]
    numbers = re.findall(r"(?<=  )[-0-9.–%/e+]+(?=  |\n)", complete)
    wanted = {number for number in numbers if not dropped or "%" in number}
    if words == "targets":
        errors = [read_metadata(target_path(name)).error for name in target_names()]
        wanted = {f"{error.mape:.1%}" for error in errors if error}
    assert wanted <= set(table.split())
    for column in dropped:
        assert column not in narrow.split("──")[0]
        assert column in wide.split("──")[0]


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_what_one_types_for_a_target_is_there_at_any_width(columns: int, tmp_path: Path) -> None:
    printed = on_a_terminal(columns, tmp_path, "targets")
    assert max(len(line.rstrip()) for line in printed.splitlines() if "%" in line) <= columns
    assert re.search(r"^(jetson-agx-xavier +)?jetson .*2\.7%", printed, re.M)
    assert re.search(r"^(x86-avx512-ort +)?cpu ", printed, re.M)
    assert re.search(r"^jetson-nano ", printed, re.M)  # has none


def test_the_ms_of_the_layers_add_up(run: Run) -> None:
    out = run("describe", "resnet18")[1]
    total = float(out.split(" ms, 90% interval")[0].split()[-1])
    assert out.splitlines()[-1].startswith("constant ")
    rows = out.split("──\n")[-1].splitlines()
    assert sum(float(row.split()[-1]) for row in rows) == pytest.approx(total, rel=0.005)


def own_target(folder: Path, base: str = "jetson", **changes: Any) -> Path:
    """A shipped target as the file `mine.yaml`, changed."""
    data = yaml.safe_load(target_path(base).read_text())
    path = folder / "latency_tables" / "mine.yaml"
    path.parent.mkdir(exist_ok=True)
    data = {**data, "name": "mine", "aliases": [], **changes}
    path.write_text(yaml.safe_dump({key: v for key, v in data.items() if v is not None}))
    return path


def test_an_unknown_error_gives_no_interval(run: Run, tmp_path: Path) -> None:
    path = own_target(tmp_path, "cpu", error=None)
    for end in (".csv", ".fit.json"):
        copy(target_path("cpu").with_suffix(end), path.with_suffix(end))
    words = ("search", "--target", "mine", "--space", "small", "--trials", "3")
    assert "ms, no error known\n" in run("describe", "resnet18", "--target", "mine")[1]
    assert "fp32, no error known\n" in run("references", "--target", "mine")[1]
    assert run(*words, *QUICK)[0] == 0
    assert "fp32, no error known\n" in run("show", "small-mine")[1]
    assert "ms (no error known)" in run("export", "small-mine", "-o", "a.onnx")[1]


def test_a_bad_target_is_one_row(run: Run, tmp_path: Path) -> None:
    own_target(tmp_path).write_text("name: 1\n")
    code, out, _ = run("targets")
    assert code == 0
    assert any(line.startswith("mine ") and "mine.yaml" in line for line in out.splitlines())
    assert "x86-avx512-ort" in out


@pytest.mark.parametrize("error", ["nan", "-3"])
def test_the_error_of_targets_is_at_least_0(run: Run, error: str) -> None:
    said = f"nas: --error {error}: must be a percentage of at least 0\n"
    assert run("targets", "--error", error) == (2, "", said)
    assert run("targets", "--error", "100")[0] == 0


def test_a_damaged_study_is_one_row(searched: Run, tmp_path: Path) -> None:
    journal = tmp_path / "studies" / "s.journal"
    journal.write_text(journal.read_text().replace('"latency_interval_ms"', '"interval"'))
    assert searched(*SEARCH, *QUICK, "--study", "t")[0] == 0
    code, out, _ = searched("studies")
    assert code == 0
    assert "damaged" in out
    assert "6/6" in out


def test_show_works_when_the_target_has_changed(run: Run, tmp_path: Path) -> None:
    path = own_target(tmp_path)
    words = ("search", "--target", "mine", "--space", "small", "--trials", "3", "--study", "s")
    assert run(*words, *QUICK)[0] == 0
    before = run("show", "s", "--json")[1]
    assert json.loads(before)["target"] == "mine"
    own_target(tmp_path, precision="fp32")
    code, out, _ = run("show", "s")
    assert code == 0
    assert "latency: predicted for mine, " in out
    assert "constant " in out
    path.unlink()
    code, out, err = run("show", "s", "--json")
    assert (code, json.loads(out), err) == (0, json.loads(before), "")
    assert run("resume", "s", "--trials", "1")[0] == 0


def test_an_exhausted_space_is_not_searched_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Driver, "run", lambda *_, **__: "exhausted")
    out = run(*SEARCH)[1]
    assert "exhausted" in out
    assert "nas resume" not in out


def test_a_log_is_not_wrapped(run: Run) -> None:
    assert (
        run(*SEARCH, *QUICK, "--study", "n" * 90)[2].splitlines()[0].endswith("sampler evolution")
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--study", "foo bar"), "study name 'foo bar'"),
        (("--target", "jetsn"), "did you mean 'jetson'"),
        (("--sampler", "nsga3"), "did you mean 'nsga2'"),
        (("--objective", "lat"), "objective 'lat' is unknown"),
    ],
)
def test_mistakes_of_a_search_are_said_before_data_are_read(
    run: Run, words: tuple[str, ...], said: str
) -> None:
    code, _, err = run("search", "--data", "no such data", *words)
    assert code == 2
    assert said in err
