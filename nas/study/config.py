"""A study's settings as a file for `nas search --config`: the options that would begin it again."""

from __future__ import annotations

from pathlib import Path

import yaml

from nas.study.study import Study
from nas.support.errors import NasError
from nas.support.files import write_whole

OPTIONS = {"budgets": "budget", "objectives": "objective", "plugins": "plugin"}
FACTS = {
    "target_checksum",
    "space_file",
    "version",
    "data_options",
    "data_checksum",
    "training_steps",
    "families",
}  # not to be chosen
HEADER = "# For `nas search --config`: "


def config_text(study: Study) -> str:
    """The file: whole space and recipe included, so that it needs no other but plugins and data."""
    settings = study.settings
    if settings.pruning is not None:
        raise NasError(
            f"study '{study.name}' was begun by nas prune, which takes no file of settings"
        )
    data = settings.model_dump(mode="json", exclude=FACTS, exclude_none=True)
    data["plugins"] = [file.path for file in settings.plugins]
    if Path(settings.target).suffix in (".yaml", ".yml"):
        data["target"] = str(Path(settings.target).resolve())
    data |= settings.data_options.words()
    data["space"] = data.pop("space")  # the longest comes last
    named = {OPTIONS.get(key, key).replace("_", "-"): value for key, value in data.items()}
    return (
        f"{HEADER}begins a study like '{study.name}'. It can be changed or deleted.\n"
        f"# Made by nas {settings.version}; table of the target: {settings.target_checksum}\n"
        + yaml.safe_dump(
            named, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
        )
    )


def config_path(study: Study) -> Path | None:
    """The path of the file, beside the study's journal; None for a study in a database."""
    return None if study.storage.url else study.storage.folder / f"{study.name}.yaml"


def write_config(study: Study) -> None:
    """Writes the file, but never over one that was not written here."""
    path = config_path(study)
    if path and not (path.exists() and not path.read_text(errors="replace").startswith(HEADER)):
        write_whole(path, config_text(study))
