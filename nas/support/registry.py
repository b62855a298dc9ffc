"""`Registry`: what can be added by name (block kinds, proxies, samplers, data readers).

Each entry knows who registered it, so that a study can store the plugin files that it needs. What
is registered inside a `transaction` is registered whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from nas.support.errors import NasError, one_of

T = TypeVar("T")


class Registry(dict[str, T], Generic[T]):
    """Entries by name. `registry[name]` of an unknown name is a `NasError` with the nearest one.

    `what` names an entry in errors, such as "block".
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self._owners: dict[str, str] = {}

    def register(self, name: str, entry: T, module: str) -> T:
        """Adds an entry that `module` defines, and gives it back.

        Inside a transaction its owner is the transaction's, whatever the module. Errors:
        `NasError` where the name is taken.
        """
        if name in self:
            taken = f"{self.what} name '{name}' is taken by {self.owner(name)}"
            if self.owner(name) == module == "__main__":  # a notebook's cell, which is run again
                taken += ": what has used it would not notice; start Python anew, or rename it"
            raise NasError(taken)
        made = _OPEN.get()
        self[name] = entry
        self._owners[name] = module if made is None else made.owner or module
        if made is not None:
            made.append((self, name))
        return entry

    def owner(self, name: str) -> str:
        """Who registered an entry: the path of a plugin's file, else the name of a module."""
        return self._owners.get(name, "")

    @property
    def shipped(self) -> dict[str, T]:
        """The entries that come with nas itself."""
        return {name: entry for name, entry in self.items() if self.owner(name)[:4] == "nas."}

    def forget(self, name: str) -> None:
        """Removes an entry."""
        del self[name], self._owners[name]

    def __missing__(self, name: str) -> T:
        raise NasError(f"{one_of(self.what, name, self)} (--plugin FILE loads a plugin's)")


class Registrations(list[tuple[Registry[Any], str]]):
    """What a transaction has registered so far, in order; `owner` is whose it is, if it is said."""

    def __init__(self, owner: str = "") -> None:
        super().__init__()
        self.owner = owner

    def undo(self) -> None:
        """Forgets all of it."""
        while self:
            registry, name = self.pop()
            registry.forget(name)


_OPEN: ContextVar[Registrations | None] = ContextVar("open transaction", default=None)


@contextmanager
def transaction(owner: str = "") -> Iterator[Registrations]:
    """Undoes every registration made in its body where that fails; may be nested."""
    outer, made = _OPEN.get(), Registrations(owner)
    token = _OPEN.set(made)
    try:
        yield made
    except BaseException:
        made.undo()
        raise
    finally:
        _OPEN.reset(token)
        if outer is not None:
            outer.extend(made)


def load_modules(package: str, path: Iterable[str]) -> None:
    """Imports every module of one of nas' own packages, so that each registers what it defines.

    A plugin may be the first to import that package: what registers here is nas' all the same, and
    stays where the plugin fails.
    """
    token = _OPEN.set(None)
    try:
        for module in iter_modules(path):
            import_module(f"{package}.{module.name}")
    finally:
        _OPEN.reset(token)
