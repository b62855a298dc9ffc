"""The YAML files of search spaces: shipped ones are known by name, others by path.

A file may have `variants`. Each adds or replaces whole settings of the file. The file's own name
means the first variant; any other is `file:variant`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from nas.support.errors import one_of
from nas.support.files import at_home
from nas.support.resources import shipped
from nas.support.validation import Settings, validated
from nas.support.yaml import read_yaml

SHIPPED = shipped("search_spaces")
SUFFIXES = (".yaml", ".yml")


class _File(Settings):
    """A file of a space: only `variants` is typed here; each variant is checked as a whole."""

    model_config = ConfigDict(frozen=True, extra="allow")

    variants: dict[str, dict[str, Any]] = {}


def space_names() -> list[str]:
    """The names of the shipped spaces, with those of their variants."""
    names = []
    for path in _shipped().values():
        _, *others = validated(_File, read_yaml(path, str(path)), str(path)).variants or [""]
        names += [path.stem, *(f"{path.stem}:{variant}" for variant in others)]
    return names


def locate(name: str | Path) -> tuple[Path, str | None]:
    """The file of `space`, `space:variant`, `file.yaml` or `file.yaml:variant`, and the variant.

    Errors: `NasError` for an unknown name, with the nearest one.
    """
    path, variant = at_home(str(name)), None
    if Path(path).suffix not in SUFFIXES and ":" in path:
        path, variant = path.rsplit(":", 1)
    if Path(path).suffix in SUFFIXES:
        return Path(path), variant
    known = _shipped()
    if path not in known:
        raise one_of("search space", str(name), space_names(), lister="nas spaces")
    return known[path], variant


def read(path: Path, variant: str | None) -> object:
    """The plain data of a space: the file's own settings, replaced by those of the variant.

    Errors: `NasError` for a file that cannot be read and for an unknown variant, with the nearest.
    """
    data = read_yaml(path, f"search space {path}")
    if not isinstance(data, dict):
        return data
    file = validated(_File, data, str(path))
    first = next(iter(file.variants), None)
    variant = first if variant is None else variant
    if variant is None:
        return data
    if variant not in file.variants:
        raise one_of(f"search space {path}: variant", variant, file.variants)
    settings = {**(file.model_extra or {}), **file.variants[variant]}
    if variant != first and "name" in settings:
        settings["name"] = f"{settings['name']}:{variant}"
    return settings


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}
