"""Every target passes one contract; looking one up; refusing a bad file."""

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import get_args

import pytest
import yaml

import nas
from nas.blocks import Block
from nas.latency import Target, target_names
from nas.latency.absent import unknown_target
from nas.latency.lowering.kernels import Kernel, KernelOp
from nas.latency.metadata import Protocol
from nas.latency.target import target_path
from nas.space import SearchSpace
from nas.support.errors import NasError
from nas.support.resources import shipped
from nas.support.validation import validated

MOBILE = SearchSpace.load("mobile")
NETWORKS = [MOBILE.sample(seed) for seed in range(30)]
FOLDER = shipped("latency_tables")
ALL = sorted(p.relative_to(FOLDER).with_suffix("").as_posix() for p in FOLDER.rglob("*.yaml"))
SHIPPED = [name for name in ALL if "/" not in name]
SOME = [*SHIPPED, *(name for name in ALL if "/" in name)][: len(SHIPPED) + 3]


@pytest.fixture(params=SOME)
def target(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Target:
    monkeypatch.chdir(tmp_path)
    return Target.load(request.param)


def test_predictions_are_positive_and_inside_their_interval(target: Target) -> None:
    for arch in NETWORKS:
        found = target.predict(arch)
        assert 0 < found.low_ms < found.ms < found.high_ms


def test_predictions_are_additive_over_rows(target: Target) -> None:
    for arch in NETWORKS:
        rows = target.rows_ms(arch)
        assert min(rows) >= 0
        assert len(rows) == len(list(arch.rows()))
        assert target.predict(arch).ms == pytest.approx(target.constant_ms + sum(rows))
        graphs = [graph for _, graph in arch.row_graphs()]
        for row, graph, ms in zip(arch.rows(), graphs, rows, strict=True):
            if target.metadata.lowering == "fused":  # elsewhere it depends on the row before
                assert target.row_ms(row, graph.input_shape) == ms


def test_another_layer_takes_longer(target: Target) -> None:
    for arch in NETWORKS:
        last = arch.stages[-1]
        width = [graph for _, graph in arch.row_graphs()][-4].output_shape[0]
        more = replace(
            arch, stages=(*arch.stages[:-1], (*last, Block("conv", out=width, kernel=1)))
        )
        assert target.predict(more).ms > target.predict(arch).ms


def test_memory_of_earlier_predictions_changes_nothing(target: Target) -> None:
    forward = [target.predict(arch) for arch in NETWORKS]
    fresh = Target.load(target.name)
    assert [fresh.predict(arch) for arch in reversed(NETWORKS)] == forward[::-1]
    assert list(Target.load(target.name).predict_all(NETWORKS)) == forward
    assert fresh.checksum == target.checksum


def test_a_target_states_where_it_comes_from_and_how_far_it_is_off(target: Target) -> None:
    metadata = target.metadata
    assert metadata.sources
    assert metadata.runtime
    assert metadata.error is not None
    assert 0 < metadata.error.mape < 0.2
    assert metadata.error.interval_factor < 2.5
    assert (metadata.noise is not None) == (metadata.provenance == "measured")


def test_predictions_are_of_the_order_of_a_mobile_network(target: Target) -> None:
    """MobileNetV2 takes from a fraction of a millisecond to a few hundred on any of these."""
    mobilenet = nas.reference("mobilenet_v2_100")
    assert 0.5 < target.predict(mobilenet).ms < 1000
    small, large = (target.predict(replace(mobilenet, resolution=r)).ms for r in (128, 256))
    assert 1.05 < large / small < 4.5


def test_names_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert target_names() == ALL
    assert Target.load("jetson").name == "jetson-agx-xavier"
    assert Target.load(target_path("jetson-nano")).name == "jetson-nano"


def test_the_working_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own table replaces a shipped one of its name, and adds a new name and alias."""
    data = yaml.safe_load(target_path("jetson-nano").read_text(encoding="utf-8"))
    folder = tmp_path / "latency_tables"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    for name, aliases in (("jetson-nano", []), ("mine", ["myboard"])):
        text = yaml.safe_dump(data | {"name": name, "device": "mine", "aliases": aliases})
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    assert target_names() == sorted([*ALL, "mine"])
    assert Target.load("jetson-nano").metadata.device == "mine"
    assert Target.load("myboard").name == "mine"
    assert Target.load("jetson").name == "jetson-agx-xavier"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("jetsn", ["jetson"]),
        ("rpi5-vulcan", ["rpi5-vulkan"]),
        ("tx2", ["jetson-tx2", "ncnn/nvidia-jetson-tx2-nx"]),
        ("snapdragon-865", ["snapdragon-675", "snapdragon-888", "snapdragon-821"]),
        ("ncnn/rk3588-3", ["ncnn/rockchip-rk3588-2", "ncnn/rockchip-rk3588"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    name: str, near: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names, aliases and what is behind their folders; those with the name in them first."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nas.NasError) as error:
        Target.load(name)
    said = " or ".join(f"'{each}'" for each in near)
    assert str(error.value).startswith(f"target {name!r} is unknown; did you mean {said}")


def _changed(folder: Path, change: dict[str, object]) -> Target:
    """The Jetson Nano with other facts."""
    data = yaml.safe_load(target_path("jetson-nano").read_text(encoding="utf-8")) | change
    path = folder / "jetson-nano.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return Target.load(path)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("raspberry-pi-5", "Raspberry Pi 5"),
        ("rpi5", "Raspberry Pi 5"),
        ("Raspberry Pi 5", "Raspberry Pi 5"),
        ("snapdragon-855", "Snapdragon 855"),
        ("jetson-orin", "Jetson Orin"),
        ("jetson-orin-nano", "Jetson Orin"),
        ("orin", "Jetson Orin"),
    ],
)
def test_a_device_that_is_known_to_be_missing_is_answered_by_how_to_add_it(
    name: str, device: str
) -> None:
    with pytest.raises(NasError) as error:
        Target.load(name)
    said = str(error.value)
    assert "no published latencies of " in said
    assert device in said
    assert "nas measure --ssh" in said
    assert "nas calibrate --suggest" in said
    assert "did you mean" not in said


def test_what_is_missing_is_not_shipped() -> None:
    for name in target_names():
        assert "no published" not in str(unknown_target(name, []))


def test_the_checksum_is_of_what_predictions_depend_on(tmp_path: Path) -> None:
    target = Target.load("jetson-nano")
    others: tuple[dict[str, object], ...]
    others = ({"notes": "other"}, {"date": "2030-01-01"}, {"sources": []}, {"aliases": ["j"]})
    for same in others:
        assert _changed(tmp_path, same).checksum == target.checksum
    facts = target.metadata
    assert facts.error is not None
    others = (
        {"precision": "int8"},
        {"weights": {**facts.weights, "launch": 1.0}},
        {"error": {**facts.error.model_dump(), "interval_factor": 1.7}},
    )
    for other in others:
        assert _changed(tmp_path, other).checksum != target.checksum


def test_the_checksum_is_also_of_the_bytes_of_the_table(tmp_path: Path) -> None:
    shipped_target = target_path("cpu")
    data = yaml.safe_load(shipped_target.read_text(encoding="utf-8")) | {"notes": "other"}
    path = tmp_path / shipped_target.name
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    table = shipped_target.with_suffix(".csv").read_bytes()
    path.with_suffix(".csv").write_bytes(table)
    fit = ".fit.json"  # another machine would not fit its last digits alike
    path.with_suffix(fit).write_bytes(shipped_target.with_suffix(fit).read_bytes())
    assert Target.load(path).checksum == Target.load("cpu").checksum
    path.with_suffix(".csv").write_bytes(b"".join(table.splitlines(keepends=True)[:40]))
    assert Target.load(path).checksum != Target.load("cpu").checksum


def test_an_interval_without_an_error_is_a_guess_and_says_so(target: Target) -> None:
    assert target.interval_known
    unknown = Target(target.metadata.model_copy(update={"error": None}), target.predictor)
    assert not unknown.interval_known
    found = unknown.predict(NETWORKS[0])
    assert (found.low_ms, found.high_ms) == (found.ms / 2, found.ms * 2)


def test_no_size_up_to_65536_overflows(target: Target) -> None:
    most = 65536
    mobilenet = replace(nas.reference("mobilenet_v2_100"), resolution=most)
    assert isfinite(target.predict(mobilenet).high_ms)
    for op in get_args(KernelOp):
        kernel = Kernel(op, ((most,) * 3,) * 2, (most,) * 3, (most, most), stride=most)
        assert isfinite(target.kernel_ms(kernel))


BAD = {
    "unknown key": ({"colour": "red"}, "colour: unknown setting"),
    "provenance": ({"provenance": "guessed"}, "provenance: should be 'measured', 'estimated' or"),
    "precision": ({"precision": "fp8"}, "precision: should be"),
    "weight": ({"weights": {"lunch": 1.0}}, "weight 'lunch' is unknown"),
    "no weights": ({"weights": {}}, "weights: a calibrated target must have them"),
    "name": ({"name": "other"}, "name: must be that of the file, not 'other'"),
    "date": ({"date": "yesterday"}, "date: String should match"),
    "threads": ({"threads": 0}, "threads: should be greater than"),
    "type": ({"aliases": "jetson"}, "aliases: should be a valid list"),
    "no error": ({"error": None}, "error: a calibrated target must state it"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused(case: str, tmp_path: Path) -> None:
    change, message = BAD[case]
    data = yaml.safe_load(target_path("jetson-nano").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data | {"name": "mine"} | change), encoding="utf-8")
    with pytest.raises(nas.NasError) as caught:
        Target.load(path)
    assert str(caught.value).startswith(f"target {path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["constant", "linear_macs"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_not_positive_is_refused(name: str, value: float, tmp_path: Path) -> None:
    data = yaml.safe_load(target_path("jetson-nano").read_text(encoding="utf-8"))
    data["name"] = "mine"
    data["weights"][name] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(nas.NasError, match=f"weights.{name}: "):
        Target.load(path)


@pytest.mark.parametrize("text", ["", "a: [", "- 1\n", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(nas.NasError) as caught:
        Target.load(path)
    assert str(caught.value).startswith(f"target {path}: ")
    assert "\n" not in str(caught.value)


def test_a_measured_target_without_its_table_is_refused(tmp_path: Path) -> None:
    data = yaml.safe_load(target_path("jetson-nano").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    data |= {"name": "mine", "provenance": "measured"}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(nas.NasError, match=r"mine\.csv: No such file"):
        Target.load(path)


def test_a_count_that_could_not_be_read_again_is_refused() -> None:
    """Found by scripts/fuzz_input.py: it was written into a YAML that nas itself then refused."""
    protocol = {"warm_up": 10**30, "visit_ms": [1.0, 2.0], "visits": 6, "statistic": "median"}
    with pytest.raises(NasError, match=r"^facts: warm_up: "):
        validated(Protocol, protocol, "facts")


def test_a_name_is_no_network() -> None:
    with pytest.raises(NasError, match=r"predict: 'resnet18' is no network; nas\.reference"):
        Target.load("jetson-nano").predict("resnet18")  # type: ignore[arg-type]
