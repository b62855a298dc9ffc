"""Results of `nas auto` that are planned, by a plan that is small enough for a test."""

from pathlib import Path

import yaml
from tiny import TINY

from nas.auto.asked import Asked
from nas.auto.plan import Plan
from nas.auto.state import STATE, State
from nas.data import DataOptions, load_data
from nas.training import Recipe

OPTIONS = DataOptions(test_share=0.15)
BRIEF = Recipe(epochs=1, batch_size=32, images=64)


def words(folder: Path) -> list[str]:
    """The command whose result `begun` plans in the folder."""
    space = str(folder / "tiny.yaml")
    return ["auto", "--data", "digits", "--budget", "1ms", "--space", space, "-o", "result"]


def begun(folder: Path, **changes: object) -> list[str]:
    """A result that has been planned, and the words of the command that goes on with it."""
    space = folder / "tiny.yaml"
    space.write_text(yaml.safe_dump(TINY))
    data = load_data("digits", options=OPTIONS)
    facts = {
        "data": "digits", "options": OPTIONS, "checksum": data.checksum, "target": "cpu",
        "budgets": ("1ms",), "space": str(space), "minutes": None, "seed": 0,
    }  # fmt: skip
    plan = Plan(
        budgets=("1ms",), trials=70, learn=3, finalists=1, brief=BRIEF, seconds_an_image=1e-3
    )
    final = Recipe(epochs=2, batch_size=32, images=256)
    state = State(asked=Asked.model_validate(facts | changes), plan=plan, final=final, decided=True)
    (folder / "result").mkdir()
    (folder / "result" / STATE).write_text(state.model_dump_json())
    return words(folder)
