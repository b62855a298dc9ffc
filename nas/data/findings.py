"""`Findings`: what is odd about single files and folders, counted and named. Needs no torch."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from nas.support.text import printable

NAMED_AT_MOST = 3
LONGEST = 80  # characters of a name that are shown, the last ones


class Findings:
    """Files and folders by what is odd about them, in the order in which that was first noted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[str, list[Path]] = {}

    def add(self, what: str, path: Path) -> None:
        """Notes a path under `what`, such as "hidden files are left out"."""
        self._paths.setdefault(what, []).append(path)

    def extend(self, other: Findings) -> None:
        """Notes everything that another has noted."""
        for what, paths in other._paths.items():
            self._paths.setdefault(what, []).extend(paths)

    def forget(self, files: Iterable[Path]) -> None:
        """Takes back what was noted of the folders of these files."""
        folders = {folder for file in files for folder in file.parents}
        for what, paths in list(self._paths.items()):
            self._paths[what] = [path for path in paths if path not in folders]
            if not self._paths[what]:
                del self._paths[what]

    def named(self, paths: list[Path]) -> str:
        """The first few of the paths, from the data's own folder on."""
        shown = [shown_path(path, self._root) for path in paths[:NAMED_AT_MOST]]
        names = ", ".join(x if len(x) <= LONGEST else f"…{x[-LONGEST:]}" for x in shown)
        return names + (", …" if len(paths) > NAMED_AT_MOST else "")

    def notes(self) -> tuple[str, ...]:
        """A line for each finding: `what`, how many, and the first few."""
        return tuple(
            f"{what}: {len(paths)} ({self.named(paths)})" for what, paths in self._paths.items()
        )


def shown_path(path: Path, root: Path) -> str:
    """A path relative to `root`, with everything that cannot be printed escaped."""
    text = str(path.relative_to(root) if path.is_relative_to(root) else path)
    return printable(os.fsencode(text).decode("utf-8", "backslashreplace"))


def readable_name(path: Path) -> tuple[str, bool]:
    """A file's name as text in Unicode's composed form, and whether its bytes are UTF-8.

    What is not UTF-8 is read as Latin-1, in which every byte is a character.
    """
    raw = os.fsencode(path.name)
    try:
        return unicodedata.normalize("NFC", raw.decode("utf-8")), True
    except UnicodeDecodeError:
        return unicodedata.normalize("NFC", raw.decode("latin-1")), False
