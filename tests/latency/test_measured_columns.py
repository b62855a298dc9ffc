"""Tables of other programs: names of columns, settings among repeated rows, units that are none."""

import re
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import pytest

import nas
from nas.latency.latencies import read_latencies
from nas.support.errors import NasError, NasWarning

NAMES = ("mobilenet_v1_100", "resnet18", "squeezenet1_1", "mnasnet_100")


def table(
    folder: Path,
    header: str,
    cells: Sequence[str],
    separator: str = ",",
    names: Sequence[str] = NAMES,
) -> Path:
    """A table of these networks, and again from the first where there are more cells."""
    rows = (f"{name}{separator}{cell}" for name, cell in zip(cycle(names), cells, strict=False))
    path = folder / "measured.csv"
    path.write_text("\n".join([f"model{separator}{header}", *rows, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("imgsz", "160"),
        ("input_shape", '"[1,3,160,160]"'),
        ("input_shape", '"(1, 3, 160, 160)"'),
        ("Input Shape", "Nx3x160x160"),
        ("shape", "3x160x160"),
        ("input", "input:1x3x160x160"),
        ("size", "160"),
        ("image_size", "160 px"),
        ("height,width", "160,160"),
        ("img_height,img_width", "160,160"),
    ],
)
def test_an_input_size_by_any_usual_name_is_read(header: str, size: str, tmp_path: Path) -> None:
    found = read_latencies(table(tmp_path, f"ms,{header}", [f"30,{size}"]))
    assert found.measured == [(nas.reference(NAMES[0], resolution=160), 30.0)]
    assert found.notes == []


@pytest.mark.parametrize(
    ("header", "cell", "said"),
    [
        ("network_input_px", "320", "column 'network_input_px' seems to have input sizes (320)"),
        ("fed", "3x320x320", "column 'fed' seems to have input sizes (3x320x320): name it"),
        ("n", "8", "column 'n' (8) may be the batch: name it batch, or leave it out"),
        ("max batch", "8", "column 'max batch' (8) may be the batch"),
    ],
)
def test_what_would_change_the_latencies_is_not_ignored(
    header: str, cell: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(NasError, match=re.escape(said)):
        read_latencies(table(tmp_path, f"ms,{header}", [f"30,{cell}", f"40,{cell}"]))


@pytest.mark.parametrize(
    ("header", "cell"),
    [("size", "14.2"), ("input", "data"), ("output_shape", "1x1000"), ("width", "0.5"), ("n", "1")],
)
def test_what_is_no_size_is_not_taken_for_one(header: str, cell: str, tmp_path: Path) -> None:
    found = read_latencies(table(tmp_path, f"ms,{header}", [f"30,{cell}"]))
    assert found.measured == [(nas.reference(NAMES[0]), 30.0)]
    assert found.notes == [f"ignored columns: {header}"]


@pytest.mark.parametrize("column", ["bs", "batchsize", "Mini-Batch"])
def test_a_batch_by_any_usual_name_is_divided_by(column: str, tmp_path: Path) -> None:
    found = read_latencies(table(tmp_path, f"ms,{column}", ["80,8"]))
    assert (found.measured[0][1], found.throughput) == (10, True)


def test_queries_of_batches_are_not_guessed(tmp_path: Path) -> None:
    assert read_latencies(table(tmp_path, "qps,batch", ["50,1"])).measured[0][1] == 20
    with pytest.raises(NasError, match="'qps' may be of images or of batches of 8: give images_s"):
        read_latencies(table(tmp_path, "qps,batch", ["50,8"]))


@pytest.mark.parametrize(
    ("column", "ms"),
    [
        ("P50 Latency (ms)", 50),
        ("Average inference time cost (ms)", 50),
        ("qps", 20),
        ("inferences/s", 20),
        ("Throughput (inference / sec)", 20),
    ],
)
def test_columns_that_tools_write(column: str, ms: float, tmp_path: Path) -> None:
    assert read_latencies(table(tmp_path, column, ["50"])).measured[0][1] == ms


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [("threads", "4", "1"), ("Precision", "fp32", "int8"), ("device", "a", "b")],
)
def test_settings_are_not_taken_for_runs(
    column: str, first: str, second: str, tmp_path: Path
) -> None:
    cells = [*(f"30,{first}" for _ in NAMES), *(f"31,{second}" for _ in NAMES)]
    said = f"rows 2 and 6 are of one network and differ in '{column}' ('{first}' and '{second}')"
    with pytest.raises(NasError, match=re.escape(said)):
        read_latencies(table(tmp_path, f"ms,{column}", cells))


@pytest.mark.parametrize("column", ["run", "date", "min_ms", "std", "note", "cpu_temp"])
def test_what_differs_between_runs_makes_no_settings(column: str, tmp_path: Path) -> None:
    cells = [*("30,1" for _ in NAMES), *("31,2" for _ in NAMES)]
    found = read_latencies(table(tmp_path, f"ms,{column}", cells))
    assert [ms for _, ms in found.measured] == [30.5] * 4


def test_measurements_of_any_name_differ_between_runs(tmp_path: Path) -> None:
    cells = [f"30,{value}" for value in (1.1, 2.7, 3.2, 4.8, 1.3, 2.9, 3.1, 4.4)]
    assert len(read_latencies(table(tmp_path, "ms,joules", cells)).measured) == 4


def test_runs_that_are_far_apart_are_named(tmp_path: Path) -> None:
    said = "rows 2 and 6 are of one network, but 10 times apart: the median counts"
    with pytest.warns(NasWarning, match=said):
        read_latencies(table(tmp_path, "ms", ["23", "30", "31", "32", "230"]))


@pytest.mark.parametrize(
    ("cells", "separator", "said"),
    [
        (["780", "2,400"], ";", "row 3: ms 2,400 beside 780 is ambiguous: write 2400 or 2.4"),
        (["780", "2,400"], "\t", "row 3: ms 2,400 beside 780 is ambiguous"),
        (["23,100", "71,000"], "\t", "row 2: ms 23,100 is ambiguous: write 23100 or 23.1"),
        (["23,100", "71,000"], ";", ""),
        (["780", "12,5", "2,400"], "\t", ""),
        (["30", "0,925"], "\t", ""),
    ],
)
def test_a_comma_that_may_be_of_thousands_is_not_guessed(
    cells: list[str], separator: str, said: str, tmp_path: Path
) -> None:
    path = table(tmp_path, "ms", cells, separator)
    if not said:
        found = [ms for _, ms in read_latencies(path).measured]
        assert found == [float(cell.replace(",", ".")) for cell in cells]
        return
    with pytest.raises(NasError, match=re.escape(said)):
        read_latencies(path)


def test_unknown_networks_are_named_at_once(tmp_path: Path) -> None:
    names = ("no1", "resnet18", "no2", "no3", "no1", "no4", "no5")
    said = "row 2: network 'no1' is unknown.*; unknown too: 'no2', 'no3', 'no4' and 1 more"
    with pytest.raises(NasError, match=said):
        read_latencies(table(tmp_path, "ms", ["9"] * len(names), names=names))


def test_one_mistyped_row_is_named_instead_of_a_unit_for_all(tmp_path: Path) -> None:
    said = r"row 5: mnasnet_100 in 0.024 ms .* more than any device: the others are plausible, so"
    with pytest.raises(NasError, match=said) as caught:
        read_latencies(table(tmp_path, "ms", ["29", "71", "14.5", "0.024"]))
    assert "column" not in str(caught.value)


def test_microseconds_of_a_board_are_no_milliseconds(tmp_path: Path) -> None:
    """A Raspberry Pi 4 with ncnn, one thread: MobileNetV1 in 133 ms, ResNet-18 in 250."""
    for column in ("latency_ms", "latency_us"):
        path = table(tmp_path, column, ["133000", "250000", "100000", "110000"])
        if column == "latency_us":
            assert read_latencies(path).measured[0][1] == 133
            continue
        with pytest.raises(NasError, match="microseconds\\? Then name the column latency_us"):
            read_latencies(path)


BOARD = dict(zip(NAMES, (133.0, 250.0, 100.0, 110.0), strict=True))  # ms


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ms: 8 * ms, ""),
        (lambda ms: 30 * ms, "fewer than any known device does but microcontrollers"),
        (lambda ms: 1000 / ms, "latencies fall as multiply-adds grow, as rates do"),
    ],
)
def test_what_fits_no_known_device_is_said(
    change: Callable[[float], float], said: str, recwarn: pytest.WarningsRecorder
) -> None:
    nas.calibrate([(nas.reference(name), change(ms)) for name, ms in BOARD.items()])
    assert [said in str(warning.message) for warning in recwarn] == [True] * bool(said)


def test_settings_that_are_mixed_fit_no_device() -> None:
    """Every second latency is of a device thirty times as fast."""
    names = (*NAMES, "mobilenet_v2_100", "resnet34", "mnasnet_050", "googlenet")
    macs = [nas.cost(nas.reference(name)).macs for name in names]
    mixed = [
        (nas.reference(n), m / (6e8 if i % 2 else 2e7))
        for i, (n, m) in enumerate(zip(names, macs, strict=True))
    ]
    with pytest.warns(NasWarning, match=r"the latencies fit no device, .*% off: are some rates"):
        nas.calibrate(mixed)
