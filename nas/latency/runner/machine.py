"""What this machine is: its name, and the features of its processor that decide how fast it is."""

from __future__ import annotations

import platform
from pathlib import Path

# The processor features that decide a convolution's speed, in Linux's names for x86 and ARM.
FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16",
         "amx_int8", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve")  # fmt: skip


def processor() -> tuple[str, list[str]]:
    """The name of the board, or else of the processor, and those `FLAGS` that it has."""
    known: dict[str, str] = {}
    for line in _read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        known.setdefault(key.strip(), value.strip())
    board = _read("/proc/device-tree/model").strip("\0\n ")
    name = board or known.get("model name") or platform.processor() or platform.machine()
    has = f"{known.get('flags', '')} {known.get('Features', '')}".split()
    return name, [flag for flag in FLAGS if flag in has]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
