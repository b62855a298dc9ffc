"""Every script says what it is when it is asked, and does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"
# All in one new process: each in its own would import torch again and again.
ASK = """
import contextlib, io, json, runpy, sys

said = {}
for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(path, run_name="__main__")
            said[path] = "goes on"
        except SystemExit as end:
            said[path] = end.code or out.getvalue()
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] == "nas":
                raise
            said[path] = f"usage: needs {error.name}"
print(json.dumps(said))
"""


def test_every_script_answers_help() -> None:
    texts = {str(path): path.read_text(encoding="utf-8") for path in SCRIPTS.glob("*.py")}
    programs = {path: text for path, text in texts.items() if 'if __name__ == "__main__":' in text}
    assert len(programs) > 40
    # One that reads no arguments would run, and may write: it is not asked.
    assert [path for path, text in programs.items() if "parse_args()" not in text] == []
    words = [sys.executable, "-c", ASK, *programs]
    run = subprocess.run(words, cwd=SCRIPTS, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    assert {path: text for path, text in said.items() if not str(text).startswith("usage:")} == {}
    assert len(said) == len(programs)
