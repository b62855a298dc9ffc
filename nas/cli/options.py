"""Options and arguments that several commands share."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.budget import EXAMPLES
from nas.support.errors import NasError
from nas.support.resources import document

if TYPE_CHECKING:
    from nas.latency.measuring.remote import Remote
    from nas.resolution import Resolution

UNITS = {"s": 1 / 60, "m": 1.0, "min": 1.0, "h": 60.0, "d": 24 * 60.0}

StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Folder of study journals, or an Optuna storage URL such as sqlite:///nas.db. "
        "Default: ./studies",
        show_default=False,
        envvar="NAS_STORAGE",
    ),
]


def _named(context: typer.Context, param: Any, paths: list[Path] | None) -> list[Path] | None:
    """The plugins, which a file of options can only ask for: it may be somebody else's."""
    source = context.get_parameter_source(param.name)
    if paths and source is not None and source.name == "DEFAULT_MAP":
        from nas.plugins import check_allowed

        check_allowed(paths, f"config {context.params.get('config')}")
    return paths


PluginOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        help="Python file of your own blocks, proxies, samplers or readers, repeatable. It is run.",
        show_default=False,
        callback=_named,
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", help="Processes of this machine.")]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Address of a Dask scheduler, tcp://host:port, whose workers are used instead.",
        show_default=False,
    ),
]


def _studies(context: typer.Context, incomplete: str) -> list[str]:
    """The studies whose names begin so, for a shell that completes a word."""
    from nas.study.storage.storage import Storage
    from nas.support.errors import NasError

    try:
        names = Storage(context.params.get("storage")).names()
    except NasError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _targets(incomplete: str) -> list[str]:
    """The targets whose names begin so, for a shell that completes a word."""
    from nas.latency import target_names

    return [name for name in target_names() if name.startswith(incomplete)]


TargetOption = Annotated[
    str,
    typer.Option(
        "--target", help="Device whose latency counts; see `nas targets`.", autocompletion=_targets
    ),
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option("--budget", help=f"Upper limit, repeatable: {EXAMPLES}. FLOPs are multiply-adds."),
]
SamplerOption = Annotated[
    str,
    typer.Option(
        "--sampler", help=f"evolution, nsga2, tpe, gp or random; see {document('search.md')}."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Makes it reproducible.")]
StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study's name, or its journal's path.",
        autocompletion=_studies,
    ),
]
ResolutionOption = Annotated[
    str | None,
    typer.Option(
        "--resolution",
        help="Input size, a number or HEIGHTxWIDTH, of a reference network (default: its own, "
        "mostly 224) or of an ONNX file that leaves it open.",
        show_default=False,
    ),
]
NormEpsOption = Annotated[
    float | None,
    typer.Option(
        "--norm-eps",
        help="Epsilon of the norms of --weights. Default: 1e-5, or what an ONNX file says.",
        min=0,
        max=1,
        show_default=False,
    ),
]
SshOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ssh-option", help="An option of ssh -o, repeatable: Port=2222.", show_default=False
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python",
        help="With --ssh: that machine's Python with onnxruntime and numpy. Default: python3.",
        show_default=False,
    ),
]
NETWORK_HELP = (
    "A published network's name, a study (its best), STUDY:TRIAL, the folder of a training, or a "
    "file: an architecture's JSON, ONNX, or a TFLite that nas wrote."
)
NetworkArgument = Annotated[str, typer.Argument(metavar="NETWORK", help=NETWORK_HELP)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]


def as_resolution(resolution: str | None) -> "Resolution | None":
    """What `--resolution` says. Errors: `NasError` with the rule."""
    from nas.resolution import read_resolution

    return None if resolution is None else read_resolution(resolution)


def as_remote(ssh: str | None, options: list[str] | None, python: str | None) -> "Remote | None":
    """The machine that `--ssh`, `--ssh-option` and `--python` mean, None for this one. Errors:
    `NasError` where options of another machine are given, but none is named."""
    from nas.latency.measuring.remote import Remote

    if ssh is None:
        given = [f"--ssh-option {option}" for option in options or ()]
        given += [] if python is None else [f"--python {python}"]
        if given:
            raise NasError(f"{given[0]}: --ssh must name the machine that it is of")
        return None
    remote = Remote(ssh, tuple(options or ()))
    return remote if python is None else remote._replace(python=python)


def listed(values: Iterable[str]) -> list[str]:
    """The names in values of the form a,b,c."""
    return [name.strip() for value in values for name in value.split(",")]


def read_minutes(text: str) -> float:
    """A time such as 90s, 30m, 2h or 1h30m in minutes. Errors: `NasError` with the rule."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(s|min|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise NasError(f"--time {text!r:.40}: must be a number with s, m, h or d, as in 30m or 2h")
    minutes = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not minutes >= 1:
        raise NasError(f"--time {text}: must be at least a minute")
    return minutes
