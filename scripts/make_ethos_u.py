"""Makes the targets of Ethos-U NPUs in `latency_tables/ethos-u`: tables of what Arm's Vela compiler
estimates for networks of the space `tiny` and for rows of others.

    python scripts/make_ethos_u.py [ACCELERATOR ...]

The same version of Vela gives the same tables. No silicon is measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.latency.measuring.estimating import estimate
from nas.latency.metadata import read_metadata
from nas.latency.runtimes.accelerators import ACCELERATORS
from nas.support.files import write_whole

FOLDER = Path(__file__).parent.parent / "latency_tables" / "ethos-u"
ROWS, MINUTES = 400, 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("accelerators", nargs="*", metavar="ACCELERATOR")
    names = parser.parse_args().accelerators
    FOLDER.mkdir(exist_ok=True)
    for name in names or ACCELERATORS:
        path, left_out = estimate(name, name, minutes=MINUTES, rows=ROWS, folder=FOLDER)
        metadata = read_metadata(path).model_copy(
            update={"name": f"ethos-u/{name}", "aliases": [name]}
        )
        write_whole(path, metadata.to_yaml())
        error = metadata.error
        print(f"{name}: mean error {error.mape:.2%}" if error else name, *left_out, flush=True)


if __name__ == "__main__":
    main()
