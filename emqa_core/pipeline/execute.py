"""Who runs the tasks of a stage: this process, or the workers of a Dask cluster.

A task is a module-level function and one small picklable argument: locations, row groups, edges, never
rows. Results come back in the order of the tasks, whichever finished first, so that what is combined
from them does not depend on who ran where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from emqa_core.errors import ClusterError
from emqa_core.pipeline.ordered_sum import OrderedSum

if TYPE_CHECKING:
    from distributed import Client, Future

Task = TypeVar("Task")
Result = TypeVar("Result")

HEALTH_CHECK_S = 1.0  # silence after which the cluster is asked whether it still has workers


class Executor(Protocol):
    """Runs the same function over many tasks.

    `n_workers`: tasks that run at the same time. `description`: `none`, `local` or the scheduler's
    address, as the `run` table keeps it.
    """

    @property
    def n_workers(self) -> int: ...

    @property
    def description(self) -> str: ...

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        progress: Callable[[int], None] | None = None,
    ) -> list[Result]:
        """Results in the order of the tasks; `progress(n)` each time `n` more tasks have finished.

        The first error of a task ends the map and is raised as it was. ClusterError: the cluster was
        lost or a task kills its workers.
        """

    def combine(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        add: Callable[[Result, Result], Result],
        progress: Callable[[int], None] | None = None,
    ) -> Result:
        """The results added up in the order of the tasks, of which there is one at least; else as `map`.

        Added as they come: there are never more of them than tasks that run at the time.
        """


class InProcessExecutor:
    """One task after the other in this process."""

    n_workers = 1
    description = "none"

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        progress: Callable[[int], None] | None = None,
    ) -> list[Result]:
        results = []
        for task in tasks:
            results.append(function(task))
            if progress is not None:
                progress(1)
        return results

    def combine(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        add: Callable[[Result, Result], Result],
        progress: Callable[[int], None] | None = None,
    ) -> Result:
        total = OrderedSum(add)
        for index, task in enumerate(tasks):
            total.put(index, function(task))
            if progress is not None:
                progress(1)
        return total.total()


class DaskExecutor:
    """Tasks on the workers of a Dask cluster; one worker process runs one task at a time.

    `timeout_s`: how long the cluster may be without any worker before the run gives up.
    """

    def __init__(self, client: Client, description: str, n_workers: int, timeout_s: float) -> None:
        self.n_workers = n_workers
        self.description = description
        self._client = client
        self._timeout_s = timeout_s
        self._without_workers_since: float | None = None

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        progress: Callable[[int], None] | None = None,
    ) -> list[Result]:
        """As `Executor.map`. A result is fetched as soon as it is there and then leaves its worker."""
        results: list[Result | None] = [None] * len(tasks)
        for index, result in self._completed(function, tasks, progress):
            results[index] = result
        return cast("list[Result]", results)

    def combine(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        add: Callable[[Result, Result], Result],
        progress: Callable[[int], None] | None = None,
    ) -> Result:
        """As `Executor.combine`."""
        total = OrderedSum(add)
        for index, result in self._completed(function, tasks, progress):
            total.put(index, result)
        return total.total()

    def _completed(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        progress: Callable[[int], None] | None,
    ) -> Iterator[tuple[int, Result]]:
        """Each result with the index of its task, in the order in which they are done."""
        if not tasks:
            return
        futures = self._submit(function, tasks)
        position = {future.key: index for index, future in enumerate(futures)}
        finished: SimpleQueue[Future] = SimpleQueue()
        try:
            for future in futures:
                future.add_done_callback(finished.put)
            for _ in tasks:
                future = self._next(finished)
                yield position[future.key], self._fetch(future)
                future.release()
                if progress is not None:
                    progress(1)
        finally:
            # After an error nobody wants the rest; a traceback would keep it alive on the cluster.
            for future in futures:
                future.release()

    def compute(self, collection: Any) -> Any:
        """What a collection comes to, for what Dask does as a whole: a shuffle. Errors as `map`'s."""
        finished: SimpleQueue[Future] = SimpleQueue()
        try:
            future = self._client.compute(collection)
        except OSError as error:
            raise self._lost(str(error)) from error
        try:
            future.add_done_callback(finished.put)
            return self._fetch(self._next(finished))
        finally:
            future.release()

    def _submit(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Future]:
        try:
            # Not pure: a function that writes must run again although its arguments were seen before.
            return list(self._client.map(function, tasks, pure=False))
        except OSError as error:
            raise self._lost(str(error)) from error

    def _next(self, finished: SimpleQueue[Future]) -> Future:
        while True:
            try:
                return finished.get(timeout=HEALTH_CHECK_S)
            except Empty:
                self._require_workers()

    def _fetch(self, future: Future) -> Any:
        from distributed import KilledWorker

        while True:
            try:
                return future.result(timeout=self._timeout_s)
            except KilledWorker as error:
                raise ClusterError(
                    "worker processes died one after the other over the same task",
                    found=f"{error.allowed_failures + 1}, the last at {error.last_worker.address}",
                    next_step="memory is the usual reason: lower cluster.partition_predictions or give"
                    " workers more; the worker's log has the rest",
                ) from error
            except CancelledError as error:
                raise self._lost(str(error)) from error
            except OSError as error:
                if future.status == "error":
                    raise
                if not isinstance(error, TimeoutError):
                    raise self._lost(str(error)) from error
                self._require_workers()

    def _require_workers(self) -> None:
        """ClusterError when the scheduler is gone or has had no worker for `timeout_s`."""
        try:
            workers = self._client.scheduler_info(n_workers=1)["workers"]
        except OSError as error:
            raise self._lost(str(error)) from error
        now = monotonic()
        if workers:
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = now
        elif now - self._without_workers_since > self._timeout_s:
            raise ClusterError(
                f"the cluster {self.description} has lost all its workers",
                found=f"none for {self._timeout_s:g} s",
                next_step="start workers and run again: finished partitions are taken over",
            )

    def _lost(self, reason: str) -> ClusterError:
        return ClusterError(
            f"the connection to the cluster {self.description} was lost",
            found=reason.partition("\n")[0],  # Dask adds advice that does not fit here
            next_step="see the scheduler's log, then run again: finished partitions are taken over",
        )
