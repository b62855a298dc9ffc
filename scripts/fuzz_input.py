"""Bad input for as long as you like: what `tests/fuzz` does for a moment, with new random examples.

    python scripts/fuzz_input.py --minutes 10 [--only spaces --only words]

Prints how many examples of each kind held, and the smallest example of whatever did not.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fuzz.bad_input import Fuzz, fuzzes

ROUND_SECONDS = 20
HANG_SECONDS = 300


def one_round(fuzz: Fuzz, held: Counter[str]) -> str | None:
    """Examples of one kind for a while; the report of one that failed, at its smallest."""
    until = time.monotonic() + ROUND_SECONDS

    @seed(random.getrandbits(32))
    @settings(
        max_examples=1_000_000,
        derandomize=False,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(fuzz.inputs)
    def run(example: object) -> None:
        if time.monotonic() > until and not failed:
            raise _Over
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            fuzz.check(example)
        except BaseException:
            failed.append(example)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        held[fuzz.name] += 1

    failed: list[object] = []
    try:
        run()
    except _Over:
        return None
    except Exception:
        return traceback.format_exc()
    return None


class _Over(BaseException):
    """The time of a round is over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", action="append", choices=[fuzz.name for fuzz in fuzzes()])
    chosen = parser.parse_args()
    kinds = [fuzz for fuzz in fuzzes() if not chosen.only or fuzz.name in chosen.only]
    until, held, failures = time.monotonic() + 60 * chosen.minutes, Counter[str](), 0
    while time.monotonic() < until:
        for fuzz in kinds:
            report = one_round(fuzz, held)
            if report:
                failures += 1
                print(f"== {fuzz.name}\n{report}", flush=True)
    for name, count in held.items():
        print(f"{name:15}{count:9,} examples held")
    print(f"{'in all':15}{held.total():9,} examples held, {failures} rounds ended in a failure")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
