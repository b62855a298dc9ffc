"""`Known`: the kernels and rows that a target has predicted, each once and what is new at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from nas.architecture import Architecture
from nas.blocks import Block
from nas.graph import Shape
from nas.imported import Network
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.nchwc import Lowered
from nas.latency.lowering.rows import Lowering, lowered_row, network_kernels
from nas.latency.model.scaled import KernelPredictor
from nas.latency.model.traces import Traces
from nas.support.threads import one_blas_thread

# The shape of a row's input, and whether that is in the runtime's own layout.
Input = tuple[Shape, bool]
# Of a row of a network: its latency in ms, its output's layout and shape, its kernels' numbers. A
# plain tuple, as in `nas.costs`.
Row = tuple[float, bool, Shape, tuple[int, ...]]


class Known:
    """What a predictor says of kernels, which are numbered: `ms` and `traces` by number; and of
    `rows`, which `learn_rows` adds to."""

    def __init__(self, predictor: KernelPredictor, lowering: Lowering) -> None:
        self._predictor, self._lowering = predictor, lowering
        # The garbage collector lets plain tuples of numbers alone, named ones it does not.
        self._numbers: dict[tuple[object, ...], int] = {}
        self.ms: list[float] = []
        self.traces = Traces()
        self.rows: defaultdict[Input, dict[Block, Row]] = defaultdict(dict)

    def kernels_of(self, network: Network) -> list[int]:
        """The numbers of a network's kernels."""
        if not isinstance(network, Architecture):
            return self.learn(network_kernels(network, self._lowering))
        return [number for *_, numbers in self.rows_of(network) for number in numbers]

    def rows_of(self, arch: Architecture) -> list[Row]:
        """What is known of each row, which is learned where it is new."""
        while True:
            rows, shape, blocked = [], arch.input_shape, False
            for row in arch.rows():
                known = self.rows[shape, blocked].get(row)
                if known is None:
                    break
                _, blocked, shape, _ = known
                rows.append(known)
            else:
                return rows
            self.learn_rows([(arch.rows(), arch.input_shape, False)])

    def learn_rows(self, networks: Iterable[tuple[Iterable[Block], Shape, bool]]) -> None:
        """Predicts what is new in networks, each given by its rows and its input's shape and
        layout, all at once: one by one is many times slower."""
        new: dict[tuple[Block, Shape, bool], Lowered] = {}
        for rows, shape, blocked in networks:
            for row in rows:
                if known := self.rows[shape, blocked].get(row):
                    _, blocked, shape, _ = known
                    continue
                key = (row, shape, blocked)
                if key not in new:
                    new[key] = lowered_row(self._lowering, *key)
                _, blocked, shape = new[key]
        if not new:
            return
        numbers = iter(self.learn([k for lowered in new.values() for k in lowered.kernels]))
        for (row, given, layout), (kernels, blocked, shape) in new.items():
            mine = tuple(islice(numbers, len(kernels)))
            ms = sum([self.ms[i] for i in mine])
            self.rows[given, layout][row] = (ms, blocked, shape, mine)

    def learn(self, kernels: Sequence[Kernel]) -> list[int]:
        """The numbers of kernels, which are predicted where they are new."""
        known, start = self._numbers, len(self.ms)
        new: dict[Kernel, int] = {}
        numbers = []
        for kernel in kernels:
            number = known.get(kernel)
            if number is None:
                number = new.setdefault(kernel, start + len(new))
            numbers.append(number)
        if new:
            with one_blas_thread():
                trace = self._predictor.trace(list(new))
            self.traces.put(start, trace)
            self.ms += trace[0].tolist()
            known.update(zip(map(tuple, new), new.values(), strict=True))
        return numbers
