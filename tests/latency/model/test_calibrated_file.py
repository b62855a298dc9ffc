"""A calibrated target's fit that was edited is refused in one line."""

import json
from pathlib import Path

import pytest
import yaml

from nas.latency import Target
from nas.latency.target import target_path
from nas.support.errors import NasError


def test_a_name_that_is_there_twice_is_damage(tmp_path: Path) -> None:
    data = yaml.safe_load(target_path("jetson-nano").read_text())
    facts = json.loads(data["fit"])
    facts["names"][5] = facts["names"][4]
    path = tmp_path / "jetson-nano.yaml"
    path.write_text(yaml.safe_dump({**data, "fit": json.dumps(facts)}))
    with pytest.raises(NasError, match="fit: damaged"):
        Target.load(path)
