"""Plugins: a user's own blocks, proxies, samplers, data readers and criteria, in a Python file or a
package.

A plugin registers them with `@block`, `@proxy`, `@sampler`, `@reader` and `@criterion`, like a file
of this package. It is code that runs with the rights of whoever loads it, so what is stored can
only ask for it: it runs where the user names it, or has allowed its content before. What a plugin
registers, it registers whole or not at all.
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
from shlex import quote
from types import CodeType
from typing import Any

from nas.approvals import approvals, approve
from nas.support.errors import NasError, located
from nas.support.files import given_path, read_bytes
from nas.support.registry import Registry, transaction
from nas.support.validation import Settings

GROUPS = ("nas.blocks", "nas.proxies", "nas.samplers", "nas.readers", "nas.criteria")
MOST_BYTES = 1 << 22  # of a file of code


class PluginFile(Settings):
    """A loaded file as a study stores it: its absolute path and its content's SHA-256."""

    path: str
    sha256: str


class PluginWanted(NasError):
    """What is stored, by `owner`, names a `file` that the user has not allowed to run."""

    def __init__(self, file: PluginFile, owner: str) -> None:
        super().__init__(
            f"{owner} names the plugin {file.path}, which is code and was not run: allow it with "
            f"--plugin, or for good with: nas plugins allow {quote(file.path)}"
        )
        self.file, self.owner = file, owner


_FILES: Registry[PluginFile] = Registry("plugin")


def load(path: str | Path) -> PluginFile:
    """Runs a Python file that registers something; a second time is harmless.

    Errors: `NasError` naming the file, the line and the reason where it cannot be read or run,
    registers a name that is taken, registers nothing, or has changed since it was loaded.
    """
    return _load(*_read(path))


def _load(file: PluginFile, content: bytes) -> PluginFile:
    real = file.path
    if real in _FILES:
        if _FILES[real] != file:
            raise NasError(f"plugin {real} has changed since it was loaded; start Python anew")
        return file
    try:
        with transaction(real) as made:
            _run(real, content)
            if not made:
                raise NasError(
                    "registers nothing: it needs a @block, @proxy, @sampler, @reader or @criterion"
                )
            _FILES.register(real, file, __name__)
    except (Exception, SystemExit) as error:
        sys.modules.pop(real, None)
        raise NasError(f"plugin {located(error, real)}") from error
    return file


def loaded() -> tuple[PluginFile, ...]:
    """The files that were loaded: what this process's workers need too."""
    return tuple(_FILES.values())


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


def allow(path: str | Path) -> PluginFile:
    """Lets a file of this content run whenever something stored names it; does not run it.

    Errors: `NasError` where it cannot be read, or the approval not be kept.
    """
    file, _ = _read(path)
    allow_file(file)
    return file


def allow_file(file: PluginFile) -> None:
    """The same for a file as something stored names it. Errors: `NasError`."""
    approve(file.path, file.sha256)


def check_allowed(paths: Iterable[str | Path], owner: str) -> None:
    """Checks that the files that `owner`, a file itself, names may run.

    Errors: `PluginWanted`, and `NasError` where one cannot be read.
    """
    for path in paths:
        file, _ = _read(path)
        if not _may_run(file):
            raise PluginWanted(file, owner)


def restore(files: Iterable[PluginFile], owner: str) -> None:
    """Loads what `owner`, a study, was begun with.

    A file with the same content that was loaded already, from wherever, will do. Errors:
    `PluginWanted` where the user has not allowed one, `NasError` where one is missing or has
    changed; none of these is run.
    """
    load_installed()
    for file in files:
        if not _is_loaded(file):
            content = _unchanged(file, owner)
            if not _may_run(file):
                raise PluginWanted(file, owner)
            _load(file, content)


def load_sent(files: Iterable[PluginFile]) -> None:
    """Loads, in a worker, what its driver has loaded. Errors: those of `restore` but the first:
    the driver is trusted, since a worker runs whatever it is sent."""
    load_installed()
    for file in files:
        if not _is_loaded(file):
            _load(file, _unchanged(file, "worker"))


def options_of(files: Iterable[PluginFile]) -> str:
    """The options, as they are written, that name those files which are not allowed for good."""
    known, places = approvals(), {file.sha256: file.path for file in loaded()}
    wanted = [file for file in files if file.sha256 not in known]
    return "".join(f" --plugin {quote(places.get(f.sha256, f.path))}" for f in wanted)


def _is_loaded(file: PluginFile) -> bool:
    return any(file.sha256 == other.sha256 for other in _FILES.values())


def _may_run(file: PluginFile) -> bool:
    return _is_loaded(file) or file.sha256 in approvals()


def _unchanged(file: PluginFile, owner: str) -> bytes:
    """The content that a stored file must have."""
    try:
        content = _content(file.path)
    except NasError as error:
        raise NasError(f"{owner}: {error}; if it has moved, name it with --plugin") from None
    if sha256(content).hexdigest() != file.sha256:
        raise NasError(
            f"{owner}: plugin {file.path} has changed since the study began, so its networks "
            "would not compare; restore the file or begin a new study"
        )
    return content


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


def _read(path: str | Path) -> tuple[PluginFile, bytes]:
    path = given_path(path, "a plugin")
    if "\0" in str(path):
        raise NasError(f"plugin {path}: no name of a file")
    real = os.path.realpath(path)
    content = _content(real)
    return PluginFile(path=real, sha256=sha256(content).hexdigest()), content


def _content(path: str) -> bytes:
    return read_bytes(path, f"plugin {path}", MOST_BYTES)
