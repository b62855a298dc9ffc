"""Executors of this machine: the driver itself, or processes of its own.

Both have the interface of `concurrent.futures`. A worker that dies costs a repeated evaluation.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from threading import local
from typing import Any

from nas.plugins import PluginFile, load_sent
from nas.support.errors import NasError

TRIES = 3

Answer = tuple[Any, Exception | None]
# How many evaluations to have under way; a cluster's may change while a search runs.
Slots = int | Callable[[], int]


class WorkersLost(NasError):
    """There is nothing left to evaluate with: unlike a candidate's failure it ends the search."""


def queue_of(workers: int) -> int:
    """The evaluations to have under way, so that none waits while the driver asks for the next."""
    return workers + 2 + workers // 8


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, then on as many as before.

    A proxy's tensors are small, and on a busy machine threads that wait for each other made a
    search six times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class InlineExecutor(Executor):
    """Runs a call at once, in this process; its slots (see the driver) are one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            with one_thread():
                future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class ProcessExecutor(ThreadPoolExecutor):
    """Local processes, each looked after by a thread that hands it one call after another.

    So it is known whose call a dead process was running: that one is repeated in a new process,
    and fails as `NasError` when it has killed `TRIES` of them.
    """

    def __init__(self, workers: int, plugins: Sequence[PluginFile] = ()) -> None:
        # Ctrl-C and a group's SIGTERM are the driver's: a process inherits its thread's mask, which
        # the tracker that multiprocessing begins with its first process would clear.
        resource_tracker.ensure_running()
        blocked = (signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        super().__init__(workers, initializer=signal.pthread_sigmask, initargs=blocked)
        self._plugins, self._mine, self._closed = tuple(plugins), local(), False
        self._processes: list[_Process] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        for _ in range(TRIES):
            process = getattr(self._mine, "process", None) or self._begin()
            try:
                process.ready()
                value, error = process.call(fn, args, kwargs)
            except (EOFError, OSError):
                self._processes.remove(process)
                self._mine.process = None
                process.kill()
                if self._closed:
                    raise WorkersLost("the workers were stopped") from None
                continue
            if error is not None:
                raise error
            return value
        if not process.began:
            raise WorkersLost(f"a worker process died {TRIES} times as it began")
        raise NasError(f"its worker process was killed {TRIES} times")

    def _begin(self) -> _Process:
        process = self._mine.process = _Process(self._plugins)
        self._processes.append(process)
        return process

    def __exit__(self, *error: object) -> None:
        """Stops at once: whoever wants a call's result has waited for it."""
        self._closed = True
        for process in list(self._processes):
            process.kill()
        self.shutdown(cancel_futures=True)


class _Process:
    """A process, and this side of the pipe to it."""

    def __init__(self, plugins: Sequence[PluginFile]) -> None:
        # A fork of a process with threads, as torch has, may hang.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, plugins), daemon=True)
        self._process.start()
        self.began = False
        theirs.close()

    def ready(self) -> None:
        """Waits until it has loaded what it needs. Errors: `WorkersLost` where it cannot."""
        if not self.began:
            _, error = self._pipe.recv()
            if error is not None:
                raise WorkersLost(f"a worker process cannot begin: {error}")
            self.began = True

    def call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Answer:
        """The call's result or its error. Errors: `EOFError`, `OSError` where the process died."""
        self._pipe.send((fn, args, kwargs))
        answer: Answer = self._pipe.recv()
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection, plugins: Sequence[PluginFile]) -> None:
    """The loop of a process: answers calls with (result, error) until the driver is gone."""

    def begin() -> None:
        import torch

        torch.set_num_threads(1)
        load_sent(plugins)

    def answer(fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        try:
            pipe.send((fn(*args, **kwargs), None))
        except Exception as error:
            pipe.send((None, error))

    try:
        answer(begin, (), {})
        while True:
            answer(*pipe.recv())
    except (EOFError, OSError):
        return
