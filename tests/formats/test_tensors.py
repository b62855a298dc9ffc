"""A safetensors file is read as it was written, and what is wrong with one is a line."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.formats.tensors import read_tensors
from nas.support.errors import NasError


def test_tensors_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.eye(2), "b.weight": torch.zeros(0)}, path)
    found = read_tensors(path)
    assert set(found) == {"a", "b.weight"}
    assert torch.equal(found["a"], torch.eye(2))
    assert found["b.weight"].shape == (0,)


def of_type(dtype: str) -> bytes:
    header = json.dumps({"a": {"dtype": dtype, "shape": [2], "data_offsets": [0, 1]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged: "),
        (of_type("F4")[:-1], "damaged: "),
        (of_type("F5"), "damaged: "),
        (of_type("F4"), "holds tensors of the type 'F4', which torch has not"),
    ],
)
def test_a_bad_file_is_one_line(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(NasError) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)
