"""A Dask cluster as an executor: its scheduler spreads calls and repeats those of a dead worker."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

from nas import _version
from nas.plugins import PluginFile, load_sent
from nas.study.workers.executors import TRIES, Killed, WorkersLost, one_thread, queue_of
from nas.support.errors import NasError
from nas.support.resources import document, install_extra

CONNECT_SECONDS, CLOSE_SECONDS = 10, 1
_ONE_AT_A_TIME = Lock()


class ClusterExecutor(Executor):
    """Runs calls on the workers of the Dask scheduler at an address such as tcp://host:8786.

    Errors: `NasError` where dask.distributed is not installed, no scheduler answers or a worker
    has another version of hw-nas or not the `plugins`; a worker that joins later is checked too.
    """

    def __init__(self, address: str, plugins: Sequence[PluginFile] = ()) -> None:
        if not re.fullmatch(r"(tcp|tls|ws|wss)://\S+:\d{1,5}", address):
            raise NasError(f"scheduler {address!r}: must be an address such as tcp://host:8786")
        try:
            from distributed import Client, KilledWorker, Security
        except ImportError:
            raise NasError(f"a scheduler needs Dask: {install_extra('cluster')}") from None
        self.address, self._plugins, self._killed = address, tuple(plugins), KilledWorker
        client: Any = Client
        self._silence = ExitStack()
        self._silence.enter_context(_silent("distributed", "distributed.client"))
        security: Any = Security
        try:
            settings = security().get_connection_args("client")
            if address[:3] in ("tls", "wss") and settings.get("ssl_context") is None:
                raise ValueError(f"TLS needs a certificate, see {document('workers.md')}")
            self._client: Any = client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            self._silence.close()
            reason = " ".join(str(error).split())
            raise NasError(f"scheduler {address!r} cannot be reached: {reason}") from None
        self._tasks: set[Any] = set()
        self._stopped = (
            f"scheduler {address!r} has stopped or cannot be reached; every finished trial is kept"
        )
        try:
            self._check()
        except BaseException:
            self.__exit__()
            raise

    def _check(self) -> None:
        def version() -> str:  # by value: a worker may have no hw-nas to look a name up in
            from nas import _version

            return _version.__version__

        for check, arguments in ((version, ()), (_prepare, (self._plugins,))):
            for worker, answer in self._client.run(check, *arguments, on_error="return").items():
                _refuse(worker, answer)

    def slots(self) -> int:
        """The number of evaluations that keeps the present workers busy."""
        try:
            return queue_of(len(self._client.nthreads()))
        except OSError:
            raise WorkersLost(self._stopped) from None

    @property
    def notice(self) -> str | None:
        """The sentence to show where nothing is evaluated for want of workers."""
        if self._client.nthreads():
            return None
        return (
            f"scheduler {self.address!r} has no workers yet: it is waited for one; "
            f"start it: dask worker {self.address}"
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._send(future, (_version.__version__, self._plugins, fn, args, kwargs), TRIES)
        return future

    def _send(self, future: Future[Any], call: tuple[Any, ...], tries: int) -> None:
        if self._client.status != "running":  # what is sent now would be waited for in vain
            raise WorkersLost(self._stopped)
        task = self._client.submit(_evaluate, *call, pure=False)
        self._tasks.add(task)  # Dask forgets a task that nobody holds

        def settle(task: Any) -> None:
            self._tasks.discard(task)
            try:
                # Dask blames a death on all that waited there too: the call may be innocent.
                killed = task.status == "error" and isinstance(task.exception(), self._killed)
                if killed and tries > 1:
                    self._send(future, call, tries - 1)
                    return
                future.set_result(self._result(task))
            except Exception as error:
                future.set_exception(error)

        task.add_done_callback(settle)

    def _result(self, task: Any) -> Any:
        if task.status in ("cancelled", "lost"):
            raise WorkersLost(self._stopped)
        error = task.exception()
        if isinstance(error, self._killed):
            times = TRIES * (error.allowed_failures + 1)
            raise Killed(f"its worker was killed {times} times")
        if isinstance(error, WorkersLost):
            raise error
        if error is not None:
            raise WorkersLost(f"a worker cannot evaluate: {type(error).__name__}: {error}")
        value, error = task.result()
        if error is not None:
            raise error
        return value

    def __exit__(self, *error: object) -> None:
        with self._silence:
            self._client.close(timeout=CLOSE_SECONDS)


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """No log of these loggers: what goes wrong is said once, as an error."""
    before = {logger: logger.handlers for logger in map(logging.getLogger, names)}
    for logger in before:
        logger.handlers = [logging.NullHandler()]
    try:
        yield
    finally:
        for logger, handlers in before.items():
            logger.handlers = handlers


def _evaluate(
    version: str, plugins: Sequence[PluginFile], fn: Callable[..., Any], args: Any, kwargs: Any
) -> tuple[Any, Exception | None]:
    """Evaluates a call on a worker: its result or its error. What is raised is the worker's."""
    from distributed import get_worker

    if version != _version.__version__:
        _refuse(get_worker().address, _version.__version__, version)
    # Proxies seed torch's one generator: a worker's threads take turns.
    with _ONE_AT_A_TIME:
        _prepare(plugins)
        try:
            with one_thread():
                return fn(*args, **kwargs), None
        except Exception as error:
            return None, error


def _prepare(plugins: Sequence[PluginFile]) -> str:
    load_sent(plugins)
    return _version.__version__


def _refuse(worker: str, answer: object, version: str = _version.__version__) -> None:
    """Errors: `WorkersLost` where what a worker answered is not its having this `version`."""
    if isinstance(answer, ModuleNotFoundError):
        raise WorkersLost(f"worker {worker} has no hw-nas: {answer}; install {version} there")
    if isinstance(answer, Exception):
        raise WorkersLost(f"worker {worker}: {answer}")
    if answer != version:
        raise WorkersLost(
            f"worker {worker} has hw-nas {answer}, this is {version}: install the same there"
        )
