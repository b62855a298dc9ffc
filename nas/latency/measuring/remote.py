"""Measuring another machine over SSH: sends a bundle, runs it, and fetches its rows."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, NamedTuple
from uuid import uuid4

from nas.defaults import TARGETS_FOLDER
from nas.latency.measuring.bundle import SCRIPT, write_bundle
from nas.latency.measuring.measure import check_same
from nas.latency.measuring.transfer import Facts, import_results, make_bundle, read_facts
from nas.latency.metadata import check_name, read_metadata
from nas.latency.runner.main import FACTS, RESULTS
from nas.latency.runner.timing import TimingSettings
from nas.latency.table import Subject, TableRow, read_table
from nas.support.errors import NasError

# Where nobody may be there to answer: no passwords, and no waiting for what went away.
UNATTENDED = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15")
TIMED = ".hw-nas.timed"  # no target's folder: these have a dash


class Remote(NamedTuple):
    """A machine that `ssh host` reaches with the options of `ssh -o`; its `python` has numpy and
    onnxruntime."""

    host: str
    options: tuple[str, ...] = ()
    python: str = "python3"


def time_over_ssh(
    remote: Remote,
    subjects: Sequence[Subject],
    settings: TimingSettings,
    precision: str,
    minutes: float,
    say: Callable[[str], None],
) -> tuple[list[TableRow], Facts]:
    """Times subjects with onnxruntime on another machine, which asks for no password; `say` gets
    the lines that it prints. Returns their rows, of which those are missing that there was no time
    for, and what the machine says of itself. Errors: `NasError` with what ssh or the device
    said."""
    own = f"{TIMED}-{uuid4().hex[:8]}"  # others may time there at the same moment
    device = _Device(remote.host, (*remote.options, *UNATTENDED), own)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = folder / "bundle"
        write_bundle(
            bundle, subjects, target="timed", settings=settings, precision=precision,
            minutes=minutes,
        )  # fmt: skip
        try:
            device.send(bundle)
            device.run(remote.python, say, kept=False)
            if not device.fetch(folder):
                raise NasError(f"{remote.host}: there are no {RESULTS}")
        finally:
            with suppress(NasError):
                device.remove()
        return read_table(folder / RESULTS), read_facts(folder / FACTS)


def measure_over_ssh(
    name: str,
    host: str,
    *,
    python: str = "python3",
    ssh_options: Sequence[str] = (),
    folder: Path = TARGETS_FOLDER,
    say: Callable[[str], None] = print,
    **settings: Any,
) -> tuple[Path, list[str]]:
    """Measures the machine that `ssh host` reaches; its `python` must have numpy and onnxruntime.

    `ssh_options` are those of `ssh -o`, `settings` those of `make_bundle`; `say` gets the lines
    that the device prints. Rows that were timed before the connection broke are not lost: this call
    fetches them, or the next one does first. Returns what `import_results` returns. Errors:
    `NasError` with what ssh or the device said.
    """
    check_name(name)
    _check_continued(folder / f"{name}.yaml", settings)
    flat = name.replace("/", "+")  # no name has a plus, so no other target has this folder
    device = _Device(host, ssh_options, f".hw-nas-{flat}")
    with TemporaryDirectory() as temporary:
        if device.fetch(Path(temporary)):
            import_results(Path(temporary) / RESULTS, name=name, folder=folder)
            say(f"{host}: fetched the rows of a call that was interrupted")
        bundle = Path(temporary) / "bundle"
        models = make_bundle(name, bundle, folder=folder, say=say, **settings)
        say(f"{host}: copying {models} models")
        device.send(bundle)
        try:
            device.run(python, say)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                say(f"{host}: interrupted; fetching and fitting what it has timed")
            with suppress(NasError):  # the first error counts; the next call tries again
                if device.fetch(Path(temporary)):
                    import_results(Path(temporary) / RESULTS, name=name, folder=folder)
            raise
        if not device.fetch(Path(temporary)):
            raise NasError(f"{host}: there are no {RESULTS}")
        made = import_results(Path(temporary) / RESULTS, name=name, folder=folder)
        device.remove()
    return made


def _check_continued(target: Path, settings: dict[str, Any]) -> None:
    """Checks the settings that can be compared before an hour is spent on measuring."""
    if not target.exists():
        return
    metadata = read_metadata(target)
    for key in ("precision", "threads"):
        if key in settings:
            check_same(target, metadata, key, settings[key])


class _Device:
    """A folder on another machine, and running commands in it."""

    def __init__(self, host: str, options: Sequence[str], folder: str) -> None:
        if not host or host.startswith("-"):
            raise NasError(f"--ssh {host!r} must be a host or user@host")
        self.host, self.folder = host, folder
        self._ssh = ["ssh", *(word for option in options for word in ("-o", option)), "--", host]

    def send(self, bundle: Path) -> None:
        """Replaces the folder by a bundle's contents. One that did not come whole is removed there:
        the connection may be what broke."""
        with TemporaryFile() as packed:
            with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as archive:
                archive.add(bundle, arcname=".")
            packed.seek(0)
            unpack = f"mkdir {self.folder} && tar -xzf - -C {self.folder}"
            self._output(f"rm -rf {self.folder} && {unpack} || ! rm -rf {self.folder}", packed)

    def run(self, python: str, say: Callable[[str], None], *, kept: bool = True) -> None:
        """Runs the bundle with that machine's `python` and passes on its lines. Its input stays
        open meanwhile: when it ends, the runner knows that nobody waits any more. The folder is
        `kept` where it fails, or removed there: the connection may be what broke."""
        command = f"cd {self.folder} && {quote(python)} -u {SCRIPT} --attached"
        otherwise = "" if kept else f" || ! rm -rf ../{self.folder}"
        with self._started(command + otherwise, subprocess.PIPE) as child:
            for line in child.stdout:
                say(f"{self.host}: {line.decode(errors='replace').rstrip()}")

    def fetch(self, folder: Path) -> bool:
        """Copies the results to a local folder; false where there are none."""
        for name in (RESULTS, FACTS):
            data = self._output(f"cat {self.folder}/{name} 2>/dev/null || true")
            if not data:
                return False
            (folder / name).write_bytes(data)
        return True

    def remove(self) -> None:
        """Removes the folder."""
        self._output(f"rm -rf {self.folder}")

    def _output(self, command: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> bytes:
        with self._started(command, stdin) as child:
            output: bytes = child.stdout.read()
        return output

    @contextmanager
    def _started(self, command: str, stdin: IO[bytes] | int) -> Iterator[Any]:
        """The running process of a command. Errors: `NasError` with its last line if it fails."""
        words = [*self._ssh, command]
        with TemporaryFile() as said:
            try:
                child = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=said)
            except OSError as error:
                raise NasError(f"ssh cannot be run: {error.strerror}") from None
            with child:
                try:
                    yield child
                except BaseException:
                    child.terminate()
                    raise
            if child.returncode:
                raise NasError(f"{self.host}: {_last_line(said) or f'exit {child.returncode}'}")


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
