"""The table: what is written is read back, and what is wrong is refused with file, row and rule."""

from pathlib import Path

import pytest

import nas
from nas.blocks import Block
from nas.latency.measuring.plan import in_context
from nas.latency.table import Subject, TableRow, read_table, write_table

HEADER = "kind,spec,latency_ms,spread,visits"
SPEC = '"{""input"":[8,6,6],""row"":{""kind"":""gap""}}"'
GOOD = f"kernel,{SPEC},1.5,0.01,8"

BAD = {
    "negative latency": (f"kernel,{SPEC},-1.5,0.01,8", "row 2: latency_ms must be above 0"),
    "zero latency": (f"kernel,{SPEC},0,0.01,8", "row 2: latency_ms must be above 0"),
    "missing latency": (f"kernel,{SPEC},,0.01,8", "row 2: latency_ms must be a number"),
    "not a number": (f"kernel,{SPEC},nan,0.01,8", "row 2: latency_ms must be finite"),
    "negative spread": (f"kernel,{SPEC},1,-1,8", "row 2: spread must not be below 0"),
    "no visits": (f"kernel,{SPEC},1,0.01,0", "row 2: visits must be a whole number"),
    "kind": (f"kernal,{SPEC},1,0.01,8", "row 2: kind 'kernal' is unknown; did you mean 'kernel'?"),
    "cells": (f"kernel,{SPEC},1,0.01", "row 2: 4 cells"),
    "repeated": (f"{GOOD}\n{GOOD}", "row 3: repeats row 2"),
    "not JSON": ("kernel,{,1,0.01,8", "row 2: spec is not JSON"),
    "keys": ("kernel,{},1,0.01,8", "row 2: spec must be an object with the keys"),
    "block": (
        'kernel,"{""input"":[8,6,6],""row"":{""kind"":""fir""}}",1,0,8',
        "row 2: stem.0: block 'fir' is unknown",
    ),
    "shape": ('kernel,"{""input"":[8,6],""row"":{}}",1,0,8', "row 2: 'input' must be"),
    "network": ("network,{},1,0,8", "row 2: an architecture needs the key 'resolution'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_refused(case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    path = tmp_path / "t.csv"
    path.write_text(f"{HEADER}\n{text}\n", encoding="utf-8")
    with pytest.raises(nas.NasError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"table {path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "truncated"),
        (f"{HEADER}\n{GOOD}", "truncated"),
        (f"{HEADER}\n", "it has no rows"),
        (f"{HEADER}\n{GOOD[:9]}\n", "not CSV"),
        (f"{HEADER},extra\n{GOOD},1\n", f"the columns must be {HEADER}, not '{HEADER},extra'"),
    ],
)
def test_a_bad_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(nas.NasError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"table {path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nas.NasError, match="No such file"):
        read_table(tmp_path / "none.csv")


def test_rows_are_read_back(tmp_path: Path) -> None:
    arch = nas.reference("squeezenet1_1")
    rows = [
        TableRow(Subject.network(arch), 3.25, 0.01, 8),
        TableRow(in_context(Block("fire", out=32, squeeze=8), (16, 9, 9)), 0.125, 0.0, 3),
        TableRow(Subject.kernel(Block("conv", out=32), (16, 9, 9)), 0.0625, 0.5, 1),
    ]
    path = tmp_path / "t.csv"
    write_table(path, rows)
    found = read_table(path)
    assert found == rows
    assert [row.subject.kind for row in found] == ["network", "block", "kernel"]
    assert found[0].subject.architecture() == arch


def test_the_kernels_are_those_of_the_lowering() -> None:
    alone = Subject.kernel(Block("conv", out=32), (16, 9, 9))
    assert [k.op for k in alone.kernels()] == ["conv"]
    blocked = ["reorder_input", "conv", "reorder_output"]
    assert [k.op for k in alone.kernels("nchwc16")] == blocked
