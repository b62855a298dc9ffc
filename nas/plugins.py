"""Plugins: a user's own blocks, proxies, samplers and data readers, in a Python file or a package.

A plugin registers them with `@block`, `@proxy`, `@sampler` and `@reader`, like a file of this
package. It is code that runs with the rights of whoever loads it. What a plugin registers, it
registers whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

from nas.support.errors import NasError, located
from nas.support.registry import Registry, transaction
from nas.support.validation import Settings

GROUPS = ("nas.blocks", "nas.proxies", "nas.samplers", "nas.readers")


class PluginFile(Settings):
    """A loaded file as a study stores it: its absolute path and its content's SHA-256."""

    path: str
    sha256: str


_FILES: Registry[PluginFile] = Registry("plugin")


def load(path: str | Path) -> PluginFile:
    """Runs a Python file that registers something; a second time is harmless.

    Errors: `NasError` naming the file, the line and the reason where it cannot be read or run,
    registers a name that is taken, registers nothing, or has changed since it was loaded.
    """
    real = os.path.realpath(path)
    content = _content(real)
    file = PluginFile(path=real, sha256=sha256(content).hexdigest())
    if real in _FILES:
        if _FILES[real] != file:
            raise NasError(f"plugin {real} has changed since it was loaded; start Python anew")
        return file
    try:
        with transaction(real) as made:
            _run(real, content)
            if not made:
                raise NasError("registers nothing: it needs a @block, @proxy, @sampler or @reader")
            _FILES.register(real, file, __name__)
    except (Exception, SystemExit) as error:
        sys.modules.pop(real, None)
        raise NasError(f"plugin {located(error, real)}") from error
    return file


@cache
def load_installed() -> None:
    """Loads the plugins of installed packages (entry points of `GROUPS`), once a process.

    Errors: `NasError` naming the entry point and the reason.
    """
    for entry in (entry for group in GROUPS for entry in entry_points(group=group)):
        try:
            with transaction():
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


def providers(*used: tuple[Registry[Any], Iterable[str]]) -> tuple[PluginFile, ...]:
    """The loaded files that registered any of the used names, given for each registry."""
    owners = {registry.owner(name) for registry, names in used for name in names}
    return tuple(file for path, file in _FILES.items() if path in owners)


class _Loader(SourceFileLoader):
    """Runs the very bytes that were hashed, without a bytecode cache beside the user's file."""

    def __init__(self, path: str, content: bytes) -> None:
        super().__init__(path, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._content, self.path)


def _run(path: str, content: bytes) -> None:
    """Imports the file as a module that bears its path, so that errors tell whose a name is."""
    spec = spec_from_file_location(path, path, loader=_Loader(path, content))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[path] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NasError(f"plugin {path}: {error.strerror}") from None
