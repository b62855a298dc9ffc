"""Plugins: a user's own blocks and proxies, in a Python file or in an installed package.

A plugin registers them with `@block` and `@proxy` like a file of this package. It is code that runs
with the rights of whoever loads it. What a plugin registers, it registers whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

from nas.blocks.registry import KINDS, located
from nas.support.errors import NasError
from nas.support.validation import Settings

GROUP = "nas.blocks"


class PluginFile(Settings):
    """A loaded file as a study stores it: its absolute path and its content's SHA-256."""

    path: str
    sha256: str


_FILES: dict[str, PluginFile] = {}
_NAMES: dict[str, frozenset[str]] = {}


def load(path: str | Path) -> PluginFile:
    """Runs a Python file that registers blocks or proxies; a second time is harmless.

    Errors: `NasError` naming the file, the line and the reason where it cannot be read or run,
    registers a name that is taken, registers nothing, or has changed since it was loaded.
    """
    place = os.path.realpath(path)
    content = _content(place)
    file = PluginFile(path=place, sha256=sha256(content).hexdigest())
    if place in _FILES:
        if _FILES[place] != file:
            raise NasError(f"plugin {place} has changed since it was loaded; start Python anew")
        return file
    with _whole(place) as added:
        try:
            _run(place, content)
        except (Exception, SystemExit) as error:
            raise NasError(f"plugin {located(error, place)}") from error
        if not added():
            raise NasError(f"plugin {place} registers nothing; it needs an @block or a @proxy")
        _FILES[place], _NAMES[place] = file, added()
    return file


@cache
def load_installed() -> None:
    """Loads the plugins of installed packages (entry points `nas.blocks`), once a process.

    Errors: `NasError` naming the entry point and the reason.
    """
    for entry in entry_points(group=GROUP):
        with _whole():
            try:
                entry.load()
            except (Exception, SystemExit) as error:
                reason = located(error, "")
                raise NasError(f"plugin '{entry.name}' ({entry.value}): {reason}") from error


def load_all(paths: Iterable[str | Path] | None) -> list[PluginFile]:
    """The plugins of installed packages, then those files: what a command begins with."""
    load_installed()
    return [load(path) for path in paths or ()]


def restore(files: Iterable[PluginFile], owner: str) -> None:
    """Loads what `owner`, a study, was begun with; a worker process may begin with it too.

    A file with the same content that was loaded already, from wherever, will do. Errors:
    `NasError` where one is missing or has changed; what has changed is not run.
    """
    load_installed()
    for file in files:
        if any(file.sha256 == loaded.sha256 for loaded in _FILES.values()):
            continue
        try:
            content = _content(file.path)
        except NasError as error:
            raise NasError(f"{owner}: {error}; if it has moved, name it with --plugin") from None
        if sha256(content).hexdigest() != file.sha256:
            raise NasError(
                f"{owner}: plugin {file.path} has changed since the study began, so its networks "
                "would not compare; restore the file or begin a new study"
            )
        load(file.path)


def providers(names: Iterable[str]) -> tuple[PluginFile, ...]:
    """The loaded files that registered any of these names of blocks and proxies."""
    wanted = set(names)
    return tuple(file for place, file in _FILES.items() if _NAMES[place] & wanted)


class _Loader(SourceFileLoader):
    """Runs the very bytes that were hashed, without a bytecode cache beside the user's file."""

    def __init__(self, place: str, content: bytes) -> None:
        super().__init__(place, place)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._content, self.path)


def _run(place: str, content: bytes) -> None:
    """Imports the file as a module that bears its path, so that errors tell whose a name is."""
    spec = spec_from_file_location(place, place, loader=_Loader(place, content))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[place] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


def _content(place: str) -> bytes:
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise NasError(f"plugin {place}: {error.strerror}") from None


@contextmanager
def _whole(module: str = "") -> Iterator[Callable[[], frozenset[str]]]:
    """Undoes every registration, and that of the module, where its body fails.

    Gives a function: the names of blocks and proxies that were added so far.
    """
    from nas.proxies import PROXIES  # needs torch

    registries: tuple[dict[str, Any], ...] = (KINDS, PROXIES, _FILES, _NAMES)
    before = [dict(registry) for registry in registries]

    def added() -> frozenset[str]:
        return frozenset((KINDS.keys() - before[0].keys()) | (PROXIES.keys() - before[1].keys()))

    try:
        yield added
    except BaseException:
        for registry, kept in zip(registries, before, strict=True):
            registry.clear()
            registry.update(kept)
        sys.modules.pop(module, None)
        raise
