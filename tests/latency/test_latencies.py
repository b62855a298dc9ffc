"""The CSV of latencies: what is read and what is refused, with file, row and rule."""

import re
from pathlib import Path

import pytest

import nas
from nas.latency.latencies import read_latencies
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
    assert found == list(zip(networks, (12.5, 20.0, 3.0, 4.0), strict=True))


def test_the_resolution_is_optional(tmp_path: Path) -> None:
    text = "\ufefflatency_ms, network\r\n7,alexnet\r\n\r\n"
    assert read_latencies(written(tmp_path, text)) == [(nas.reference("alexnet"), 7.0)]


HEAD = "network,latency_ms,resolution\n"
ERRORS = {
    "empty": ("", "it is empty"),
    "no latency": ("network\nresnet18\n", "column 'latency_ms' must be there once"),
    "unknown column": ("network,latency_us\n", "column 'latency_us' is unknown"),
    "twice": ("network,latency_ms,latency_ms\n", "column 'latency_ms' must be there once"),
    "unknown network": (HEAD + "resnet18,1,\nresnet19,2,\n", "row 3: network 'resnet19'"),
    "not a number": (HEAD + "resnet18,fast,\n", "row 2: latency_ms must be a number above 0"),
    "negative": (HEAD + "resnet18,-1,\n", "row 2: latency_ms must be a number above 0, not '-1'"),
    "infinite": (HEAD + "resnet18,inf,\n", "row 2: latency_ms must be a number above 0"),
    "cells": (HEAD + "resnet18,1\n", "row 2: 2 cells; the file has 3 columns"),
    "resolution": (HEAD + "resnet18,1,big\n", "row 2: resolution must be a whole number"),
    "repeated": (HEAD + "resnet18,1,\nresnet18,1,224\n", "row 3: 'resnet18' is the network of row"),
    "quotes": (HEAD + '"resnet18,1,\n', "not CSV"),
    "bad json": (HEAD + "bad.json,1,\n", "bad.json: not an architecture"),
    "other size": (HEAD + "tiny.json,1,64\n", "resolution must be the file's, 32, not '64'"),
    "not onnx": (HEAD + "bad.onnx,1,\n", "bad.onnx: not an ONNX file"),
    "another's onnx": (HEAD + "other.onnx,1,\n", "other.onnx: its metadata have no 'architecture'"),
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
