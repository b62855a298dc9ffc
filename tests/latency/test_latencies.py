"""The CSV of latencies: what is read and what is refused, with file, row and rule."""

import re
from pathlib import Path

import pytest

import nas
from nas.latency.latencies import read_latencies
from nas.references import meant
from nas.support.errors import NasError

TINY = nas.fbnet([8] * 22)


def written(folder: Path, text: str) -> Path:
    path = folder / "measured.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_json_and_onnx_are_networks(tmp_path: Path) -> None:
    import onnx

    (tmp_path / "a.json").write_text(TINY.to_json(), encoding="utf-8")
    other = nas.fbnet([0] * 22)
    onnx.save(nas.to_onnx(other), str(tmp_path / "b.onnx"))
    rows = (
        "network,latency_ms,resolution\nresnet18,12.5,160\nresnet18,20,\na.json,3,\nb.onnx,4,32\n"
    )
    found = read_latencies(written(tmp_path, rows))
    networks = [nas.reference("resnet18", resolution=160), nas.reference("resnet18"), TINY, other]
    assert found.measured == list(zip(networks, (12.5, 20.0, 3.0, 4.0), strict=True))


def test_a_rate_that_contradicts_the_latency_beside_it_is_said(tmp_path: Path) -> None:
    text = "network,latency_ms,{0},batch\nalexnet,10,{1},1\nresnet18,10,50,1\nvgg11,10,109,1\n"
    fps, said = text.format("fps", "80"), "row 2 has latency_ms 10 and fps 80 (and 1 more such)"
    found = read_latencies(written(tmp_path, fps))
    assert [ms for _, ms in found.measured] == [10, 10, 10]
    assert [note for note in found.notes if "contradiction" in note] == [
        f"{said}, a contradiction: latency_ms counts"
    ]
    for alike in (
        text.format("throughput", "80"),  # of several at a time
        fps.replace("80", "100").replace(",50,", ",91,"),
        fps.replace("80", "").replace(",50,", ",n/a,"),
        fps.replace(",1\n", ",4\n"),
    ):
        assert "contradict" not in str(read_latencies(written(tmp_path, alike)).notes)


@pytest.mark.parametrize(
    ("header", "cells", "said"),
    [
        ("latency_ms,latency_us", "10,15000", "latency_ms 10 and latency_us 15000"),
        ("latency_ms,latency_us", "10,10500", ""),
        ("latency_ms,fps,latency_s", "10,100,0.015", "latency_ms 10 and latency_s 0.015"),
        ("latency_ms,latency_us,batch", "10,15000,8", "latency_ms 10 and latency_us 15000"),
        ("latency_ms,latency_us", "10,", ""),
        ("latency_ms,latency_s", "10,1e-320", "latency_ms 10 and latency_s 1e-320"),
        ("fps,frames_per_second", "100,50", "fps 100 and frames_per_second 50"),
        ("fps,images_s", "100,500", ""),  # of several at a time
        ("images_s,throughput", "500,100", "images_s 500 and throughput 100"),
    ],
)
def test_every_second_column_of_time_or_rate_is_compared(
    header: str, cells: str, said: str, tmp_path: Path
) -> None:
    found = read_latencies(written(tmp_path, f"network,{header}\nalexnet,{cells}\n"))
    unit = header.partition(",")[0]
    assert [note for note in found.notes if "contradiction" in note] == (
        [f"row 2 has {said}, a contradiction: {unit} counts"] if said else []
    )


def test_the_resolution_is_optional(tmp_path: Path) -> None:
    text = "\ufefflatency_ms, network\r\n7,alexnet\r\n\r\n"
    assert read_latencies(written(tmp_path, text)).measured == [(nas.reference("alexnet"), 7.0)]


@pytest.mark.parametrize(
    ("first", "separator", "encoding"),
    [("", ";", "cp1252"), ("", "\t", "utf-16"), ("sep=;\r\n", ";", "utf-8-sig")],
)
def test_a_table_is_read_as_excel_saves_it(
    first: str, separator: str, encoding: str, tmp_path: Path
) -> None:
    cells = (("network", "latency_µs", "größe"), ("alexnet", "7000,5", "1"))
    text = first + "".join(f"{separator.join(row)}\r\n" for row in cells)
    path = tmp_path / "measured.csv"
    path.write_bytes(text.encode(encoding))
    found = read_latencies(path)
    assert found.measured == [(nas.reference("alexnet"), 7.0005)]
    assert found.notes == ["ignored columns: größe"]
    path.write_bytes((text + f"alexnet{separator}x{separator}\r\n").encode(encoding))
    with pytest.raises(NasError, match=f"row {3 + bool(first)}: "):
        read_latencies(path)


@pytest.mark.parametrize(
    ("column", "value", "ms"),
    [
        ("latency_us", "7000", 7.0),
        ("ms", "7", 7.0),
        ("Seconds", "0.007", 7.0),
        ("latency_s", "0.007", 7.0),
        ("Latency (ms)", "7", 7.0),
        ("mean_ms", "7", 7.0),
        ("Inference time [µs]", "7000", 7.0),
        ("latency_ns", "7e6", 7.0),
        ("fps", "50", 20.0),
        ("images/s", "50", 20.0),
        ("Throughput (img/sec)", "50", 20.0),
        ("infer_samples_per_sec", "50", 20.0),
    ],
)
def test_units_are_in_the_name_of_the_column(
    column: str, value: str, ms: float, tmp_path: Path
) -> None:
    found = read_latencies(written(tmp_path, f"model,{column}\nresnet18,{value}\n"))
    ((network, latency_ms),) = found.measured
    assert network == nas.reference("resnet18")
    assert latency_ms == pytest.approx(ms)
    assert found.throughput == (ms == 20 and column != "fps")


def test_a_batch_is_divided_and_called_a_throughput(tmp_path: Path) -> None:
    found = read_latencies(written(tmp_path, "network,latency_ms,batch\nresnet18,80,8\n"))
    assert found.measured[0][1] == pytest.approx(10)
    assert found.throughput
    assert any("no latency of a single image" in note for note in found.notes)
    with pytest.raises(NasError, match="batch must be the same in all rows, not 1, 8"):
        read_latencies(written(tmp_path, "network,ms,batch\nresnet18,80,8\nvgg11,9,1\n"))


@pytest.mark.parametrize("column", ["batch_size", "infer_batch_size"])
def test_a_batch_by_another_name_is_one(column: str, tmp_path: Path) -> None:
    found = read_latencies(written(tmp_path, f"network,latency_ms,{column}\nresnet18,80,8.0\n"))
    assert (found.measured[0][1], found.throughput) == (10, True)


@pytest.mark.parametrize(
    "size", ["160", "160.0", "160 x 160", "160×160", "1x3x160x160", "1x160x160x3", "3x160x160"]
)
def test_a_resolution_by_another_name_is_one(size: str, tmp_path: Path) -> None:
    found = read_latencies(written(tmp_path, f"network,ms,input_size\nresnet18,80,{size}\n"))
    assert found.measured == [(nas.reference("resnet18", resolution=160), 80.0)]


def test_a_size_of_a_batch_is_not_that_of_one_image(tmp_path: Path) -> None:
    row = "resnet18,80,8x3x160x160"
    found = read_latencies(written(tmp_path, f"network,ms,input_size\n{row}\n"))
    assert found.measured == [(nas.reference("resnet18", resolution=160), 10.0)]
    assert found.throughput
    found = read_latencies(written(tmp_path, f"network,ms,input_size,batch\n{row},8\n"))
    assert [ms for _, ms in found.measured] == [10.0]
    with pytest.raises(NasError, match="row 2: the input's size has a batch of 8, the batch is 1"):
        read_latencies(written(tmp_path, f"network,ms,input_size,batch\n{row},1\n"))


def test_small_sides_are_sides(tmp_path: Path) -> None:
    found = read_latencies(
        written(tmp_path, "network,ms,input_size\nresnet18,8,1x3x8x32\nresnet18,9,3x64x8\n")
    )
    assert [network.input_shape for network, _ in found.measured] == [(3, 8, 32), (3, 64, 8)]


@pytest.mark.parametrize(
    "text",
    [
        "network;latency_ms\nresnet18;12,5\nalexnet;5\n",
        "\ufeffnetwork;latency_ms\r\nresnet18;12,5\r\n\r\n;\r\nalexnet;5\r\n",
        "network\tlatency_ms\nresnet18\t12.5\n \t \nalexnet\t5\n",
        '"network","latency_ms",""\n"resnet18","12.5",""\n"alexnet","5",""\n',
    ],
)
def test_cells_are_separated_as_spreadsheets_do(text: str, tmp_path: Path) -> None:
    found = read_latencies(written(tmp_path, text))
    assert [ms for _, ms in found.measured] == [12.5, 5]
    assert found.notes == []


@pytest.mark.parametrize("cell", ["", "nan", "-", "N/A"])
def test_rows_without_a_latency_are_left_out_and_counted(cell: str, tmp_path: Path) -> None:
    text = f"network,latency_ms\nresnet18,12\nvgg11,{cell}\nsomething_else,{cell}\n"
    found = read_latencies(written(tmp_path, text))
    assert found.measured == [(nas.reference("resnet18"), 12)]
    assert found.notes == ["2 rows have no latency, so they are left out"]


def test_repeated_rows_are_runs_and_other_columns_are_ignored(tmp_path: Path) -> None:
    text = "network,ms,top1\nresnet18,9,70\nresnet-18,11,70\nalexnet,5,57\nResNet18,10,70\n"
    found = read_latencies(written(tmp_path, text))
    assert dict(found.measured)[nas.reference("resnet18")] == 10
    assert found.notes == [
        "ignored columns: top1",
        "1 networks were measured up to 3 times: medians count",
    ]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("latency_ms", "0.03 0.2", "more than any device: are the values of 'latency_ms' seconds"),
        ("latency_us", "60 110", "milliseconds? Then name the column latency_ms"),
        ("latency_us", "0.03 0.2", "seconds? Then name the column latency_s"),
        ("latency_ns", "60000 110000", "microseconds? Then name the column latency_us"),
        ("fps", "61405 110000", "microseconds? Then name the column latency_us"),
        ("fps", "6e7 1.1e8", "nanoseconds? Then name the column latency_ns"),
        ("latency_ms", "1e-5 61405", "in no unit are all rows plausible"),
        ("latency_ms", "61405 110000", "fewer than any device: are the values of 'latency_ms' mic"),
        ("latency_s", "61 110", "milliseconds? Then name the column latency_ms"),
        ("fps", "0.015 0.03", "seconds? Then name the column latency_s"),
    ],
)
def test_what_no_device_has_is_refused_with_the_unit_that_it_may_be(
    column: str, values: str, said: str, tmp_path: Path
) -> None:
    first, second = values.split()
    text = f"network,{column}\nmobilenet_v2,{first}\nresnet18,{second}\n"
    with pytest.raises(NasError, match=re.escape(said)) as caught:
        read_latencies(written(tmp_path, text))
    assert "mobilenet_v2_100 in " in str(caught.value)
    if "name the column" in (error := str(caught.value)):
        read_latencies(written(tmp_path, text.replace(column, error.rpartition(" ")[2])))


def test_what_is_slow_for_a_reason_is_read(tmp_path: Path) -> None:
    small = "network,latency_ms\nmlperf_tiny_vww,4000\nmlperf_tiny_resnet8,25000\n"
    assert len(read_latencies(written(tmp_path, small)).measured) == 2
    one = "network,latency_ms\nmobilenet_v2,61405\nresnet18,110\nvgg11,300\n"
    assert len(read_latencies(written(tmp_path, one)).measured) == 3


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("mobilenetv2_100", "mobilenet_v2_100"),
        ("mobilenet_v2", "mobilenet_v2_100"),
        ("MobileNetV2 1.4", "mobilenet_v2_140"),
        ("mobilenet_v3_large", "mobilenet_v3_large_100"),
        ("resnet-18", "resnet18"),
        ("mnasnet0_5", "mnasnet_050"),
        ("mnasnet1.0", "mnasnet_100"),
        ("squeezenet1.1", "squeezenet1_1"),
        ("shufflenet_v2_x1_0", "shufflenet_v2_x1_0"),
        ("efficientnet-b0", "efficientnet_b0"),
        ("regnet_y_400mf", "regnety_400mf"),
        ("mobilenetv2_100.ra_in1k", "mobilenet_v2_100"),
        ("resnet50_v1.5", "resnet50"),
        ("resnet18_v1", "resnet18"),
        ("mobilenet_0.25", "mobilenet_v1_025"),
        ("shufflenetv2_0.5x", "shufflenet_v2_x0_5"),
    ],
)
def test_the_usual_synonyms_are_known(name: str, meaning: str) -> None:
    assert meant(name) == meaning


def test_what_is_no_synonym_is_not_taken_for_one() -> None:
    assert [meant(name) for name in ("resnet", "resnet19", "", "mobilenet_v2_055")] == [None] * 4
    # Of another layout, another size, and a file.
    others = ("resnet50_v1", "mobilenetv4_conv_medium.e500_r256_in1k", "resnet18.onnx")
    assert [meant(name) for name in others] == [None] * 3


def test_a_size_in_a_name_is_the_input_s(tmp_path: Path) -> None:
    path = written(tmp_path, "network,ms\nmobilenet_v1_0.25_128,3\n")
    assert read_latencies(path).measured == [(nas.reference("mobilenet_v1_025", None, 128), 3)]
    with pytest.raises(NasError, match="has images of 128 pixels, the resolution is 224"):
        read_latencies(written(tmp_path, HEAD + "mobilenet_v1_0.25_128,3,224\n"))


HEAD = "network,latency_ms,resolution\n"
ERRORS = {
    "empty": ("", "it is empty"),
    "no latency": ("network\nresnet18\n", "no column for the latencies: name it latency_ms"),
    "no unit": ("network,latency\nresnet18,1\n", "no column for the latencies: name it latency_ms"),
    "spread": ("network,std_ms\nresnet18,1\n", "no column for the latencies: name it latency_ms"),
    "no rows": ("network,latency_ms\n", "no row has a latency"),
    "no network": ("net,latency_ms\nresnet18,1\n", "no column for the networks: name it"),
    "twice": ("network,latency_ms,latency_ms\n", "column 'latency_ms' must be there once"),
    "unknown network": (HEAD + "resnet18,1,\nresnet19,2,\n", "row 3: network 'resnet19'"),
    "not a number": (HEAD + "resnet18,fast,\n", "row 2: latency_ms must be a number above 0"),
    "thousands": (
        'network,ms\nresnet18,"1,200"\n',
        "row 2: ms must be a number above 0, not '1,200'",
    ),
    "after a blank": ("network,ms\n\nresnet19,2\n", "row 3: network 'resnet19'"),
    "negative": (HEAD + "resnet18,-1,\n", "row 2: latency_ms must be a number above 0, not '-1'"),
    "infinite": (HEAD + "resnet18,inf,\n", "row 2: latency_ms must be a number above 0"),
    "cells": (HEAD + "resnet18,1\n", "row 2: 2 cells; the file has 3 columns"),
    "resolution": (
        HEAD + "resnet18,1,big\n",
        "row 2: resolution must be a whole number or HEIGHTxWIDTH",
    ),
    "digits": (HEAD + f"resnet18,1,{'9' * 5000}\n", "row 2: resolution must be a whole number or"),
    "batch": ("network,ms,batch\nresnet18,1," + "9" * 5000, "row 2: batch must be a whole number"),
    "quotes": (HEAD + '"resnet18,1,\n', "not CSV"),
    "bad json": (HEAD + "bad.json,1,\n", "bad.json: not an architecture"),
    "too small": (HEAD + "vgg16,1,16\n", "row 2: Block('maxpool'"),
    "other size": (HEAD + "tiny.json,1,64\n", "resolution must be the file's, 32, not '64'"),
    "not onnx": (HEAD + "bad.onnx,1,\n", "bad.onnx: not an ONNX file"),
    "another's onnx": (
        HEAD + "other.onnx,1,\n",
        "other.onnx: not an ONNX file, or cut off: it has no network",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    import onnx

    text, message = ERRORS[name]
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    (tmp_path / "tiny.json").write_text(TINY.to_json(), encoding="utf-8")
    (tmp_path / "bad.onnx").write_bytes(b"\xff\xfe nothing")
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), tmp_path / "other.onnx"
    )
    path = written(tmp_path, text)
    with pytest.raises(NasError, match=re.escape(message)) as caught:
        read_latencies(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_looked_for_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\xff\xfe nothing")
    path = written(tmp_path, "network,latency_ms\nbad.onnx,1\n")
    with pytest.raises(NasError, match="not an ONNX file"):
        read_latencies(path, lambda name: nas.reference(f"{name} of a study"))
