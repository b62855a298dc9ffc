"""How many random candidates of a search space are costed a second of CPU time, on one core.

    python scripts/bench_cost.py [--space mobile] [--candidates 20000]
    python scripts/bench_cost.py --target jetson    # with latency, by a process that knows nothing

With a target, the first 600 networks are costed and predicted one by one, then again, and the first
ones by `predict_all`; imports, the target and the sampling of networks are not counted.

cold:      every row's graph is built anew, the caches being cleared before each candidate;
new:       candidates that were not seen before, after as many others;
memoised:  candidates whose rows were all seen before, as most of a search's are.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import nas
from nas.architecture import Architecture
from nas.blocks import block_graph
from nas.costs import block_cost

REPEATS = 5
FIRST = 600


def cost_cold(arch: Architecture) -> nas.Cost:
    """The cost of a candidate of which nothing is known."""
    block_graph.cache_clear()
    block_cost.cache_clear()
    return nas.cost(arch)


def rate(function: Callable[[Architecture], nas.Cost], archs: Sequence[Architecture]) -> float:
    """Calls a second of CPU time."""
    start = time.process_time()
    for arch in archs:
        function(arch)
    return len(archs) / (time.process_time() - start)


def with_latency(space: nas.SearchSpace, target: str) -> None:
    """Prints how many networks get their cost and latency a second of CPU time."""
    device, again = nas.Target.load(target), nas.Target.load(target)
    archs = [space.sample(seed) for seed in range(FIRST)]

    def both(arch: Architecture) -> nas.Cost:
        device.predict(arch)
        return nas.cost(arch)

    first = rate(both, archs)
    memoised = max(rate(both, archs) for _ in range(REPEATS))
    block_graph.cache_clear()
    block_cost.cache_clear()
    start = time.process_time()
    for arch, _ in zip(archs, again.predict_all(archs), strict=True):
        nas.cost(arch)
    together = FIRST / (time.process_time() - start)
    print(f"cost and latency of {FIRST} networks of '{space.name}' on {target}, a second of CPU:")
    print(f"first {first:,.0f}, by predict_all {together:,.0f}; memoised {memoised:,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--target")
    options = parser.parse_args()

    space, count = nas.SearchSpace.load(options.space), options.candidates
    if options.target:
        with_latency(space, options.target)
        return
    archs = [space.sample(seed) for seed in range(2 * count)]
    rows = sum(1 for arch in archs for _ in arch.rows()) / len(archs)
    # Other load can only slow a pass, so repeatable ones report the best of a few.
    cold = max(rate(cost_cold, archs[: 1 + count // 20]) for _ in range(REPEATS))
    rate(nas.cost, archs[:count])
    new = rate(nas.cost, archs[count:])
    memoised = max(rate(nas.cost, archs[count:]) for _ in range(REPEATS))

    print(f"random candidates of '{space.name}', {rows:.1f} rows each; a second of CPU time:")
    for name, value in (("cold", cold), ("new", new), ("memoised", memoised)):
        print(f"{name:9}{value:8,.0f}")


if __name__ == "__main__":
    main()
