"""`nas train`."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import join
from typing import Annotated

import typer

from nas.cli.data import ClassesOption, LeftOutOption, SplitOption, TestShareOption, open_data
from nas.cli.options import NETWORK_HELP, JsonOption, PluginOption, StorageOption
from nas.cli.terminal import echo, echo_json, say


def train(
    arch: Annotated[
        str,
        typer.Argument(metavar="ARCH", help=NETWORK_HELP),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="digits, fashion-mnist, a folder of images or of IDX files, or a CSV of labels."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is trained.")],
    epochs: Annotated[
        int | None, typer.Option(help="Default: the recipe's, or 20, and more for few images.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="YAML file of settings; see docs/training.md.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes it reproducible.")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1. Default: a GPU where there is one.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(help="Input size of a reference network.")
    ] = None,
    split: SplitOption = None,
    classes: ClassesOption = None,
    left_out: LeftOutOption = None,
    test_share: TestShareOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network. Ctrl-C and kill are safe: the same command goes on."""
    from nas import plugins
    from nas.cli.progress import training_display
    from nas.data.fit import fit_architecture
    from nas.networks import made_here
    from nas.study.networks import find_network
    from nas.training import Recipe
    from nas.training.checkpoint import is_training

    plugins.load_all(plugin)
    found, _ = find_network(arch, resolution, storage)
    network = made_here(found, "nas train")
    loaded = open_data(data, split, classes, left_out, test_share)
    assert loaded is not None
    default = Recipe.load(recipe) if recipe else Recipe.suited(len(loaded.train.labels))
    settings = default.changed(epochs=epochs, seed=seed)
    fitted = fit_architecture(network, loaded)
    if fitted != network:
        say(f"{arch} is given {fitted.channels} input channels and {fitted.classes} outputs")
    going_on = is_training(output)
    from nas.training import train as run
    from nas.training.own_table import remember

    try:
        with training_display() as report:
            trained = run(fitted, loaded, settings, output=output, device=device, progress=report)
    except KeyboardInterrupt:
        kept = "every finished epoch is kept" if going_on or is_training(output) else "nothing yet"
        echo(f"interrupted: {kept}; go on: {join(['nas', *sys.argv[1:]])}")
        raise typer.Exit(130) from None
    remember(loaded, settings, [(trained.arch, 100 * trained.accuracy)])
    if as_json:
        echo_json(
            {
                "folder": str(output),
                "data": loaded.source,
                "validation_accuracy": trained.accuracy,
                "validation_loss": trained.loss,
                "test_accuracy": trained.test.accuracy if trained.test else None,
                "epochs": len(trained.history),
            }
        )
        return
    count = len(loaded.validation.labels)
    echo(f"accuracy on the {count} validation images: {trained.accuracy:.2%}")
    if trained.test and loaded.test:
        echo(
            f"accuracy on the {len(loaded.test.labels)} test images, measured once: "
            f"{trained.test.accuracy:.2%}"
        )
    echo(f"export it:  nas export {join([str(output)])}")
