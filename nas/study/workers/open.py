"""Opening an executor: the driver itself, local processes or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager

from nas.plugins import PluginFile
from nas.study.workers.executors import InlineExecutor, ProcessExecutor, Slots, queue_of
from nas.support.errors import NasError

MAX_WORKERS = 1024


@contextmanager
def open_executor(
    workers: int = 1, scheduler: str | None = None, plugins: Sequence[PluginFile] = ()
) -> Iterator[tuple[Executor, Slots]]:
    """An executor, and how many evaluations to have under way in it; see `study.Driver`.

    One worker is the driver itself, more are processes of this machine; `scheduler`, the address
    of a Dask scheduler, takes the workers of that cluster instead. All of them load the `plugins`.
    Errors: `NasError` for a number or an address that cannot be, a scheduler that is not there and
    a worker that has another version of hw-nas.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise NasError(f"workers {workers}: must be from 1 to {MAX_WORKERS}")
    if scheduler is not None:
        if workers > 1:
            raise NasError("give either workers or a scheduler: a cluster has workers of its own")
        from nas.study.workers.cluster import ClusterExecutor  # Dask is an extra

        with ClusterExecutor(scheduler, plugins) as cluster:
            yield cluster, cluster.slots
    elif workers > 1:
        with ProcessExecutor(workers, plugins) as pool:
            yield pool, queue_of(workers)
    else:
        yield InlineExecutor(), 1
