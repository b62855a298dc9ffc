"""`nas studies`: the studies that are kept, and their removal and renaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import JsonOption, StorageOption
from nas.cli.terminal import ask, echo, echo_json
from nas.support.errors import NasError

if TYPE_CHECKING:
    from nas.study.storage.storage import Storage

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def list_studies(
    context: typer.Context, storage: StorageOption = None, as_json: JsonOption = False
) -> None:
    """List the studies that are kept here; remove or rename one."""
    context.obj = storage
    if context.invoked_subcommand is not None:
        return
    from nas.cli.tables import show, table
    from nas.study.storage.storage import Storage

    where = Storage(storage)
    studies = [_facts(where, name) for name in where.names()]
    if as_json:
        echo_json(studies)
        return
    if not studies:
        echo(f"no studies in {where}; begin one: nas search --target cpu --budget 300MFLOPs")
        return
    columns = ("study", "best", "trials", "changed", "budgets", "space", "target")
    rows = [
        (s["study"], s["error"], *[""] * 5)
        if "error" in s
        else (
            s["study"],
            _best(s),
            f"{s['trials']}/{s['goal']}",
            (s["changed"] or "–")[:10],
            ", ".join(s["budgets"]),
            s["space"],
            s["target"],
        )
        for s in studies
    ]
    show(
        table(
            columns, rows, left=7, fold=("best", "budgets"),
            minor=("target", "space", "budgets", "changed", "trials"),
        )
    )  # fmt: skip


def _facts(where: Storage, name: str) -> dict[str, Any]:
    """A study as JSON types; `changed` is when its last trial ended, ISO 8601 in UTC."""
    from nas.study import Study

    try:
        study = Study.open(where, name)
        s, tally = study.settings, study.tally()
        score = "predicted_accuracy" if study.predicts else "score"
        best = {"trial": tally.best.trial, score: tally.best.score} if tally.best else None
        return {
            "study": name,
            "best": best,
            "trials": tally.trials,
            "goal": s.trials,
            "changed": tally.changed,
            "budgets": list(s.budgets),
            "space": s.space["name"],
            "target": s.target,
        }
    except NasError as error:
        return {"study": name, "error": str(error)}


def _best(facts: dict[str, Any]) -> str:
    """The best network's predicted accuracy, or its score."""
    best = facts["best"]
    if best is None:
        return "–"
    if "score" in best:
        return f"score {best['score']:.3f}"
    return f"{best['predicted_accuracy']:.1f}% predicted"


YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


@app.command()
def rm(
    context: typer.Context,
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Names of studies.")],
    yes: YesOption = False,
    storage: StorageOption = None,
) -> None:
    """Remove studies, with their trials and what was trained for them. It is asked for first."""
    from nas.study.manage import belongings, remove
    from nas.study.storage.storage import locate

    chosen = [locate(name, storage or context.obj) for name in dict.fromkeys(studies)]
    found = [belongings(where, name) for where, name in chosen]
    for one in found:
        echo(f"{one}", err=True)
    if not yes and not ask(f"Remove {'it' if len(found) == 1 else 'them'} for good?"):
        raise NasError("nothing is removed: --yes does it without asking")
    for one in found:
        remove(one)
        echo(f"removed: {one.name}")


@app.command()
def rename(
    context: typer.Context,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Its name.")],
    name: Annotated[str, typer.Argument(metavar="NEW", help="A name that no study has.")],
    storage: StorageOption = None,
) -> None:
    """Give a study another name; what was trained for it goes along."""
    from nas.study import manage
    from nas.study.storage.storage import locate

    where, known = locate(study, storage or context.obj)
    manage.rename(manage.belongings(where, known), name)
    echo(f"renamed: {known} is {name}")
