"""The contract of a target."""

from __future__ import annotations

import inspect
from math import isclose, isfinite
from pathlib import Path

from nas.architecture import Architecture
from nas.blocks import KINDS, Block, Layer
from nas.graph import Shape
from nas.latency import Target
from nas.references import reference
from nas.space import SearchSpace
from nas.testing.claims import claim

SHAPES: tuple[Shape, ...] = ((16, 32, 32), (64, 7, 7))
REFERENCES = ("mobilenet_v2_100", "resnet18", "squeezenet1_1")


def check_target(target: str | Path, space: str = "small") -> None:
    """Checks a target, by name or file, on layers of every block and on whole networks.

    Every latency is a finite number of ms and none is negative; that of a network is above 0 and
    lies in its interval; it is the constant and its rows' latencies together; and it is the same
    whatever was predicted before. Errors: `AssertionError`; `NasError` where the target cannot be
    read.
    """
    device = Target.load(target)
    who = f"target '{device.name}'"
    claim(Target.load(target).checksum == device.checksum, f"{who}: its checksum varies")
    _check_ms(device.constant_ms, f"{who}: a network without kernels")
    for row in _rows():
        for shape in SHAPES:
            _check_ms(device.row_ms(row, shape), f"{who}: {row} on input {shape}")
    loaded = SearchSpace.load(space)
    networks = [loaded.sample(seed) for seed in range(4)] + [reference(n) for n in REFERENCES]
    for arch in networks:
        _check_network(device, Target.load(target), arch)


def _rows() -> list[Block]:
    """A row of every block that can be a layer, with its own settings."""
    kinds = [kind for kind in KINDS.values() if kind.searchable]
    free = [k for k in kinds if all(_optional(p.default) for p in k.choices.values())]
    return [kind.resolve(Layer(16, 32, 1, 0.0, 8), {}) for kind in free]


def _optional(default: object) -> bool:
    return default is not inspect.Parameter.empty


def _check_ms(ms: float, where: str) -> None:
    claim(isfinite(ms) and ms >= 0, f"{where} takes {ms} ms")


def _check_network(device: Target, fresh: Target, arch: Architecture) -> None:
    where = f"target '{device.name}': network {arch.name or arch.hash}"
    latency = device.predict(arch)
    claim(isfinite(latency.ms) and latency.ms > 0, f"{where} takes {latency.ms} ms")
    inside = 0 <= latency.low_ms <= latency.ms <= latency.high_ms
    claim(
        inside and isfinite(latency.high_ms),
        f"{where}: {latency} is no interval around its latency",
    )
    rows = device.constant_ms + sum(device.rows_ms(arch))
    claim(isclose(rows, latency.ms), f"{where}: {latency.ms} ms, but its rows take {rows} ms")
    alone = fresh.predict(arch).ms
    claim(
        isclose(alone, latency.ms), f"{where}: {latency.ms} ms, but {alone} ms when asked for alone"
    )
