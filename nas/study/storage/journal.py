"""A study's journal: Optuna's append-only file, made to survive any way a writer may end."""

from __future__ import annotations

import json
import os
import shutil
import time
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nas.support.files import lock

SYNC_SECONDS = 0.2
_CREATION = b'{"op_code":0,'


class Journal(JournalFileBackend):
    """Appends under flock, which the system lets go of however a process ends.

    An append is with the operating system when it returns, so no death of a process can lose it.
    It is also on the disk, unless another was within the last `SYNC_SECONDS`: trials may finish
    faster than a disk can sync, and only the machine's own end could lose those of that time.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._synced = path, 0.0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._path.open("a+b", buffering=0) as file:
            lock(file.fileno())
            end = _whole_lines(file)
            file.truncate(end)
            data = memoryview(text.encode())
            try:
                while data:
                    data = data[file.write(data) :]
            except OSError:
                file.truncate(end)
                raise
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(file.fileno())
                self._synced = time.monotonic()


def journal(path: Path) -> JournalStorage:
    """The journal of a path, made where there is none."""
    return JournalStorage(Journal(path))


def copy_renamed(path: Path, part: Path, name: str, new: str) -> None:
    """Copies the journal of a study to a new file, in which the study has another name."""
    with path.open("rb") as old, part.open("xb") as file:
        for line in old:
            log = json.loads(line) if line.startswith(_CREATION) else {}
            if log.get("study_name") == name:
                line = json.dumps(log | {"study_name": new}, separators=(",", ":")).encode() + b"\n"
                file.write(line)
                break
            file.write(line)
        shutil.copyfileobj(old, file)
        file.flush()
        os.fsync(file.fileno())


def check_last_line(path: Path) -> None:
    """Refuses a last whole line that is no JSON: Optuna skips it, until another is appended.

    Errors: `ValueError`.
    """
    with path.open("rb", buffering=0) as file:
        end = _whole_lines(file)
        start = _whole_lines(file, end - 1)
        file.seek(start)
        json.loads(file.read(end - start) or b"{}")


def ends_whole(path: Path) -> bool:
    """Whether there is no half line at the end, which the next append drops."""
    with path.open("rb", buffering=0) as file:
        file.seek(_whole_lines(file))
        return not file.read().strip()


def _whole_lines(file: FileIO, position: int | None = None) -> int:
    """The length up to the last line's end before `position`, the end where it is not given.

    A writer that was killed may have left half a line; an editor leaves empty ones, which count as
    little, for Optuna cannot read on after one.
    """
    position = file.seek(0, os.SEEK_END) if position is None else position
    while position > 0:
        start = max(0, position - 4096)
        file.seek(start)
        newline = file.read(position - start).rfind(b"\n")
        position = start + newline + 1
        if newline >= 0:
            file.seek(max(0, position - 2))
            if file.read(min(2, position)).strip():
                return position
            position -= 1
    return 0
