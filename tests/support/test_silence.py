"""What libraries print from C and C++ is not seen, and what was printed before and after is."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

PRINTS = """
import ctypes
from nas.support.silence import silent

printf = ctypes.CDLL(None).printf
printf(b"before ")
with silent():
    printf(b"hidden ")
printf(b"after")
"""
LOADS = "from nas.latency.runtimes import find_runtime; find_runtime('mnn')"


def printed(program: str) -> str:
    """What a program writes to a pipe, where C keeps it for a while."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_what_c_prints_is_not_seen_later_either() -> None:
    assert printed(PRINTS) == "before after"


@pytest.mark.skipif(not find_spec("MNN"), reason="needs the extra 'mnn'")
def test_a_runtime_that_prints_when_it_is_loaded_leaves_the_output_alone() -> None:
    assert printed(LOADS) == ""
