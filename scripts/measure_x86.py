"""Makes the shipped CPU table: `nas measure` on one core of an x86 processor with AVX-512.

    OMP_NUM_THREADS=1 nice -n -10 python scripts/measure_x86.py [FOLDER]

Run again, it adds rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nas.files import write_whole
from nas.latency.measure import Progress, measure
from nas.latency.metadata import read_metadata

NAME = "x86-avx512-ort"
FACTS = {
    "aliases": ["cpu"],
    "notes": (
        "One core of a shared server (AMD EPYC, Zen 5, AVX-512), pinned, other work beside it. "
        "Networks of both shipped spaces and a few published ones, rows and kernels of others."
    ),
}


def show(progress: Progress) -> None:
    """One line a batch."""
    print(f"{progress.rows} rows, {progress.seconds:.0f} of {progress.limit_seconds:.0f} s")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("latency_tables")
    path = measure(NAME, minutes=7.5, visits=10, folder=folder, progress=show)
    metadata = read_metadata(path).model_copy(update=FACTS)
    write_whole(path, metadata.to_yaml())
    print(metadata.error)


if __name__ == "__main__":
    main()
