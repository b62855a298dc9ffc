"""Signals stop the work and then belong to the program around again; each in its own process."""

import subprocess
import sys
from pathlib import Path

import pytest

SEARCH = """
import os, signal, sys
import nas
before = signal.getsignal(signal.{signal})
def report(progress):
    if progress.phase == "search":
        os.kill(os.getpid(), signal.{signal})
try:
    nas.search("jetson", ["15M"], "small", report, storage="s", name="a")
except KeyboardInterrupt:
    print(len(nas.Study.load("a", "s").trials()) > 0)
    print(signal.getsignal(signal.{signal}) == before)
"""
# A program that embeds Python has set its handlers before Python looks what they are.
FOREIGN = """
import ctypes, os, sys
heard, called = [], []
handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(heard.append)
libc = ctypes.CDLL(None)
libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
libc.signal(15, ctypes.cast(handler, ctypes.c_void_p))
del sys.modules["_signal"]
import signal
assert signal.getsignal(15) is None
from nas.support.signals import stop_on_signal
with stop_on_signal(lambda: called.append(1)):
    os.kill(os.getpid(), 15)
os.kill(os.getpid(), 15)
print(called, heard)
"""
# What is raised in a finaliser is printed and lost; the second context is another command's.
LOST = """
import os, signal
from nas.support.signals import remembered_interrupts, stop_on_signal
class Lost:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass
called = []
with remembered_interrupts():
    Lost()
    with stop_on_signal(lambda: called.append("lost")):
        pass
with remembered_interrupts(), stop_on_signal(lambda: called.append("none")):
    pass
print(called, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
# C code that an interrupt meets as it begins says that it could not begin.
MISTAKEN = """
import os, signal
from nas.support.signals import remembered_interrupts
for send in (True, False):
    try:
        with remembered_interrupts():
            try:
                if send:
                    os.kill(os.getpid(), signal.SIGINT)
            finally:
                raise ImportError("initialization failed")
    except (KeyboardInterrupt, ImportError) as error:
        print(type(error).__name__)
"""
# C code may lose, mistake or abort by what an interrupt raises in an import.
IMPORTING = """
import os, signal, sys
from nas.support.signals import remembered_interrupts
with open("imported.py", "w") as file:
    file.write("import os, signal\\ntry:\\n    os.kill(os.getpid(), signal.{signal})\\n"
               "except BaseException:\\n    print('abort')\\n    raise ImportError from None\\n")
sys.path.insert(0, "")
with remembered_interrupts():
    import imported
"""
# What Python calls as it ends, an interrupt in which it prints with its traceback.
ENDING = """
import atexit, os, signal, sys, time
def end():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("ended")
atexit.register(end)
from nas.__main__ import main
sys.argv = ["nas", "--version"]
main()
"""


def output(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_search_hands_an_interrupt_on(signal: str, tmp_path: Path) -> None:
    assert output(SEARCH.format(signal=signal), tmp_path).split() == ["True", "True"]


def test_a_handler_of_c_code_stays(tmp_path: Path) -> None:
    assert output(FOREIGN, tmp_path) == "[] [15, 15]"


def test_an_interrupt_that_was_lost_stops_the_next_work(tmp_path: Path) -> None:
    assert output(LOST, tmp_path) == "['lost'] True"


def test_an_error_that_an_interrupt_became_is_the_interrupt(tmp_path: Path) -> None:
    assert output(MISTAKEN, tmp_path).split() == ["KeyboardInterrupt", "ImportError"]


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_in_an_import_ends_the_process(signal: str, code: int, tmp_path: Path) -> None:
    words = [sys.executable, "-c", IMPORTING.format(signal=signal)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "nas: interrupted\n")


def test_an_interrupt_does_not_break_off_how_a_command_ends(tmp_path: Path) -> None:
    _, ended = output(ENDING, tmp_path).splitlines()
    assert ended == "ended"
