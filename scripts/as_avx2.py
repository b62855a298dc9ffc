"""Runs a command as on an x86 processor with AVX2 and without AVX-512.

    python scripts/as_avx2.py nas measure --target x86-avx2-ort

onnxruntime and torch then take their AVX2 kernels, and onnxruntime blocks of 8 channels. Clock,
caches and memory stay this processor's. What the processor says of itself is changed for the
command alone, /proc/cpuinfo too, see `as_avx2.c`: that takes Linux on x86-64, root, gcc, and a
processor that lets `cpuid` trap. A command may set no handler of SIGSEGV: pytest's goes with
`-p no:faulthandler`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCE = Path(__file__).with_suffix(".c")
CPUINFO = Path("/proc/cpuinfo")
HIDDEN = re.compile(r" (?:avx512\w*|amx_\w+|avx_vnni\w*)")
MOUNTED = 'mount --bind "$0" /proc/cpuinfo && exec env LD_PRELOAD="$1" "${@:2}"'


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    command = parser.parse_args().command
    if not command:
        parser.error("which command?")
    with TemporaryDirectory() as name:
        library, told = Path(name) / "as_avx2.so", Path(name) / "cpuinfo"
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        told.write_text(HIDDEN.sub("", CPUINFO.read_text()))
        shell = ["unshare", "--mount", "bash", "-c", MOUNTED, str(told), str(library), *command]
        # glibc has chosen its copies before anything is preloaded.
        hidden = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW"}
        raise SystemExit(subprocess.run(shell, env=os.environ | hidden).returncode)


if __name__ == "__main__":
    main()
