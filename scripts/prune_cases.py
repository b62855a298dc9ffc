"""What `bench_prune.py` compares: trained parents, the ways to make a child of one, and training.

Images are Fashion-MNIST's (Debian's package `dataset-fashion-mnist`), other ones for each seed.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas import Architecture
from nas.blocks import Block
from nas.budget import parse_budgets
from nas.data import DataSet, load_data
from nas.latency import Target
from nas.pruning.evaluate import Bench, Inheritance, estimate, weights_checksum
from nas.pruning.space import RESOLUTION, PruningSpace
from nas.references.adapted import adapted
from nas.study import Driver, Study, begin
from nas.study.candidates import Candidate
from nas.study.choosing import children
from nas.study.pruned import begin_pruning
from nas.study.pruning import PruningCandidates
from nas.study.ratios import by_importance, by_sensitivity
from nas.torch_module import Network
from nas.training import Recipe, Trained, train
from nas.training.accuracy import evaluate
from nas.training.batches import Pixels
from nas.training.checkpoint import WEIGHTS
from nas.training.run import Start
from nas.training.teacher import Teacher

IMAGES, TEST = 8889, 3000  # a tenth of the first is for validation
PARENT = Recipe(epochs=24, batch_size=32, lr=0.05)
TUNING = Recipe(epochs=3, batch_size=32, lr=0.025, warmup=0.1)
TRIALS, FINALISTS = 300, 3
SUBSETS = 32  # of left-out blocks that are evaluated
TARGET = "cpu"
CPU = torch.device("cpu")


def small() -> Architecture:
    """A network of `small`, of blocks of several families."""
    stages = (
        (Block("inverted", out=16, hidden=32, act="relu6"),),
        (
            Block("inverted", out=32, hidden=64, stride=2, act="relu6"),
            *(Block("inverted", out=32, hidden=96, act="relu6"),) * 2,
        ),
        (
            Block("depthwise", out=96, stride=2, act="relu6"),
            *(Block("fire", out=96, squeeze=24),) * 2,
        ),
        (Block("depthwise", out=160, stride=2, act="relu6"),),
    )
    head = (Block("conv", out=256, kernel=1), Block("gap"), Block("linear", out=10))
    return Architecture(28, (Block("conv", out=16),), stages, head, 1)


NETWORKS: dict[str, Callable[[], Architecture]] = {
    "small": small,
    "mobilenet_v2": lambda: adapted("mobilenet_v2_100", 0.5, stem_stride=2),
}


@cache
def device() -> Target:
    return Target.load(TARGET)


class Case:
    """A parent of a seed: its data, its training and its children."""

    def __init__(self, network: str, seed: int, folder: Path) -> None:
        self.network, self.seed = network, seed
        self.folder = folder / f"{network}-{seed}"
        self._images = folder / f"images-{seed}" / "fashion-mnist"  # known by that name
        self._benches: dict[tuple[str, bool], Bench] = {}
        self._tuned: dict[tuple[str, str], Trained] = {}

    @cached_property
    def data(self) -> DataSet:
        if not self._images.exists():
            write_images(self._images, self.seed)
        return load_data(str(self._images))

    @cached_property
    def parent(self) -> Trained:
        recipe = PARENT.changed(seed=self.seed)
        return train(NETWORKS[self.network](), self.data, recipe, output=self.folder / "parent")

    @cached_property
    def weights(self) -> Path:
        assert self.parent
        return self.folder / "parent" / WEIGHTS

    @cached_property
    def whole(self) -> float:
        """The parent's latency in ms."""
        return device().predict(self.parent.arch).ms

    @cached_property
    def teacher(self) -> Teacher:
        return Teacher.load(str(self.folder / "parent"), self.data)

    def budget(self, share: float) -> str:
        return f"{share * self.whole:.6f}ms"

    def candidates(self, share: float) -> PruningCandidates:
        space = PruningSpace.of(self.parent.arch.renamed(""), "children")
        return PruningCandidates(space, device(), parse_budgets([self.budget(share)]))

    def bench(self, criterion: str = "l1", reconstruct: bool = False) -> Bench:
        key = criterion, reconstruct
        if key not in self._benches:
            parent = self.candidates(1).pruning.parent
            more = {"reconstruct": reconstruct, "seed": self.seed}
            self._benches[key] = bench(parent, self.weights, self.data, criterion, **more)
        return self._benches[key]

    def renormed(self, module: Network) -> Network:
        """The module, its norms' statistics estimated anew on as many images as ours are."""
        some = self.data.train.take(np.arange(128))
        estimate(module, self.bench().normalise(Pixels(some, self.parent.arch.resolution, CPU)[:]))
        return module.eval()

    def accuracy(self, arch: Architecture, module: Network) -> float:
        """In percent, on test images."""
        assert self.data.test is not None
        images = Pixels(self.data.test, arch.resolution, CPU)
        with torch.inference_mode():
            return 100 * evaluate(module, images, self.bench().normalise).accuracy

    def tuned(self, arch: Architecture, module: Network, identity: str) -> Trained:
        """The child after fine-tuning with the parent as the teacher; done once for an identity."""
        if (key := (arch.hash, identity)) not in self._tuned:
            start, recipe = Start(identity, lambda: module), TUNING.changed(seed=self.seed)
            trained = train(arch, self.data, recipe, teacher=self.teacher, start=start)
            self._tuned[key] = trained
        return self._tuned[key]

    def as_long(self, arch: Architecture, macs: float) -> Recipe:
        """The parent's recipe with as many epochs as cost so many multiply-adds."""
        from nas import cost

        own = cost(arch).macs * len(self.data.train.labels)
        return PARENT.changed(seed=self.seed, epochs=max(1, round(macs / own)))

    def alone(self, arch: Architecture, macs: float) -> float:
        """The test accuracy, in percent, of a training from scratch of so many multiply-adds."""
        return tested(train(arch, self.data, self.as_long(arch, macs)))

    def uniform(self, share: float) -> Candidate | None:
        """Width alone: the same share of every width."""
        candidates = self.candidates(share)
        return candidates.fitted(candidates.pruning.whole)

    def important(self, share: float, criterion: str) -> Candidate | None:
        return by_importance(self.candidates(share), self.bench(criterion).parent)

    def sensitive(self, share: float) -> Candidate | None:
        return by_sensitivity(self.candidates(share), self.bench().accuracies)

    def shallow(self, share: float, criterion: str) -> Candidate | None:
        """Depth alone: of the sets of left-out blocks nearest to the budget, that which inherits
        most."""
        candidates = self.candidates(share)
        space = candidates.pruning
        sets = product((False, True), repeat=len(space.skips))
        made = (
            candidates.make({**space.whole, **dict(zip(space.skips, s, strict=True))}) for s in sets
        )
        fit = sorted((c for c in made if not candidates.excess(c)), key=lambda c: -c.latency.ms)
        found = self.bench(criterion).accuracies([c.arch for c in fit[:SUBSETS]])
        return fit[int(np.argmax(found))] if fit else None

    def even(self, share: float) -> Candidate | None:
        """Depth alone: the same share of the blocks of every stage left out, its last ones."""
        candidates = self.candidates(share)
        space = candidates.pruning
        stages: dict[str, list[str]] = {}
        for path in space.skips:
            stages.setdefault(path.split(".")[1], []).append(path)
        most = max(map(len, stages.values()), default=0)
        for part in (k / most for k in range(1, most + 1)):
            left = [path for paths in stages.values() for path in paths[_kept(paths, part) :]]
            child = candidates.make({**space.whole, **dict.fromkeys(left, True)})
            if not candidates.excess(child):
                return child
        return None

    def coarse(self, share: float) -> Candidate | None:
        """Resolution alone: the largest within budget."""
        candidates = self.candidates(share)
        whole = candidates.pruning.whole
        for size in sorted(candidates.space.options.get(RESOLUTION, ()), reverse=True):
            child = candidates.make({**whole, RESOLUTION: size})
            if not candidates.excess(child):
                return child
        return None

    def searched(
        self, share: float, by: str, criterion: str, reconstruct: bool = False
    ) -> list[Candidate]:
        """The finalists of a search of widths, depth and resolution: within the latency, or within
        the multiply-adds of the `uniform` child, their widths then moved until the latency fits."""
        budget = self.budget(share)
        if by == "macs":
            uniform = self.uniform(share)
            if uniform is None:
                return []
            budget = f"{uniform.cost.macs}FLOPs"
        refit = "-refit" if reconstruct else ""
        name = f"{self.network}-{self.seed}-{by}-{share}-{criterion}{refit}"
        storage = str(self.folder)
        if not (self.folder / f"{name}.journal").exists():
            begin_pruning(
                self.parent.arch,
                self.weights,
                TARGET,
                [budget],
                self.data,
                name=name,
                storage=storage,
                trials=TRIALS,
                seed=self.seed,
                criterion=criterion,
                reconstruct=reconstruct,
            )
        study = Study.load(name, storage)
        Driver(study).run(TRIALS)
        numbers = [r.trial for r in children(study.records(), study.settings.objectives, FINALISTS)]
        params = {trial.number: trial.params for trial in study.trials()}
        fitted = (self.candidates(share).fitted(params[number]) for number in numbers)
        return [child for child in fitted if child]

    def other(self, share: float) -> Architecture:
        """A network of `small` that `nas search` finds within the latency."""
        name, storage = f"{self.network}-{self.seed}-other-{share}", str(self.folder)
        if not (self.folder / f"{name}.journal").exists():
            begin(
                TARGET,
                [self.budget(share)],
                "small",
                name=name,
                storage=storage,
                data=self.data,
                trials=TRIALS,
                seed=self.seed,
            )
        study = Study.load(name, storage)
        Driver(study).run(TRIALS)
        return study.network(study.record())


def bench(
    parent: Architecture, weights: Path, data: DataSet, criterion: str = "l1", **more: Any
) -> Bench:
    """What judges the children of a parent with the weights of a file."""
    given = Inheritance(
        parent=parent.to_json(),
        weights=str(weights),
        checksum=weights_checksum(str(weights)),
        data=data.source,
        data_options=data.options.model_dump_json(),
        data_checksum=data.checksum,
        criterion=criterion,
        **more,
    )
    return Bench(given, data)


def _kept(paths: list[str], left_out: float) -> int:
    return len(paths) - int(left_out * len(paths) + 0.5)


def tested(trained: Trained) -> float:
    assert trained.test is not None
    return 100 * trained.test.accuracy


def write_images(folder: Path, seed: int) -> None:
    """IDX files of some images, drawn by the seed."""
    data = load_data("fashion-mnist")
    rng = np.random.default_rng(seed)
    assert data.test is not None
    folder.mkdir(parents=True, exist_ok=True)
    for name, part, count in (("t10k", data.test, TEST), ("train", data.train, IMAGES)):
        some = part.take(rng.permutation(len(part.labels))[:count])
        for what, array in _arrays(np.asarray(some.pixels)[:, 0], some.labels):
            head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(
                f">{array.ndim}I", *array.shape
            )
            path = folder / f"{name}-{what}-idx{array.ndim}-ubyte.gz"
            path.write_bytes(gzip.compress(head + array.tobytes(), mtime=0))


def _arrays(pixels: Any, labels: Any) -> Iterator[tuple[str, Any]]:
    yield "images", pixels
    yield "labels", labels.astype(np.uint8)
