"""Torch-Pruning's children of a parent, and what latencies through onnxruntime say."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from statistics import median

import numpy as np
import onnxruntime
import torch
import torch_pruning as tp
from prune_cases import Case
from torch import nn

from nas import Architecture
from nas.formats.onnx_model import to_onnx
from nas.pruning.evaluate import load_parent
from nas.torch_module import Network, build

STEPS = 7
ROUNDS, RUNS = 15, 20


def peer_child(case: Case, share: float) -> tuple[Architecture, Network] | None:
    """Torch-Pruning's largest child within the latency: filters by their L1 norm, the same ratio
    everywhere, its own rule for channels that go together. Widths are multiples of 8, as ours are.
    None where it has none that our blocks can state."""
    candidates = case.candidates(share)
    low, high, best = 0.0, 1.0, None
    for _ in range(STEPS):
        ratio = (low + high) / 2
        module = _pruned(case, ratio)
        widths = {
            name: _filters(module, w.members[0].nodes[0])
            for name, w in candidates.pruning.widths.items()
            if not w.members[0].nodes[0].endswith("linear")
        }
        child = candidates.make(
            {**candidates.pruning.whole, **{n: max(w, 8) for n, w in widths.items()}}
        )
        if candidates.excess(child):
            low = ratio
            continue
        high = ratio
        ours = build(child.arch, seed=0)
        try:
            ours.load_state_dict(module.state_dict())
        except RuntimeError as error:
            print(f"torch-pruning {ratio:.3f}: {str(error)[:200]}", flush=True)
            continue
        best = child.arch, ours
    return best and (best[0], case.renormed(best[1]))


def _filters(module: nn.Module, node: str) -> int:
    conv = module.get_submodule(f"{node}.conv")
    assert isinstance(conv, nn.Conv2d)
    return conv.out_channels


def _pruned(case: Case, ratio: float) -> nn.Module:
    module = load_parent(case.parent.arch, str(case.weights)).eval()
    last = [m for m in module.modules() if isinstance(m, nn.Linear)][-1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = tp.pruner.MagnitudePruner(
            module,
            torch.zeros(1, *case.parent.arch.input_shape),
            importance=tp.importance.MagnitudeImportance(p=1),
            pruning_ratio=ratio,
            max_pruning_ratio=0.9,
            ignored_layers=last,
            round_to=8,
        )
        pruner.step()
    return module


def measured(archs: Sequence[Architecture]) -> list[list[float]]:
    """The latency of each network divided by that of the first, once a round: networks take turns,
    on one thread, each timed as the median of some runs. The first, again, comes last."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    everyone = [*archs, archs[0]]
    sessions = [
        onnxruntime.InferenceSession(
            to_onnx(arch, build(arch, seed=0)).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        for arch in everyone
    ]
    rng = np.random.default_rng(0)
    images = [{"image": rng.standard_normal((1, *a.input_shape)).astype("f")} for a in everyone]
    ratios: list[list[float]] = [[] for _ in everyone]
    for number in range(ROUNDS + 1):
        times = [_time(*pair) for pair in zip(sessions, images, strict=True)]
        if number:  # the first is for warming up
            for found, own in zip(ratios, times, strict=True):
                found.append(own / times[0])
    return ratios


def _time(session: onnxruntime.InferenceSession, image: dict[str, np.ndarray]) -> float:
    found = []
    for _ in range(RUNS):
        began = time.perf_counter()
        session.run(None, image)
        found.append(time.perf_counter() - began)
    return median(found)
