"""`nas prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.data import ClassesOption, ImageSizeOption, LeftOutOption, SplitOption, open_data
from nas.cli.options import (
    BudgetOption,
    JsonOption,
    PluginOption,
    ResolutionOption,
    SamplerOption,
    SchedulerOption,
    SeedOption,
    StorageOption,
    TargetOption,
    WorkersOption,
    as_resolution,
)
from nas.cli.run_study import conclude, run_study, worker_options
from nas.cli.terminal import echo
from nas.cli.unstructured import check_zeros, prune_unstructured
from nas.defaults import DEFAULT_OBJECTIVES, DEFAULT_SAMPLER, DEFAULT_TARGET
from nas.support.resources import document

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.training import Trained

ZEROS_ALONE = ("sparsity", "pattern")  # parameters that --unstructured needs
CHILDREN_ALONE = (  # and those that it has no use for
    "budget", "target", "criterion", "reconstruct", "ratios", "keep_depth", "keep_resolution",
    "divisor", "trials", "sampler", "finalists", "epochs", "recipe", "study", "workers",
    "scheduler",
)  # fmt: skip


def prune(
    context: typer.Context,
    parent: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="The folder of a training, or a study or STUDY:TRIAL whose finalist is trained; "
            "with --weights any network that `nas train` takes.",
        ),
    ],
    data: Annotated[
        str, typer.Option(help="What children are judged and fine-tuned on; as for `nas train`.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the best child's training.")
    ],
    budget: BudgetOption = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="File of the network's weights: PyTorch, safetensors or ONNX."),
    ] = None,
    norm_eps: Annotated[
        float, typer.Option(help="Of the norms of --weights; 1e-3 for those of TensorFlow.")
    ] = 1e-5,
    target: TargetOption = DEFAULT_TARGET,
    criterion: Annotated[
        str, typer.Option(help=f"What ranks channels; see {document('pruning.md')}.")
    ] = "taylor_2019",
    reconstruct: Annotated[
        bool,
        typer.Option("--reconstruct", help="Refit layers that lose inputs by least squares."),
    ] = False,
    ratios: Annotated[
        str, typer.Option(help="How widths are chosen: search, uniform, global or sensitivity.")
    ] = "search",
    keep_depth: Annotated[bool, typer.Option("--keep-depth", help="Leave no block out.")] = False,
    keep_resolution: Annotated[
        bool, typer.Option("--keep-resolution", help="Keep the parent's input size.")
    ] = False,
    divisor: Annotated[int, typer.Option(help="Widths are multiples of it.")] = 8,
    trials: Annotated[
        int | None, typer.Option(help="Children to look at. Default: 300.", show_default=False)
    ] = None,
    sampler: SamplerOption = DEFAULT_SAMPLER,
    finalists: Annotated[int, typer.Option(help="Children to fine-tune.")] = 3,
    epochs: Annotated[
        int | None,
        typer.Option(help="Of fine-tuning. Default: the recipe's, or 9, and more for few images."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help=f"How children are fine-tuned: YAML, see {document('training.md')}."),
    ] = None,
    seed: SeedOption = 0,
    resolution: ResolutionOption = None,
    split: SplitOption = None,
    classes: ClassesOption = None,
    left_out: LeftOutOption = None,
    image_size: ImageSizeOption = None,
    unstructured: Annotated[
        str | None,
        typer.Option(
            help="Set single weights to zero instead: magnitude, obd, obs or variance.",
            show_default=False,
        ),
    ] = None,
    sparsity: Annotated[float, typer.Option(help="Share of zeros, with --unstructured.")] = 0.5,
    pattern: Annotated[
        str | None,
        typer.Option(help="n:m for n of every m weights kept, as 2:4.", show_default=False),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study. Default: of network, target and budgets.")
    ] = None,
    storage: StorageOption = None,
    workers: WorkersOption = 1,
    scheduler: SchedulerOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a trained network fit a budget. Ctrl-C is safe: `nas resume` goes on.

    Children of the network, with fewer channels, blocks and pixels, inherit its weights and are
    judged by their accuracy on validation images; the best are fine-tuned, and learn from it.
    """
    from nas import plugins
    from nas.data.fit import fit_architecture
    from nas.study.plan import check_names
    from nas.study.pruned import (
        begin_pruning,
        check_choices,
        check_too_large,
        fine_tuning_recipe,
    )
    from nas.study.workers.open import open_executor
    from nas.support.errors import NasError
    from nas.support.files import check_file
    from nas.training.recipe import Recipe
    from nas.training.trained import check_classes

    plugins.load_all(plugin)
    _check_options(context)
    default = None if recipe is None else Recipe.load(recipe)
    if weights is not None:
        check_file(weights, str(weights))
    if unstructured is None:  # before the data are read, which may take minutes
        if not budget:
            raise NasError("--budget is needed, or --unstructured")
        check_names(target, budget, sampler, DEFAULT_OBJECTIVES, study)
        check_choices(criterion, ratios, finalists)
    else:
        check_zeros(unstructured, sparsity, pattern, output)
    arch, file, trained = _parent(parent, weights, resolution, storage)
    loaded = open_data(data, split, classes, left_out, image_size=image_size)
    assert loaded is not None
    if trained is None:
        arch = fit_architecture(arch, loaded).renamed(arch.name)
    else:
        check_classes(f"training {file.parent}", trained.data.classes, loaded)
    if unstructured is not None:
        prune_unstructured(
            arch, file, loaded, output, unstructured, sparsity, pattern, norm_eps, seed, as_json
        )
        return
    assert budget is not None
    check_too_large(arch, target, budget)
    settings = (default or fine_tuning_recipe(arch, loaded)).changed(epochs=epochs)
    with open_executor(workers, scheduler, plugins.loaded()) as (executor, slots):
        begun = begin_pruning(
            arch,
            file,
            target,
            budget,
            loaded,
            name=study,
            storage=storage,
            criterion=criterion,
            reconstruct=reconstruct,
            norm_eps=norm_eps,
            ratios=ratios,
            keep_depth=keep_depth,
            keep_resolution=keep_resolution,
            divisor=divisor,
            trials=trials,
            sampler=sampler,
            finalists=finalists,
            recipe=settings,
            seed=seed,
            output=output,
            tell=lambda notice: echo(notice, err=True),
        )
        goal = trials if trials and ratios == "search" else begun.settings.trials
        ended = run_study(begun, goal, executor, slots)
    conclude(begun, ended, worker_options(workers, scheduler), as_json=as_json)


def _check_options(context: typer.Context) -> None:
    """Errors: `NasError` for options of one way to prune that are given for the other."""
    from nas.support.errors import NasError

    given = {
        param.name: param.opts[0]
        for param in context.command.params
        if (source := context.get_parameter_source(param.name or "")) is not None
        and source.name == "COMMANDLINE"
    }
    if "sparsity" in given and "pattern" in given:
        raise NasError("--sparsity: a --pattern says how many zeros there are")
    zeros = "unstructured" in given
    if wrong := [
        given[name] for name in (CHILDREN_ALONE if zeros else ZEROS_ALONE) if name in given
    ]:
        of = "of no use with --unstructured" if zeros else "of --unstructured alone"
        raise NasError(f"{', '.join(wrong)}: {of}")


def _parent(
    name: str, weights: Path | None, resolution: str | None, storage: str | None
) -> tuple[Architecture, Path, Trained | None]:
    """The network to prune, the file of its weights, and the training that they are of, unless
    they are from elsewhere. Errors: `NasError`, also where it is not trained."""
    from nas.networks import made_here
    from nas.study.networks import find_network, trained_folder
    from nas.support.errors import NasError
    from nas.training import Trained
    from nas.training.checkpoint import WEIGHTS

    if weights is not None:
        found, _ = find_network(name, as_resolution(resolution), storage)
        return made_here(found, "nas prune"), weights, None
    folder = trained_folder(name, storage)
    if folder is None:
        find_network(name, None, storage)  # which says what is wrong with a name
        raise NasError(
            f"{name!r:.200} is not trained: give the folder of a training, or --weights FILE"
        )
    if resolution is not None:
        raise NasError(f"--resolution {resolution}: a training has its own; give --weights too")
    trained = Trained.load(folder)
    return trained.arch.renamed(folder.resolve().name), folder / WEIGHTS, trained
