"""`nas train`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.data import (
    DATA,
    ClassesOption,
    ImageSizeOption,
    LeftOutOption,
    SplitOption,
    TestShareOption,
    open_data,
)
from nas.cli.options import (
    JsonOption,
    NetworkArgument,
    NormEpsOption,
    PluginOption,
    ResolutionOption,
    StorageOption,
    as_resolution,
    read_minutes,
)
from nas.cli.terminal import echo, echo_json, say
from nas.support.resources import document

if TYPE_CHECKING:
    from nas.data import DataSet
    from nas.training import Recipe, Trained, TrainingProgress

INT8_SHARE = 0.25  # of the epochs, where --int8 alone asks for them


def train(
    arch: NetworkArgument,
    data: Annotated[str, typer.Option(help=f"{DATA}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is trained.")],
    epochs: Annotated[
        int | None, typer.Option(help="Default: the recipe's, or 20, and more for few images.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="How long it may take: 90s, 30m, 2h. As many epochs as fit, at most --epochs, or "
            "5 times those it would have.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help=f"YAML file of settings; see {document('training.md')}.")
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Compute with int8's roundings in the last quarter, for nas export --int8.",
        ),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Makes it reproducible.")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1. Default: a GPU where there is one.")
    ] = None,
    resolution: ResolutionOption = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Trained network to learn from too: the folder of a training, or an ONNX file.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="File of the network's weights to begin with: PyTorch, safetensors or ONNX.",
            show_default=False,
        ),
    ] = None,
    norm_eps: NormEpsOption = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="Where curves go too: tensorboard:FOLDER, mlflow[:SERVER]. Repeatable.",
            show_default=False,
        ),
    ] = None,
    split: SplitOption = None,
    classes: ClassesOption = None,
    left_out: LeftOutOption = None,
    test_share: TestShareOption = None,
    image_size: ImageSizeOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network. Ctrl-C and kill are safe: the same command goes on."""
    from nas import plugins
    from nas.data.fit import fit_architecture
    from nas.networks import made_here
    from nas.resolution import area
    from nas.study.networks import find_network
    from nas.support.files import check_file, check_folder
    from nas.training import Recipe
    from nas.training.checkpoint import is_training
    from nas.training.log import check_place
    from nas.training.recipe import TRANSFER

    plugins.load_all(plugin)
    found, _ = find_network(arch, as_resolution(resolution), storage)
    network = made_here(found, "nas train")
    # Mistakes are said before the data are read, which may take minutes.
    own = Recipe.load(recipe) if recipe else None
    minutes = None if time is None else read_minutes(time)
    (own or Recipe()).changed(epochs=epochs, seed=seed)
    check_folder(output)
    if weights is not None:
        check_file(weights, str(weights))
    for place in log or ():
        check_place(place)
    # Without these torch is imported, for a second or two, once something is on the screen.
    if teacher is not None:
        from nas.training.teacher import Teacher, check_teacher

        check_teacher(teacher)
    if device is not None:
        from nas.training.device import device_of

        device_of(device)
    loaded = open_data(data, split, classes, left_out, test_share, image_size)
    assert loaded is not None
    fitted = fit_architecture(network, loaded)
    if fitted != network:
        say(f"{arch} is given {fitted.channels} input channels and {fitted.classes} outputs")
    images, pixels = len(loaded.train.labels), area(fitted.resolution)
    suited = (Recipe() if weights is None else TRANSFER).suited(images, pixels)
    settings = own or suited
    if minutes is not None:
        settings = settings.timed(minutes)
    settings = settings.changed(epochs=epochs, seed=seed)
    if int8 and not settings.int8:
        settings = settings.changed(int8=INT8_SHARE)
    going_on = is_training(output)
    from nas.training import train as run
    from nas.training.own_table import remember
    from nas.training.start import start_from

    learned_from = None if teacher is None else Teacher.load(teacher, loaded)
    start = None if weights is None else start_from(weights, fitted, settings.seed, norm_eps)
    try:
        with _reporting(log or (), output.name, settings) as report:
            trained = run(
                fitted,
                loaded,
                settings,
                output=output,
                device=device,
                teacher=learned_from,
                start=start,
                progress=report,
            )
    except KeyboardInterrupt:
        kept = "every finished epoch is kept" if going_on or is_training(output) else "nothing yet"
        echo(f"interrupted: {kept}; go on: {join(['nas', *sys.argv[1:]])}", err=as_json)
        raise typer.Exit(130) from None
    if learned_from is None and start is None:  # predictions are of networks trained by themselves
        made = settings.made(len(trained.history))
        remember(loaded, made, [(trained.arch, 100 * trained.accuracy)])
    if as_json:
        echo_json(_facts(trained, loaded, output))
    else:
        _print(trained, loaded, settings, output)


@contextmanager
def _reporting(
    places: Sequence[str], name: str, settings: Recipe
) -> Iterator[Callable[[TrainingProgress], None]]:
    """A callback that shows how far a training is, and writes its curves to the `places`."""
    from nas.cli.progress import training_display
    from nas.training.log import logged

    with logged(places, name, settings) as write, training_display() as show:

        def report(progress: TrainingProgress) -> None:
            show(progress)
            write(progress)

        yield report


def _facts(trained: Trained, data: DataSet, output: Path) -> dict[str, object]:
    """What was trained as JSON types."""
    scores = {"validation_scores": trained.validation_scores, "test_scores": trained.test_scores}
    return {
        "folder": str(output),
        "data": data.source,
        "validation_accuracy": trained.accuracy,
        "validation_loss": trained.loss,
        "test_accuracy": trained.test.accuracy if trained.test else None,
        **{name: each and each.model_dump() for name, each in scores.items()},
        "epochs": len(trained.history),
    }


def _print(trained: Trained, data: DataSet, settings: Recipe, output: Path) -> None:
    from nas.plugins import options_of
    from nas.training.checkpoint import read_state

    count = len(data.validation.labels)
    echo(f"accuracy on the {count} validation images: {trained.accuracy:.2%}")
    if trained.validation_scores:
        echo(f"  {trained.validation_scores.line(data.classes)}")
    if trained.kept != trained.history[-1]:
        echo(
            f"ended after epoch {len(trained.history)}; kept are the weights of "
            f"epoch {trained.kept.epoch}"
        )
    if trained.test and data.test:
        echo(
            f"accuracy on the {len(data.test.labels)} test images, measured once: "
            f"{trained.test.accuracy:.2%}"
        )
        if trained.test_scores:
            echo(f"  {trained.test_scores.line(data.classes)}")
    command = ["nas", "export", str(output), *(["--int8"] if settings.int8 else [])]
    echo(f"export it:  {join(command)}{options_of(read_state(output).plugins)}")
