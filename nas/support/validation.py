"""Settings from outside the program: pydantic models whose errors are one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nas.support.errors import NasError, as_whole, nearest

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _OneLine(ModelMetaclass):
    """What a program calls to make settings: its mistakes are one line too. Pydantic makes settings
    of data without this call, and adds where among them it is."""

    if not TYPE_CHECKING:  # it would hide from a type checker what each class takes

        def __call__(cls, *args: Any, **values: Any) -> Any:
            try:
                return super().__call__(*args, **values)
            except ValidationError as error:
                raise NasError(f"{cls.__name__}: {_first(error, cls)}") from None


class Settings(BaseModel, metaclass=_OneLine):
    """The base of all settings: frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# A whole number, never True or a text; numpy's count too.
Whole = Annotated[
    int,
    BeforeValidator(lambda value: value if as_whole(value) is None else as_whole(value)),
    Field(strict=True),
]
S = TypeVar("S", bound=Settings)


def validated(model: type[S], data: object, source: str) -> S:
    """An instance of `model` made from `data`, which is plain data or JSON text.

    Errors: `NasError` naming `source`, the key, the rule that it breaks and the value.
    """
    try:
        if isinstance(data, str):
            return model.model_validate_json(data)
        return model.model_validate(data)
    except ValidationError as error:
        raise NasError(f"{source}: {_first(error, model)}") from None


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    # A union gives one error for each of its members; that of our own validators is the clearest.
    errors: list[Any] = list(error.errors(include_url=False))
    first = min(errors, key=lambda e: e["type"] != "value_error")
    key = ".".join(str(part) for part in first["loc"])
    rule = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] == "extra_forbidden":
        rule = "unknown setting"
        if len(first["loc"]) == 1:
            rule += nearest(key, (f.alias or name for name, f in model.model_fields.items()))
    elif first["type"] not in ("missing", "value_error", "json_invalid"):
        rule += f", not {first['input']!r:.60}"
    return f"{key}: {rule}" if key else rule
