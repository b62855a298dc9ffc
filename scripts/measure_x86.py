"""Makes the shipped tables of x86 processors with AVX-512, by runtime, threads and precision.

    OMP_NUM_THREADS=1 nice -n -10 python scripts/measure_x86.py NAME... [--folder FOLDER]

Run again, it adds rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nas.latency.measuring.measure import measure
from nas.latency.metadata import read_metadata
from nas.support.files import write_whole

EPYC = "of a shared server (AMD EPYC, Zen 5, AVX-512), other work beside it"
XEON = "One core of a shared server (Intel Xeon, AVX-512 and AMX), other work on the other core."
TARGETS: dict[str, dict[str, Any]] = {
    "x86-avx512-ort": {"minutes": 10.0, "aliases": ["cpu"], "notes": f"One core {EPYC}."},
    "x86-avx512-ort-2": {"minutes": 7.0, "threads": 2, "notes": f"Two cores {EPYC}."},
    "x86-avx512-ort-int8": {"minutes": 7.0, "precision": "int8", "notes": f"One core {EPYC}."},
    "xeon/openvino": {"runtime": "openvino", "notes": XEON},
    "xeon/openvino-int8": {"runtime": "openvino", "precision": "int8", "notes": XEON},
    "xeon/litert": {"runtime": "litert", "notes": XEON},
    "xeon/litert-int8": {"runtime": "litert", "precision": "int8", "notes": XEON},
    "xeon/ncnn": {"runtime": "ncnn", "notes": XEON},
}
HOW = ("runtime", "minutes", "threads", "precision")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=TARGETS)
    parser.add_argument("--folder", type=Path, default=Path("latency_tables"))
    asked = parser.parse_args()
    for name in asked.names:
        place = asked.folder / name
        how = {"minutes": 8.0} | {key: TARGETS[name][key] for key in HOW if key in TARGETS[name]}
        path, warnings = measure(
            place.name,
            folder=place.parent,
            progress=lambda state: print(state, flush=True),
            **how,
        )
        alias = {"aliases": [name.replace("/", "-")]} if "/" in name else {}
        facts = {"name": name, **alias}
        facts |= {key: value for key, value in TARGETS[name].items() if key not in HOW}
        facts["notes"] = " ".join([facts["notes"], *(f"{w[0].upper()}{w[1:]}." for w in warnings)])
        metadata = read_metadata(path).model_copy(update=facts)
        write_whole(path, metadata.to_yaml())
        print(name, metadata.error, *warnings, sep="\n")


if __name__ == "__main__":
    main()
