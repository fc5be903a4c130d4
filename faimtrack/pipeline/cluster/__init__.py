"""Many sequences on a Ray cluster: workers that take one task after the other and may die."""

from faimtrack.pipeline.cluster.run import run_tasks_on_cluster

__all__ = ["run_tasks_on_cluster"]
