"""Where a run runs when nobody says: in this process while it is small, else on workers of this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emqa_core.config import ClusterConfig

HELD_FACTOR = 3  # rows as they were read, a partition's share of them in order, and the arrays made from it
_DRIVER_BYTES = 1 << 30  # left to this process and the system beside workers


@dataclass(frozen=True)
class Machine:
    """What this process may use of its machine: cores, and memory in bytes."""

    n_cores: int
    memory_bytes: int

    @classmethod
    def here(cls) -> Machine:
        """Within the limits of a container or a batch system."""
        from dask.system import CPU_COUNT
        from distributed.system import MEMORY_LIMIT

        return cls(int(CPU_COUNT), int(MEMORY_LIMIT))

    def n_workers(self, cluster: ClusterConfig) -> int:
        """Workers with the memory that each is promised, one to a core; 0 where there is no room for one."""
        promised = cluster.memory_per_worker_mib << 20
        return max(0, min(self.n_cores, (self.memory_bytes - _DRIVER_BYTES) // promised))


def can_be_held(n_bytes: int, cluster: ClusterConfig) -> bool:
    """Whether one process with a worker's memory can hold unclustered rows of this size."""
    return n_bytes * HELD_FACTOR <= cluster.memory_per_worker_mib << 20


def choose_cluster(
    cluster: ClusterConfig,
    n_predictions: int,
    unclustered_bytes: int,
    machine: Callable[[], Machine] = Machine.here,
) -> tuple[ClusterConfig, str | None]:
    """The options with `auto` decided, and the reason in one line; None where the options say where.

    n_predictions: of all models. unclustered_bytes: unpacked size of the largest source whose rows are not
    clustered by frame and that workers would shuffle.
    """
    if cluster.address != "auto":
        return cluster, None
    fits = can_be_held(unclustered_bytes, cluster)
    if n_predictions < cluster.local_from_predictions and fits:
        few = f"{n_predictions:,} predictions are fewer than {cluster.local_from_predictions:,}"
        return _in_process(cluster, few)
    why = f"{n_predictions:,} predictions" if fits else f"{unclustered_bytes / 2**30:.1f} GiB to be shuffled"
    here = machine()
    n_partitions = cluster.partitions or -(-n_predictions // cluster.partition_predictions)
    n_workers = cluster.workers or min(here.n_workers(cluster), max(n_partitions, 2))
    if n_workers < 2:
        needed = f"two workers need {2 * cluster.memory_per_worker_mib + (_DRIVER_BYTES >> 20):,} MiB"
        found = (
            f"{here.n_cores} core{'s' * (here.n_cores != 1)} and {here.memory_bytes >> 20:,} MiB are there"
        )
        return _in_process(cluster, f"{why}, but {needed} and two cores, and {found}")
    return (
        cluster.model_copy(update={"address": "local", "workers": n_workers}),
        f"runs on {n_workers} workers of this machine: {why}; --cluster none keeps it in this process",
    )


def _in_process(cluster: ClusterConfig, reason: str) -> tuple[ClusterConfig, str]:
    return (
        cluster.model_copy(update={"address": "none"}),
        f"runs in this process: {reason}; --cluster local starts workers",
    )
