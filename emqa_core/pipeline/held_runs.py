"""The runs of a plan while this process, and no other one, evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from emqa_core.errors import EmqaError, StorageError
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.progress import Progress
from emqa_core.storage.commit import is_committed, keep_others_out, remove_strays
from emqa_core.storage.lease import Lease, remove_claims, take_lease
from emqa_core.storage.parts import remove_work, work_location
from emqa_core.storage.probe import probe_location


class HeldRuns:
    """A plan whose pending runs are held by leases until the block ends.

    `plan`: the plan as it is under the leases: a run that another process has committed meanwhile is not
    pending any more. `progress`: the listener given; it ends a stage whose run was lost.
    """

    def __init__(self, plan: Plan, progress: Progress, leases: Mapping[str, Lease]) -> None:
        self.plan = plan
        self.progress: Progress = HeldProgress(progress, self)
        self._leases = leases

    def __enter__(self) -> HeldRuns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lease in self._leases.values():
            # The claim of a process that has ended is taken over.
            with suppress(StorageError):
                lease.release()
                if lease.is_lost:
                    remove_strays(self.plan.location, lease.run_id)

    def require(self, model: str) -> None:
        """Raise RunBusyError where another process took over the model's run. Asks the store."""
        self._leases[model].require()

    def require_known(self) -> None:
        """The same for every model, by what the store said a few seconds ago."""
        for lease in self._leases.values():
            lease.require_known()


def hold_runs(plan: Plan, progress: Progress) -> HeldRuns:
    """Probe the store and take a lease of every pending run; use the result in a `with` statement.

    Where nothing is pending, only what a process left that died between its commit and its end is removed.
    Raises StorageError, and RunBusyError where another process
    evaluates one of the runs.
    """
    for model in plan.committed:
        # Whoever may only read, or finds nobody there, has its run all the same.
        with suppress(EmqaError):
            run_id = plan.runs[model].run_id
            if work_location(plan.location, run_id).exists():
                remove_work(plan.location, run_id)
            remove_claims(plan.location, run_id)
    if not plan.pending:
        return HeldRuns(plan, progress, {})
    probe_location(plan.location)
    leases: dict[str, Lease] = {}
    committed = set(plan.committed)
    try:
        # In one order everywhere: two processes with the same models never hold one each.
        for model in sorted(plan.pending, key=lambda name: plan.runs[name].run_id):
            run_id = plan.runs[model].run_id
            leases[model] = lease = take_lease(plan.location, run_id, progress.note)
            if lease.is_takeover:
                keep_others_out(plan.location)
            if is_committed(plan.location, run_id):
                committed.add(model)
    except BaseException:
        for lease in leases.values():
            with suppress(EmqaError):
                lease.release()
        raise
    return HeldRuns(replace(plan, committed=frozenset(committed)), progress, leases)


class HeldProgress:
    """Passes on how far a run is, and raises RunBusyError once the run was lost to another process."""

    def __init__(self, progress: Progress, held: HeldRuns) -> None:
        self._progress = progress
        self._held = held

    def start(self, stage: str, total: int) -> None:
        self._held.require_known()
        self._progress.start(stage, total)

    def advance(self, stage: str, n: int = 1) -> None:
        self._held.require_known()
        self._progress.advance(stage, n)

    def finish(self, stage: str) -> None:
        self._progress.finish(stage)

    def note(self, text: str) -> None:
        self._progress.note(text)
