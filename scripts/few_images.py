"""What the steps of a training that begins with trained weights are worth, where images are few.

    python scripts/few_images.py FOLDER [--seeds 2]

Small networks are trained on 300 images, pruned to two shares of their widths and fine-tuned
("tuning"), or are trained on 3,000 images of Fashion-MNIST and then on 270 digits ("transfer"): by
the recipe's own epochs, or by as many as suit the images. Every run is a row of
scripts/results/few_images.csv; one that is there is skipped. Parents are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from prune_cases import CPU

from nas import Architecture
from nas.blocks import Block
from nas.data import DataSet, Images, load_data
from nas.pruning.evaluate import Bench, Inheritance, load_parent, weights_checksum
from nas.pruning.space import PruningSpace
from nas.study.settings import FINE_TUNING
from nas.training import Recipe, Trained, train
from nas.training.checkpoint import WEIGHTS
from nas.training.recipe import TRANSFER
from nas.training.run import Start
from nas.training.start import start_from
from nas.training.teacher import Teacher

RESULTS = Path(__file__).parent / "results" / "few_images.csv"
FIELDS = (
    "what", "seed", "data", "kind", "share", "recipe", "epochs", "parent", "inherited",
    "accuracy", "loss", "training_loss",
)  # fmt: skip
DATA = {"fashion-mnist": (14, 300), "digits": (8, 270)}  # side of the network's input, images
WIDTHS, SHARES, VALIDATION = (16, 32, 48), (0.6, 0.3), 1000
SOURCE = Recipe(epochs=8, batch_size=32, lr=0.05)


def network(kind: str, side: int) -> Architecture:
    """Seven blocks in three stages."""

    def made(out: int, stride: int = 1) -> Block:
        hidden = {"hidden": 3 * out} if kind == "inverted" else {}
        return Block(kind, out=out, stride=stride, **hidden)

    first, second, third = WIDTHS
    stages = (
        (made(first), made(first)),
        (made(second, 2), made(second), made(second)),
        (made(third, 2), made(third)),
    )
    head = (Block("gap"), Block("linear", out=10))
    return Architecture(side, (Block("conv", out=first),), stages, head, 1)


def some(name: str, images: int, seed: int) -> DataSet:
    """So many training images of a data set, and at most 1,000 validation images."""
    whole, rng = load_data(name), np.random.default_rng(seed)

    def drawn(of: Images, count: int) -> Images:
        return of.take(np.sort(rng.permutation(len(of.labels))[:count]))

    train, validation = drawn(whole.train, images), drawn(whole.validation, VALIDATION)
    return replace(whole, train=train, validation=validation, test=None)


def recipes(own: Recipe, images: int, seed: int) -> dict[str, Recipe]:
    """The recipe's own epochs, and those that suit the images."""
    both = {"own": own.batched(images), "suited": own.suited(images)}
    return {name: recipe.changed(seed=seed) for name, recipe in both.items()}


def tuned(folder: Path, seed: int, name: str, kind: str) -> Iterator[dict[str, object]]:
    """The rows of a parent's children."""
    side, images = DATA[name]
    data, arch = some(name, images, seed), network(kind, side)
    at = folder / f"{name}-{kind}-{seed}"
    parent = train(arch, data, Recipe(seed=seed).suited(images), output=at, device="cpu")
    weights = str(at / WEIGHTS)
    about = Inheritance(
        parent=arch.to_json(), weights=weights, checksum=weights_checksum(weights),
        data=data.source, data_options=data.options.model_dump_json(),
        data_checksum=data.checksum, criterion="l1", seed=seed,
    )  # fmt: skip
    judge, space = Bench(about, data), PruningSpace.of(arch, "children", keep_resolution=True)
    module = load_parent(arch, weights).to(CPU)
    teacher = Teacher.of("parent", about.checksum, module, arch.resolution, data.moments)
    for share in SHARES:
        chosen = {n: space.options[n] for n in space.widths}
        widths = {n: v[round(share * (len(v) - 1))] for n, v in chosen.items()}
        child = space.decode({**space.whole, **widths})
        inherited = judge.evaluated(child)["inherited_accuracy"]
        start = Start("child", lambda child=child: judge.child(child))  # type: ignore[misc]
        for what, recipe in recipes(FINE_TUNING, images, seed).items():
            done = train(child, data, recipe, teacher=teacher, start=start, device="cpu")
            row = {"share": share, "recipe": what, "inherited": round(inherited, 4)}
            yield {**row, "parent": round(parent.accuracy, 4), **reached(done, recipe)}


def transferred(folder: Path, seed: int, name: str, kind: str) -> Iterator[dict[str, object]]:
    """The rows of a network that was trained on other images."""
    arch, at, images = network(kind, 14), folder / f"source-{kind}-{seed}", 270
    source = SOURCE.changed(seed=seed)
    train(arch, some("fashion-mnist", 3000, seed), source, output=at, device="cpu")
    data, start = some(name, images, seed + 100), start_from(at / WEIGHTS, arch, seed)
    for what, recipe in recipes(TRANSFER, images, seed).items():
        done = train(arch, data, recipe, start=start, device="cpu")
        yield {"recipe": what, **reached(done, recipe)}


def reached(done: Trained, recipe: Recipe) -> dict[str, object]:
    numbers = {"accuracy": done.accuracy, "loss": done.loss}
    numbers |= {"training_loss": done.history[-1].loss}
    return {"epochs": recipe.epochs, **{k: round(v, 4) for k, v in numbers.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    cases = [("transfer", "digits", k) for k in ("inverted", "conv")]
    cases += [("tuning", d, k) for d in DATA for k in ("inverted", "conv", "repvgg")]
    rows = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    known = {(r["what"], r["seed"], r["data"], r["kind"]) for r in rows}
    for seed in range(args.seeds):
        for what, data, kind in cases:
            if (what, str(seed), data, kind) in known:
                continue
            run = tuned if what == "tuning" else transferred
            about = {"what": what, "seed": seed, "data": data, "kind": kind}
            rows += [{**about, **row} for row in run(args.folder, seed, data, kind)]
            with RESULTS.open("w", newline="") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            print(*rows[-1].values(), flush=True)


if __name__ == "__main__":
    main()
