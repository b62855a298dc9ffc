"""Beginning a study that prunes a trained network, and writing what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nas import plugins
from nas.architecture import Architecture
from nas.blocks import KINDS
from nas.budget import parse_budgets
from nas.data import READERS, DataSet, find_reader
from nas.defaults import DEFAULT_OBJECTIVES, DEFAULT_SAMPLER
from nas.latency import Target
from nas.measures import OF_TARGET, format_measure
from nas.pruning.space import PruningSpace
from nas.resolution import area, mean_side
from nas.study.candidates import Candidate
from nas.study.finalists import read_finalists
from nas.study.objectives import check_objectives
from nas.study.plan import Plan, begun_before, created, of_data, of_target, stem_of
from nas.study.pruning import PruningCandidates, inheritance_of
from nas.study.ratios import by_depth, by_importance, by_sensitivity
from nas.study.samplers.registry import SAMPLERS
from nas.study.settings import FINE_TUNING, RATIOS, PruningStudy, StudySettings
from nas.study.storage.storage import Storage
from nas.study.study import Study
from nas.support.errors import NasError, as_whole, check_type, one_of, shown
from nas.support.files import check_folder, read_bytes, write_whole
from nas.support.text import texts_of
from nas.support.validation import validated
from nas.training.recipe import Recipe, check_compared

TRIALS = 300


def fine_tuning_recipe(parent: Architecture, data: DataSet) -> Recipe:
    """The recipe of children of a network that suits the data, unless another one is given."""
    return FINE_TUNING.suited(len(data.train.labels), area(parent.resolution))


def check_choices(criterion: str, ratios: str, finalists: int) -> None:
    """Errors: `NasError` for unknown names and for no finalist, which need no data to be seen."""
    from nas.pruning.criteria import CRITERIA  # needs torch

    if ratios not in RATIOS:
        raise one_of("ratio mode", ratios, RATIOS)
    CRITERIA[criterion]
    if (as_whole(finalists) or 0) < 1:
        raise NasError(f"finalists {shown(finalists)}: at least one child must be fine-tuned")


def check_too_large(parent: Architecture, target: str | Path, budgets: Sequence[str]) -> None:
    """Errors: `NasError` where the parent is within all budgets, so that there is nothing to prune;
    and for an unknown target or budget."""
    device, limits = Target.load(target), parse_budgets(budgets)
    whole = Candidate({}, parent, device)
    if whole.memory is None and any(limit.measure in OF_TARGET for limit in limits):
        return  # the target does not know, which is an error of the study
    values = [whole.value(limit.measure) for limit in limits]
    if all(value <= limit.limit for value, limit in zip(values, limits, strict=True)):
        has = " and ".join(
            f"{format_measure(limit.measure, value)} of {limit.text}"
            for value, limit in zip(values, limits, strict=True)
        )
        raise NasError(
            f"{parent.name or 'the network'} meets the budget on target '{device.name}' already, "
            f"with {has}: there is nothing to prune"
        )


def begin_pruning(
    parent: Architecture,
    weights: str | Path,
    target: str | Path,
    budgets: Sequence[str],
    data: DataSet,
    *,
    name: str | None = None,
    storage: str | Path | None = None,
    criterion: str = "taylor_2019",
    reconstruct: bool = False,
    norm_eps: float = 1e-5,
    ratios: str = "search",
    keep_depth: bool = False,
    keep_resolution: bool = False,
    divisor: int = 8,
    trials: int | None = None,
    sampler: str = DEFAULT_SAMPLER,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    finalists: int = 3,
    recipe: Recipe | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    images: int = 512,
    tell: Callable[[str], None] | None = None,
) -> Study:
    """A new, stored study of a trained network's children, after what could be wrong was checked.

    parent, weights: the network and the file of its weights. target, budgets, name, storage,
        sampler, objectives, seed: as of `nas.search`; there is at least one budget.
    data: what children are judged and fine-tuned on; its test images are measured once, at the end.
    criterion: what ranks channels. reconstruct: whether layers that lose inputs are refitted to the
        parent's outputs. norm_eps: of the weights' norms.
    ratios: how widths are chosen, a name of `RATIOS`; all but "search" try a single child.
    keep_depth, keep_resolution: whether these stay the parent's.
    divisor: widths are multiples of it. trials: children to look at, 300 unless given.
    finalists: how many good, different children are fine-tuned by the `recipe`, unless given one
        that suits the number of images, with distillation from the parent; the best one's training
        is written to the folder `output`.
    images: how many validation images children are judged by.
    tell: where it is given, a study that these very options began before is gone on with, as by
        `begin_or_go_on`; it is called with what there is to be said of that.

    Errors: `NasError`: weights of another network, other classes than the data's, a budget below
    what pruning can reach, and those of `nas.search`.
    """
    from nas.pruning.criteria import CRITERIA  # needs torch
    from nas.pruning.evaluate import weights_checksum

    plugins.load_installed()
    device, limits = Target.load(target), parse_budgets(budgets)
    check_choices(criterion, ratios, finalists)
    ranked_by = CRITERIA[criterion].name
    if not limits:
        raise NasError("a budget is needed: what is the network to be pruned to?")
    check_type(weights, "weights", "the path of a file", str, Path)
    recipe = _checked(parent, data, recipe)
    objectives = tuple(texts_of(objectives))
    check_objectives(objectives)
    space = PruningSpace.of(
        parent.renamed(""),
        f"children of {parent.name}" if parent.name else "children",
        divisor=divisor,
        keep_depth=keep_depth,
        keep_resolution=keep_resolution,
    )
    candidates = PruningCandidates(space, device, limits)
    pruning = {
        "weights": str(Path(weights).resolve()),
        "checksum": weights_checksum(str(weights)),
        "criterion": ranked_by,
        "reconstruct": reconstruct,
        "norm_eps": norm_eps,
        "ratios": ratios,
        "output": None if output is None else str(Path(output).resolve()),
        "images": images,
    }
    chosen = {
        "space": space.to_dict(),
        **of_target(target, candidates),
        **of_data(data),
        "sampler": SAMPLERS[sampler].name,
        "objectives": objectives,
        "trials": 1 if ratios != "search" else TRIALS if trials is None else trials,
        "seed": seed,
        "finalists": finalists,
        "recipe": recipe,
        "pruning": validated(PruningStudy, pruning, "prune"),
        "plugins": _plugins(parent, criterion, sampler, data),
    }
    settings = validated(StudySettings, chosen, "prune")
    candidates.check()
    words = ["pruned", parent.name or "network", device.name, *settings.budgets]
    plan = Plan(settings, candidates, Storage(storage), name, stem_of(words))
    there, notice = (None, "") if tell is None else begun_before(plan)
    if output is not None:
        check_output(Path(output), there)
    study = there or created(plan._replace(settings=_with_first(settings, candidates, data)))
    if tell is not None and notice:
        tell(notice if there else f"{notice}; this one is '{study.name}'")
    return study


def _checked(parent: Architecture, data: DataSet, recipe: Recipe | None) -> Recipe:
    """The recipe for children. Errors: `NasError` where they cannot be trained on the data."""
    from nas.training.checks import check_fit

    check_fit(parent, data)
    recipe = recipe or fine_tuning_recipe(parent, data)
    check_compared(recipe)
    recipe.check(len(data.train.labels))
    return recipe


def _plugins(
    parent: Architecture, criterion: str, sampler: str, data: DataSet
) -> tuple[plugins.PluginFile, ...]:
    """The plugins that provide something of what the study uses."""
    from nas.pruning.criteria import CRITERIA  # needs torch

    return plugins.providers(
        (KINDS, {row.kind for row in parent.rows()}),
        (CRITERIA, [criterion]),
        (SAMPLERS, [sampler]),
        (READERS, [find_reader(data.source).name]),
    )


def _with_first(
    settings: StudySettings, candidates: PruningCandidates, data: DataSet
) -> StudySettings:
    """The settings with the assignments that the study begins with: one by a rule, or those that a
    search sets out from; and with the best accuracy among those of the highest resolution, which
    is enough."""
    from nas.pruning.evaluate import bench_of

    assert settings.pruning is not None
    ratios, bench = settings.pruning.ratios, bench_of(inheritance_of(settings), data)
    found: list[Candidate | None]
    match ratios:
        case "uniform":
            found = [candidates.fitted(candidates.pruning.whole)]
        case "global":
            found = [by_importance(candidates, bench.parent)]
        case "sensitivity":
            found = [by_sensitivity(candidates, bench.accuracies)]
        case _:
            shallow = by_depth(candidates, bench.accuracies)
            found = [by_importance(candidates, bench.parent), *candidates.uniform(), *shallow]
    first = tuple(child.assignment for child in found if child is not None)
    if not first and ratios != "search":
        raise NasError(
            f"--ratios {ratios}: no such child meets the budgets, as depth and resolution stay: "
            "use --ratios search"
        )
    archs = [candidates.space.decode(each) for each in first]
    most = max((mean_side(arch.resolution) for arch in archs), default=0.0)
    known = bench.accuracies([arch for arch in archs if mean_side(arch.resolution) == most])
    pruning = settings.pruning.model_copy(update={"enough": max(known, default=0.0)})
    return settings.model_copy(update={"start_from": first, "pruning": pruning})


def check_output(folder: Path, begun: Study | None = None) -> None:
    """Errors: `NasError` where the folder holds something already that would be replaced; of a
    study that has `begun` its own child may be there, or weights alone, which a kill has left."""
    from nas.training.checkpoint import STATE, is_training
    from nas.training.checks import check_no_model

    check_folder(folder)
    if is_training(folder):
        state = (folder / STATE).read_bytes()
        own = [each.folder / STATE for each in read_finalists(begun)] if begun else []
        if all(path.read_bytes() != state for path in own):
            raise NasError(f"{folder} holds a training already: choose another folder")
    elif not begun:
        check_no_model(folder)


def write_best(study: Study) -> Path | None:
    """Writes the training of the best finalist to the study's output folder, and returns that; None
    where no finalist is trained, or there is no output folder. Errors: `NasError`."""
    from nas.training.checkpoint import STATE, WEIGHTS
    from nas.training.trained import Trained

    pruning = study.settings.pruning
    best = next((f for f in read_finalists(study) if not f.pruned), None)
    if pruning is None or pruning.output is None or best is None:
        return None
    folder = Path(pruning.output)
    Trained.load(best.folder)  # whole and finished
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, STATE):  # what makes it a training comes last
        path = best.folder / name
        write_whole(folder / name, read_bytes(path, str(path), most=None))
    return folder
