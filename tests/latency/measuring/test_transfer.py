"""Bundles: run as a device would run them, stopped and continued, imported, and over real SSH."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import compress

import pytest

import nas
from nas.architecture import Architecture
from nas.latency import Target
from nas.latency.measuring.bundle import MAIN
from nas.latency.measuring.remote import measure_over_ssh
from nas.latency.measuring.transfer import import_results, make_bundle
from nas.latency.runner import batches, layout
from nas.latency.runner.timing import Failure
from nas.latency.table import Subject, TableRow, read_table, write_table
from nas.space import SearchSpace

FEW = 7.1 / 300  # minutes: seven models, and a second and a half


def tiny(seed: int) -> Architecture:
    return SearchSpace.load("small").sample(seed)


def run_bundle(bundle: Path) -> "subprocess.CompletedProcess[str]":
    """As a device would: in the bundle's folder, nothing of this package within reach."""
    words = [sys.executable, "-I", "measure.pyz"]
    return subprocess.run(words, cwd=bundle, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that was run."""
    bundle = tmp_path_factory.mktemp("device") / "bundle"
    assert make_bundle("board", bundle, minutes=FEW, visits=2, sample=tiny) == 7
    done = run_bundle(bundle)
    assert done.returncode == 0, done.stderr
    assert "7 rows in results.csv" in done.stdout
    assert "left" in done.stdout
    return bundle


def test_a_bundle_has_one_python_file_and_no_weights(finished: Path) -> None:
    files = {path.name for path in finished.iterdir()}
    assert files == {"measure.pyz", "manifest.json", "models", "results.csv", "results.json"}
    models = list((finished / "models").glob("*.onnx"))
    assert len(models) == 7
    assert max(path.stat().st_size for path in models) < 300_000


@pytest.mark.parametrize("path", sorted(Path(batches.__file__).parent.glob("*.py")))
def test_the_runner_is_python_3_8_and_needs_nothing_of_ours(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    allowed = {"numpy", "onnxruntime", *sys.stdlib_module_names}
    assert {str(name).split(".")[0] for name in imported} <= allowed


def test_what_came_back_is_a_target(finished: Path, tmp_path: Path) -> None:
    path, _ = import_results(finished / "results.csv", folder=tmp_path)
    rows = read_table(tmp_path / "board.csv")
    assert path == tmp_path / "board.yaml"
    assert rows == read_table(finished / "results.csv")
    assert len(rows) == 7
    target = Target.load(path)
    assert target.metadata.threads == 1
    assert target.metadata.protocol is not None
    assert target.metadata.protocol.visits == 2
    assert target.predict(tiny(0)).ms > 0


def test_what_is_given_must_agree_with_what_the_runner_says(finished: Path, tmp_path: Path) -> None:
    results = finished / "results.csv"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"threads": 4}, "--threads 4: .*results.json says 1"),
        ({"precision": "int8"}, "--precision int8: .*says fp32"),
        ({"provider": "cuda"}, "--provider cuda: .*says CPUExecutionProvider"),
    ]
    for given, said in cases:
        with pytest.raises(nas.NasError, match=said):
            import_results(results, folder=tmp_path / "t", **given)
    assert not (tmp_path / "t").exists()
    import_results(results, folder=tmp_path / "t", threads=1, precision="fp32", provider="cpu")


def test_rows_alone_are_enough_where_a_name_is_given(finished: Path, tmp_path: Path) -> None:
    alone = tmp_path / "results.csv"
    shutil.copy(finished / "results.csv", alone)
    with pytest.raises(nas.NasError, match="--target"):
        import_results(alone, folder=tmp_path)
    path, said = import_results(alone, name="other", folder=tmp_path, precision="int8")
    assert "device is unknown" in said[0]
    assert Target.load(path).metadata.precision == "int8"


def test_a_provider_alone_has_the_name_that_onnxruntime_gives_it(
    finished: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "results.csv"
    shutil.copy(finished / "results.csv", alone)
    for n, given in enumerate(("cuda", "CUDA", "cudaexecutionProvider", "CUDAExecutionProvider")):
        path, _ = import_results(alone, name=f"t{n}", folder=tmp_path, provider=given)
        assert Target.load(path).metadata.provider == "CUDAExecutionProvider"
    with pytest.raises(nas.NasError, match=r"^provider 'cudda' is unknown; did you mean 'cuda'\?"):
        import_results(alone, name="wrong", folder=tmp_path, provider="cudda")
    assert not list(tmp_path.glob("wrong*"))


def test_latencies_of_another_unit_are_not_imported(tmp_path: Path) -> None:
    """Those of a laptop: ResNet-18 in 20 ms, AlexNet in 10."""
    archs = {"resnet18": 20.0, "alexnet": 10.0}
    results = tmp_path / "results.csv"

    def imported(factor: float) -> list[str]:
        rows = [
            TableRow(Subject.network(nas.reference(name)), ms * factor, 0.01, 6)
            for name, ms in archs.items()
        ]
        write_table(results, rows)
        return import_results(results, name=f"x{factor:g}", folder=tmp_path)[1]

    assert len(imported(1)) == 1
    assert "are the values microseconds" in imported(1000)[1]
    with pytest.raises(nas.NasError, match=r"results.csv: row 2: .*are the values seconds\?"):
        imported(0.001)
    assert not (tmp_path / "x0.001.yaml").exists()


def test_a_damaged_import_is_refused_and_writes_nothing(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "b", ignore=shutil.ignore_patterns("models"))
    results, facts = tmp_path / "b" / "results.csv", tmp_path / "b" / "results.json"
    good = results.read_text(encoding="utf-8")
    results.write_text(good[:-20], encoding="utf-8")
    with pytest.raises(nas.NasError, match=r"results\.csv: truncated"):
        import_results(results, folder=tmp_path / "t")
    lines = good.splitlines()
    for bad, rule in (("-1", "above 0"), ("", "a number"), ("3ms", "a number")):
        cells = lines[2].rsplit(",", 3)
        changed = [*lines[:2], ",".join([cells[0], bad, *cells[2:]]), *lines[3:]]
        results.write_text("\n".join(changed) + "\n", encoding="utf-8")
        with pytest.raises(nas.NasError, match=rf"results\.csv: row 3: latency_ms must be {rule}"):
            import_results(results, folder=tmp_path / "t")
    results.write_text(good, encoding="utf-8")
    data = json.loads(facts.read_text(encoding="utf-8"))
    facts.write_text(json.dumps({**data, "threads": 0}), encoding="utf-8")
    with pytest.raises(nas.NasError, match=r"threads.* 1, not 0"):
        import_results(results, folder=tmp_path / "t")
    facts.write_text(json.dumps({**data, "speed": 1}), encoding="utf-8")
    with pytest.raises(nas.NasError, match=r"results\.json: speed: unknown setting"):
        import_results(results, folder=tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_rows_that_would_be_lost_are_an_error(finished: Path, tmp_path: Path) -> None:
    import_results(finished / "results.csv", folder=tmp_path)
    shorter = tmp_path / "shorter"
    shutil.copytree(finished, shorter, ignore=shutil.ignore_patterns("models"))
    lines = (shorter / "results.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (shorter / "results.csv").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(nas.NasError, match=r"1 rows that .* lacks"):
        import_results(shorter / "results.csv", folder=tmp_path)


def test_an_import_that_is_interrupted_is_gone_on_with(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = finished / "results.csv"

    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    for step, left in (("transfer.write_table", []), ("measure.fitted", ["csv", "yaml"])):
        with monkeypatch.context() as patch:
            patch.setattr(f"nas.latency.measuring.{step}", interrupted)
            with pytest.raises(KeyboardInterrupt):
                import_results(results, folder=tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"board.{end}" for end in left]
    path, _ = import_results(results, folder=tmp_path)
    assert read_table(tmp_path / "board.csv") == read_table(results)
    assert Target.load(path).metadata.noise is not None


def test_a_killed_bundle_goes_on_and_loses_no_row(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    assert make_bundle("board", bundle, minutes=0.25, visits=1, sample=tiny) == 75
    words = [sys.executable, "-I", "measure.pyz"]
    child = subprocess.Popen(words, cwd=bundle, stdout=subprocess.DEVNULL)
    results = bundle / "results.csv"
    while child.poll() is None and not results.exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = read_table(results)
    assert 5 < len(kept) < 75
    done = run_bundle(bundle)
    assert done.returncode == 0, done.stderr
    rows = read_table(results)
    assert rows[: len(kept)] == kept
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    assert [row.subject.spec for row in rows] == [model["spec"] for model in manifest["models"]]


def test_a_bundle_for_a_provider_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    make_bundle("board", bundle, minutes=FEW, provider="qnn", sample=tiny)
    done = run_bundle(bundle)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "provider 'qnn' is not available" in done.stderr
    assert "CPUExecutionProvider" in done.stderr


def test_a_model_that_does_not_load_is_left_out_and_said(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    make_bundle("board", bundle, minutes=FEW, visits=1, sample=tiny)
    (bundle / "models" / "00001.onnx").write_bytes(b"nothing")
    (bundle / "models" / "00006.onnx").write_bytes(b"nothing")
    done = run_bundle(bundle)
    assert done.returncode == 0, done.stderr
    assert len(read_table(bundle / "results.csv")) == 5
    said = json.loads((bundle / "results.json").read_text(encoding="utf-8"))["warnings"]
    assert sum("was left out" in warning for warning in said) == 2


def test_a_folder_that_is_not_empty_stays_as_it_is(finished: Path) -> None:
    before = sorted(finished.iterdir())
    with pytest.raises(nas.NasError, match="no empty folder"):
        make_bundle("board", finished, minutes=FEW, sample=tiny)
    assert sorted(finished.iterdir()) == before


Measure = Callable[..., tuple[Path, list[str]]]


@pytest.fixture
def over_ssh(server: tuple[str, list[str], Path], tmp_path: Path) -> Measure:
    host, options, _ = server

    def call(**changes: Any) -> tuple[Path, list[str]]:
        settings: dict[str, Any] = {"python": sys.executable, "minutes": FEW, "visits": 1}
        settings |= {"sample": tiny, **changes}
        return measure_over_ssh("board", host, ssh_options=options, folder=tmp_path, **settings)

    return call


def test_a_device_is_measured_over_ssh_and_left_clean(
    over_ssh: Measure, server: tuple[str, list[str], Path], tmp_path: Path
) -> None:
    said: list[str] = []
    path, _ = over_ssh(say=said.append)
    kept = read_table(tmp_path / "board.csv")
    assert len(kept) == 7
    assert any("7 rows" in line for line in said)
    assert Target.load(path).predict(tiny(0)).ms > 0
    assert not list(server[2].iterdir())
    over_ssh(say=said.append)
    rows = read_table(tmp_path / "board.csv")
    assert rows[: len(kept)] == kept
    assert len(rows) > len(kept)


def test_a_target_whose_name_has_a_folder_is_measured_over_ssh(
    server: tuple[str, list[str], Path], tmp_path: Path
) -> None:
    host, options, _ = server
    settings: dict[str, Any] = {"python": sys.executable, "minutes": FEW, "visits": 1}
    settings |= {"ssh_options": options, "sample": tiny, "say": lambda line: None}
    path, _ = measure_over_ssh("acme/board2", host, folder=tmp_path, **settings)
    assert path == tmp_path / "acme" / "board2.yaml"
    assert len(read_table(path.with_suffix(".csv"))) == 7


def test_an_interrupted_call_brings_its_rows_back(over_ssh: Measure, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        if " rows, " in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        over_ssh(say=interrupt, minutes=0.05)
    kept = read_table(tmp_path / "board.csv")
    assert len(kept) > 5
    over_ssh(say=lambda line: None)
    assert read_table(tmp_path / "board.csv")[: len(kept)] == kept


def test_rows_that_a_broken_connection_left_are_fetched_first(
    over_ssh: Measure, server: tuple[str, list[str], Path], finished: Path, tmp_path: Path
) -> None:
    left = server[2] / ".hw-nas-board"
    left.mkdir(exist_ok=True)
    for name in ("results.csv", "results.json"):
        shutil.copy(finished / name, left / name)
    said: list[str] = []
    over_ssh(say=said.append)
    assert "fetched the rows" in said[0]
    kept = read_table(finished / "results.csv")
    assert read_table(tmp_path / "board.csv")[: len(kept)] == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": "no-such-python"}, "no-such-python"),
        ({"provider": "qnn"}, "provider 'qnn' is not available"),
    ],
)
def test_what_the_device_says_is_one_line(
    over_ssh: Measure, changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(nas.NasError, match=message) as caught:
        over_ssh(say=lambda line: None, **changes)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("board.*"))


def test_a_host_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    if not shutil.which("ssh"):
        pytest.skip("there is no ssh")
    for host, message in (("-oProxyCommand=x", "must be a host"), ("127.0.0.1", "127.0.0.1")):
        with pytest.raises(nas.NasError, match=message) as caught:
            measure_over_ssh(
                "board", host, ssh_options=["Port=1"], folder=tmp_path, minutes=FEW, sample=tiny
            )
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ({"onnxruntime": "__version__ = '1.6.0'"}, "onnxruntime 1.6.0 is too old: install 1.8 "),
        ({"onnxruntime": "raise ImportError('no libgomp\\nhere')"}, "no libgomp here; install"),
        ({"onnxruntime": "1 / 0"}, "division by zero; install what it needs: pip install numpy"),
        ({"numpy": "raise ImportError('No module named numpy')"}, "No module named numpy; install"),
    ],
)
def test_old_or_missing_packages_are_said_in_one_line(
    packages: dict[str, str], said: str, finished: Path, tmp_path: Path
) -> None:
    for name, text in packages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
    done = subprocess.run(
        [sys.executable, str(finished / "measure.pyz")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("measure.pyz: ")
    assert said in line


def test_an_old_python_is_said_in_one_line() -> None:
    told = "import sys; sys.version_info = (3, 6, 9, 'final', 0)\n"
    done = subprocess.run(
        [sys.executable, "-c", told + MAIN], capture_output=True, text=True, check=False
    )
    assert done.stderr == "measure.pyz: Python 3.6 is too old: run it with 3.8 or newer\n"
    assert done.returncode == 1


def test_a_runtime_that_loads_no_model_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "PROBE", b64encode(compress(b"no model")))
    with pytest.raises(Failure, match=r"^onnxruntime [\d.]+ loads no model: .+$"):
        layout.lowering("CPUExecutionProvider")
