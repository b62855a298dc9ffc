"""Bad input for as long as you like: what `tests/fuzz` does for a moment, with new random examples.

    python scripts/fuzz_input.py --examples 50000 [--only spaces --only words]

Rounds of every kind in turn, until there were so many examples in all. How many of each kind held,
and the smallest example of whatever did not, is kept in the results, and a script that was stopped
goes on from there.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fuzz.bad_input import Fuzz, fuzzes

from nas._version import __version__
from nas.support.files import write_whole

RESULTS = Path(__file__).parent / "results" / "fuzz_input.json"
ROUND_SECONDS, SHRINK_SECONDS = 20, 60
HANG_SECONDS = 300
LONGEST = 4000  # characters that are kept of a failure


def one_round(fuzz: Fuzz, held: Counter[str], most: int) -> str | None:
    """Examples of one kind for a while; where one failed, what the smallest of those came to."""
    until = time.process_time() + ROUND_SECONDS

    @seed(random.getrandbits(32))
    @settings(
        max_examples=most,
        derandomize=False,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(fuzz.inputs)
    def run(example: object) -> None:
        if time.process_time() > until + SHRINK_SECONDS * bool(failed):
            raise _Over
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            fuzz.check(example)
        except Exception as error:
            failed.append(f"{example!r}: {type(error).__name__}: {error}")
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        held[fuzz.name] += 1

    failed: list[str] = []
    try:
        run()
    except _Over:
        pass
    except Exception:
        if not failed:  # not the example's
            raise
    return min(failed, key=len, default=None)


class _Over(BaseException):
    """The time of a round is over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=50_000, help="in all, earlier runs' too")
    parser.add_argument("--only", action="append", choices=[fuzz.name for fuzz in fuzzes()])
    parser.add_argument("--output", type=Path, default=RESULTS, help="the counts so far")
    options = parser.parse_args()
    kinds = [fuzz for fuzz in fuzzes() if not options.only or fuzz.name in options.only]
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    held, failures = Counter[str](known.get("held", {})), known.get("failures", [])
    share = -(-options.examples // len(fuzzes()))
    while held.total() < options.examples:
        for fuzz in kinds:
            report = one_round(fuzz, held, max(share - held[fuzz.name], share // 10))
            if report:
                failures.append(f"{fuzz.name}: {report[:LONGEST]}")
                print(f"== {fuzz.name}\n{report}", flush=True)
            made: dict[str, Any] = {"version": __version__, "date": time.strftime("%Y-%m-%d")}
            made |= {"in all": held.total(), "held": dict(held), "failures": failures}
            write_whole(options.output, json.dumps(made, indent=1) + "\n")
    for name, count in held.items():
        print(f"{name:15}{count:9,} examples held")
    print(f"{'in all':15}{held.total():9,} examples held, {len(failures)} failures")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
