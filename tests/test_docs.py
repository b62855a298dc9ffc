"""What the documents show is read and run."""

import re
from pathlib import Path

import yaml

from nas.space import SearchSpace
from nas.space.files import space_names
from nas.training import Recipe

DOCS = Path(__file__).parents[1] / "docs"


def test_the_space_of_the_document_is_one_and_every_shipped_space_is_listed() -> None:
    text = (DOCS / "spaces.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    space = SearchSpace.from_dict(yaml.safe_load(example))
    assert space.sample(0).classes == 10
    assert set(space_names()) <= set(re.findall(r"`([\w:]+)`", text))


def test_every_proxy_is_in_the_table_of_the_document() -> None:
    from nas.proxies import PROXIES

    text = (DOCS / "proxies.md").read_text().split("\n## ")[0]  # the tables below are of results
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)
    shipped = {name: p for name, p in PROXIES.items() if p.function.__module__.startswith("nas.")}
    assert dict(rows) == {name: ", ".join(p.needs) or "nothing" for name, p in shipped.items()}


def test_the_recipe_of_the_document_is_the_default() -> None:
    text = (DOCS / "training.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert Recipe.model_validate(yaml.safe_load(example)) == Recipe()
