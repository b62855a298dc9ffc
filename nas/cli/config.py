"""`--config`: a YAML file of a command's options, which the command's own function declares."""

from __future__ import annotations

import re
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from nas.support.files import at_home

_PLAIN: dict[Any, Any] = {Path: str, Any: str | dict[str, Any]}
_FILE = re.compile(r"\.(ya?ml|json|journal)(:|$)")


def _read(context: typer.Context, path: Path | None) -> Path | None:
    """Makes the file's settings the command's defaults: the command line comes before them."""
    if path is not None:
        context.default_map = read_config(path, context.command.callback)
    return path


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="YAML file of any of these options; one that is given here too comes before it.",
        show_default=False,
        is_eager=True,
        callback=_read,
    ),
]


def read_config(path: Path, command: Any) -> dict[str, Any]:
    """The parameters of `command`, a function that declares options, which the file sets.

    A key is an option's name; a repeatable one takes a list or a single value. Relative paths start
    from the file's folder. Errors: `NasError` with the file, the key, the rule and the nearest key.
    """
    from pydantic import ConfigDict, Field, create_model

    from nas.support.errors import NasError
    from nas.support.validation import Settings, validated
    from nas.support.yaml import read_yaml

    class Options(Settings):
        model_config = ConfigDict(strict=True)

    source = f"config {path}"
    data = read_yaml(path, source)
    if not isinstance(data, dict | None):
        raise NasError(f"{source}: must be a mapping of options, not {type(data).__name__}")
    hints = {name: hint for name, hint in get_type_hints(command).items() if name != "return"}
    fields: dict[str, Any] = {
        name: (_as_in_yaml(hint), Field(None, alias=name.replace("_", "-")))
        for name, hint in hints.items()
        if name not in ("config", "as_json")
    }
    options = validated(create_model("Options", __base__=Options, **fields), data or {}, source)
    given = options.model_dump(exclude_none=True)
    return {name: _anchored(name, hints[name], value, path.parent) for name, value in given.items()}


def _as_in_yaml(hint: Any) -> Any:
    """The type of an option's value in a file: a path is text, `Any` a name or what it stands for,
    None leaves the option unset."""
    from pydantic import BeforeValidator

    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    kind: Any = kinds[0] if NoneType in get_args(hint) else hint
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return Annotated[list[_PLAIN.get(item, item)], BeforeValidator(_as_list)] | None  # type: ignore[misc]
    return _PLAIN.get(kind, kind) | None


def _as_list(value: object) -> object:
    return value if isinstance(value, list | None) else [value]


def _anchored(name: str, hint: Any, value: Any, folder: Path) -> Any:
    """Paths that start from `folder`; names, URLs and numbers stay."""
    if isinstance(value, list):
        return [_anchored(name, hint, item, folder) for item in value]
    if not isinstance(value, str) or "://" in value:
        return value
    path = folder / at_home(value)
    named = name == "data" and not path.exists()
    is_path = "Path" in str(hint) or name in ("storage", "data") or _FILE.search(value)
    return str(path) if is_path and not named else value
