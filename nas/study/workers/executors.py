"""Executors of this machine: the driver itself, or processes of its own.

Both have the interface of `concurrent.futures`. A worker that dies costs a repeated evaluation.
"""

from __future__ import annotations

import atexit
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple

from nas.plugins import PluginFile, load_sent
from nas.support.errors import NasError
from nas.support.threads import one_blas_thread

TRIES = 3

Answer = tuple[Any, Exception | None]
# How many evaluations to have under way; a cluster's may change while a search runs.
Slots = int | Callable[[], int]


class WorkersLost(NasError):
    """There is nothing left to evaluate with: unlike a candidate's failure it ends the search."""


class Killed(NasError):
    """A call that has killed every worker that took it: the others go on."""


def queue_of(workers: int) -> int:
    """The evaluations to have under way, so that none waits while the driver asks for the next."""
    return workers + 2 + workers // 8


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and numpy on one thread, then on as many as before.

    Tensors of proxies and of children are small, and on a busy machine threads that wait for each
    other made a search six times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_blas_thread():
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


class ProcessExecutor(Executor):
    """Local processes, each looked after by a thread that hands it one call after another.

    So it is known whose call a dead process was running: that one is repeated in a new process,
    and fails as `NasError` when it has killed `TRIES` of them. Neither a thread nor a process keeps
    the interpreter from ending: they are killed then, if the executor is still open.
    """

    def __init__(self, workers: int, plugins: Sequence[PluginFile] = ()) -> None:
        # The tracker that multiprocessing begins with its first process would clear the mask that
        # a thread of ours blocks signals with.
        resource_tracker.ensure_running()
        self._workers, self._plugins = workers, tuple(plugins)
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock, self._closed = Lock(), False  # no process begins once it is closed
        self._threads = 0
        self._processes: set[_Process] = set()
        atexit.register(self.__exit__)  # before that of multiprocessing, which waits for processes

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.put(_Call(future, fn, args, kwargs))
        if self._threads < self._workers:
            self._threads += 1
            Thread(target=self._serve, daemon=True).start()
        return future

    def _serve(self) -> None:
        """The loop of a thread. Ctrl-C and a group's SIGTERM are the driver's: the processes
        inherit the thread's mask."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        process: _Process | None = None
        while True:
            future, *call = self._calls.get()
            for left in reversed(range(TRIES)):
                try:
                    process = process or self._begin()
                    process.ready()
                    value, error = process.call(*call)
                except (EOFError, OSError):
                    error = self._died(process, left)
                    process = None
                    if error is None:
                        continue
                except Exception as lost:  # it cannot begin, or the call not be sent
                    error = lost
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)
                break

    def _begin(self) -> _Process:
        with self._lock:
            if self._closed:
                raise WorkersLost("the workers were stopped")
            process = _Process(self._plugins)
            self._processes.add(process)
            return process

    def _died(self, process: _Process | None, left: int) -> NasError | None:
        """What became of the call of a process that died; None where it is to be repeated."""
        if process is not None:
            self._processes.discard(process)
            process.kill()
        if self._closed:
            return WorkersLost("the workers were stopped")
        if left:
            return None
        if process is None or not process.began:
            return WorkersLost(f"a worker process died {TRIES} times as it began")
        return Killed(f"its worker process was killed {TRIES} times")

    def __exit__(self, *error: object) -> None:
        """Stops at once: whoever wants a result has waited for it. Where Ctrl-C cuts it short,
        it is done again when the interpreter ends, which would wait for ever."""
        with self._lock:
            self._closed = True
            for process in list(self._processes):
                process.kill()
        atexit.unregister(self.__exit__)


class _Call(NamedTuple):
    """A call that waits for a process, and the future of its result."""

    future: Future[Any]
    fn: Callable[..., Any]
    args: Any
    kwargs: Any


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

    def answer(fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        try:
            pipe.send((fn(*args, **kwargs), None))
        except Exception as error:
            pipe.send((None, error))

    with suppress(EOFError, OSError), one_thread():
        answer(load_sent, (plugins,), {})
        while True:
            answer(*pipe.recv())
