"""Files: written whole, and what killed writers left is cleaned up."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from nas.support.files import write_whole

# Ends as if it were killed between the temporary file and the rename.
KILLED = """
import os, sys
from pathlib import Path
from nas.support import files
Path.replace = lambda *paths: os._exit(9)
files.write_whole(Path(sys.argv[1]), "half")
"""


def test_what_a_killed_writer_left_is_removed_and_a_live_one_s_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for _ in range(2):
        assert (
            subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
        )
    live, dead = sorted(tmp_path.iterdir())
    past = time.time() - 60
    for left in (live, dead):
        os.utime(left, (past, past))
    with live.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        write_whole(path, "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"file.json", live.name}
    write_whole(path, "again")
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]
    assert path.read_text() == "again"
