"""Makes the accuracy tables `cifar10` and `cifar100` of published networks, trained to the end.

    python scripts/published_cifar.py

Every network is built as its source builds it and must have the parameters that are printed there.
Sources: chenyaofo/pytorch-cifar-models (200 epochs, one recipe for all), osmr/imgclsmob (pytorch/
README.md) and weiaicunzai/pytorch-cifar100 (200 epochs, CIFAR-100 only). Networks that begin with
the activation (PreResNet, WRN, PyramidNet) are none of our blocks and are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from nas import Architecture, cost, reference
from nas.accuracy.table import FOLDER, TableRow, read_accuracy_table, write_rows
from nas.blocks import Block, Value
from nas.references.densenet import densenet
from nas.references.reparameterised import repvgg
from nas.references.scaled import scaled
from nas.references.table import by_stride, classifier

Rows = tuple[Block, ...]
Build = Callable[[int], Architecture]  # of a number of classes
SIDE = 32
WIDTHS, WIDE = (16, 32, 64), (64, 128, 256, 512)


def small(stem: Rows, stages: tuple[Rows, ...], head: Rows) -> Architecture:
    return Architecture(SIDE, stem, stages, head)


def resnet(
    kind: str, widths: tuple[int, ...], repeats: tuple[int, ...], classes: int, *, se: bool = False
) -> Architecture:
    """A ResNet after a 3x3 with a stride of 1 and no pooling."""
    expansion = {"basic": 1, "bottleneck": 4}[kind]
    stages = []
    for s, (width, n) in enumerate(zip(widths, repeats, strict=True)):
        out = expansion * width
        gate = {"se": out // 16} if se else {}
        row = partial(Block, kind, out=out, hidden=width, **gate)
        stages.append((row(stride=1 if s == 0 else 2), *[row()] * (n - 1)))
    return small((Block("conv", out=widths[0]),), tuple(stages), classifier(classes))


def bc_densenet(growth: int, layers: int, classes: int) -> Architecture:
    """DenseNet-BC: its first convolution has no norm of its own."""
    layout = densenet(growth, 2 * growth, (layers,) * 3, classes)
    stem = Block("conv", out=2 * growth, norm=False, bias=False, act=None)
    return small((stem,), layout.stages, layout.head)


def nin(classes: int) -> Architecture:
    """Network in network, as imgclsmob has it: no norms."""
    conv = partial(Block, "conv", norm=False)
    stages = (
        (conv(out=160, kernel=1), conv(out=96, kernel=1), Block("maxpool")),
        (
            conv(out=192, kernel=5), conv(out=192, kernel=1), conv(out=192, kernel=1),
            Block("avgpool", kernel=3, stride=2),
        ),
        (conv(out=192), conv(out=192, kernel=1), conv(out=classes, kernel=1)),
    )  # fmt: skip
    return small((conv(out=192, kernel=5),), stages, (Block("gap"),))


def vgg(name: str, hidden: int, classes: int) -> Architecture:
    """torchvision's, with so many hidden linear units."""
    arch = reference(name, classes=classes, resolution=SIDE)
    *wide, last = arch.head
    return small((), arch.stages, (*[changed(row, out=hidden) for row in wide], last))


def mobilenet_v2(width: float, classes: int) -> Architecture:
    """MobileNetV2 with the first two strides of 1."""
    arch = scaled("mobilenet_v2", width, resolution=SIDE, classes=classes)
    rows = [row for stage in arch.stages for row in stage]
    first = next(i for i, row in enumerate(rows) if row.get("stride") == 2)
    rows[first] = changed(rows[first], stride=1)
    head = (changed(arch.head[0], out=max(1280, int(1280 * width))), *arch.head[1:])
    return small((changed(arch.stem[0], stride=1),), by_stride(rows), head)


def changed(row: Block, **settings: Value) -> Block:
    return Block(row.kind, **(dict(row.settings) | settings))


def without_stem_strides(name: str, classes: int) -> Architecture:
    """A reference whose first convolution has a stride of 1 and no pooling after it."""
    arch = reference(name, classes=classes, resolution=SIDE)
    return small((changed(arch.stem[0], stride=1),), arch.stages, arch.head)


def cifar_repvgg(widths: tuple[int, ...], classes: int) -> Architecture:
    """The convolution before the first stage and that stage have a stride of 1."""
    layout = repvgg(min(64, widths[0]), widths, (2, 4, 14, 1), classes)
    (first, *rest), *stages = layout.stages
    return small(
        (changed(layout.stem[0], stride=1),),
        ((changed(first, stride=1), *rest), *stages),
        layout.head,
    )


class Published(NamedTuple):
    """A network, the parameters in millions and the top-1 that its source prints; it rounds the
    parameters, by up to `within`."""

    name: str
    recipe: str
    build: Build
    params: float
    within: float
    accuracy: float


def chenyaofo() -> Iterator[tuple[str, Build, tuple[float, float], tuple[float, float]]]:
    """Name, network, parameters and accuracies for 10 and for 100 classes."""
    for n, params, top1 in (
        (3, (0.27, 0.28), (92.60, 68.83)),
        (5, (0.47, 0.47), (93.53, 70.16)),
        (7, (0.66, 0.67), (94.01, 71.63)),
        (9, (0.86, 0.86), (94.37, 72.63)),
    ):
        yield f"resnet{6 * n + 2}", partial(resnet, "basic", WIDTHS, (n,) * 3), params, top1
    for name, params, top1 in (
        ("vgg11_bn", (9.76, 9.80), (92.79, 70.78)),
        ("vgg13_bn", (9.94, 9.99), (94.00, 74.63)),
        ("vgg16_bn", (15.25, 15.30), (94.16, 74.00)),
        ("vgg19_bn", (20.57, 20.61), (93.91, 73.87)),
    ):
        yield name, partial(vgg, name, 512), params, top1
    for width, params, top1 in (
        (0.5, (0.70, 0.82), (92.88, 70.88)),
        (0.75, (1.37, 1.48), (93.72, 73.61)),
        (1.0, (2.24, 2.35), (93.79, 74.20)),
        (1.4, (4.33, 4.50), (94.22, 75.98)),
    ):
        yield f"mobilenetv2_x{width}", partial(mobilenet_v2, width), params, top1
    for size, params, top1 in (
        ("0_5", (0.35, 0.44), (90.13, 67.82)),
        ("1_0", (1.26, 1.36), (92.98, 72.39)),
        ("1_5", (2.49, 2.58), (93.55, 73.91)),
        ("2_0", (5.37, 5.55), (93.81, 75.35)),
    ):
        build = partial(without_stem_strides, f"shufflenet_v2_x{size}")
        yield f"shufflenetv2_x{size}", build, params, top1
    for name, widths, params, top1 in (  # printed with the branches that training has
        ("repvgg_a0", (48, 96, 192, 1280), (7.84, 7.96), (94.39, 75.22)),
        ("repvgg_a1", (64, 128, 256, 1280), (12.82, 12.94), (94.89, 76.12)),
        ("repvgg_a2", (96, 192, 384, 1408), (26.82, 26.94), (94.98, 77.18)),
    ):
        yield name, partial(cifar_repvgg, widths), params, top1


def imgclsmob() -> Iterator[tuple[str, Build, tuple[int, int], tuple[float, float]]]:
    """The same, with errors in place of accuracies."""
    yield "nin", nin, (966_986, 984_356), (7.43, 28.39)
    for depth, se, params, errors in (
        (20, False, (272_474, 278_324), (5.97, 29.64)),
        (56, False, (855_770, 861_620), (4.52, 24.88)),
        (110, False, (1_730_714, 1_736_564), (3.69, 22.80)),
        (20, True, (274_847, 280_697), (6.01, 28.54)),
        (56, True, (862_889, 868_739), (4.13, 22.94)),
        (110, True, (1_744_952, 1_750_802), (3.63, 20.86)),
    ):
        build = partial(resnet, "basic", WIDTHS, ((depth - 2) // 6,) * 3, se=se)
        yield f"{'se' if se else ''}resnet{depth}", build, params, errors
    for depth, se, params, errors in (
        (164, False, (1_704_154, 1_727_284), (3.68, 20.44)),
        (272, False, (2_816_986, 2_840_116), (3.33, 20.07)),
        (164, True, (1_906_258, 1_929_388), (3.39, 19.95)),
        (272, True, (3_153_826, 3_176_956), (3.39, 19.07)),
    ):
        build = partial(resnet, "bottleneck", WIDTHS, ((depth - 2) // 9,) * 3, se=se)
        yield f"{'se' if se else ''}resnet{depth}bn", build, params, errors
    for depth, growth, params, errors in (
        (40, 12, (176_122, 188_092), (6.43, 28.41)),
        (40, 24, (690_346, 714_196), (4.52, 22.67)),
        (40, 36, (1_542_682, 1_578_412), (4.04, 20.50)),
        (100, 12, (769_162, 800_032), (4.16, 21.19)),
    ):
        build = partial(bc_densenet, growth, (depth - 4) // 6)
        yield f"densenet{depth}_k{growth}_bc", build, params, errors


def weiaicunzai() -> Iterator[tuple[str, Build, float, float]]:
    """Name, network, parameters in millions and error for 100 classes."""
    yield "mobilenet", partial(without_stem_strides, "mobilenet_v1_100"), 3.3, 34.02
    for name, params, error in (
        ("vgg11_bn", 28.5, 31.36),
        ("vgg13_bn", 28.7, 28.00),
        ("vgg16_bn", 34.0, 27.07),
    ):
        yield name, partial(vgg, name, 4096), params, error
    for depth, kind, counts, params, error in (
        (18, "basic", (2, 2, 2, 2), 11.2, 24.39),
        (34, "basic", (3, 4, 6, 3), 21.3, 23.24),
        (50, "bottleneck", (3, 4, 6, 3), 23.7, 22.61),
        (101, "bottleneck", (3, 4, 23, 3), 42.7, 22.22),
        (152, "bottleneck", (3, 8, 36, 3), 58.3, 22.31),
    ):
        yield f"resnet{depth}", partial(resnet, kind, WIDE, counts), params, error


def branches(arch: Architecture) -> int:
    """Parameters that RepVGG's training has beyond what it deploys: 1x1s, three norms for a bias,
    less the norm of an identity where there is none."""
    extra, c = 0, 3
    for row in arch.rows():
        if row.kind == "repvgg":
            out = int(row.get("out") or 0)
            same = out == c and row.get("stride") == 1
            extra += c * out + out * (6 if same else 4) - out
            c = out
    return extra


def published(classes: int) -> Iterator[Published]:
    i = (10, 100).index(classes)
    for name, build, params, top1 in chenyaofo():
        yield Published(name, "chenyaofo", build, params[i], 0.006, top1[i])
    for name, build, counts, errors in imgclsmob():
        yield Published(name, "imgclsmob", build, counts[i] / 1e6, 0, 100 - errors[i])
    if classes == 100:
        for name, build, count, error in weiaicunzai():
            yield Published(name, "weiaicunzai", build, count, 0.06, 100 - error)


def main() -> None:
    """Writes both tables and reads them back. Errors: `SystemExit` for other parameters."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    for classes in (10, 100):
        rows = []
        for each in published(classes):
            arch = each.build(classes)
            params = (cost(arch).params + branches(arch)) / 1e6
            if abs(params - each.params) > each.within + 1e-9:
                sys.exit(f"{each.recipe} {each.name}: {params:.6f} M, printed {each.params}")
            rows.append(TableRow.of(arch, each.recipe, round(each.accuracy, 2), 1, each.name))
        path = FOLDER / f"cifar{classes}.csv"
        write_rows(path, rows)
        print(f"{path}: {len(read_accuracy_table(path).rows)} networks")


if __name__ == "__main__":
    main()
