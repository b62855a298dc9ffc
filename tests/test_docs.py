"""What the documents show is read and run."""

import re
from pathlib import Path

import yaml

from nas.space import SearchSpace
from nas.space_files import space_names

DOCS = Path(__file__).parents[1] / "docs"


def test_the_space_of_the_document_is_one_and_every_shipped_space_is_listed() -> None:
    text = (DOCS / "spaces.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    space = SearchSpace.from_dict(yaml.safe_load(example))
    assert space.sample(0).classes == 10
    assert set(space_names()) <= set(re.findall(r"`([\w:]+)`", text))
