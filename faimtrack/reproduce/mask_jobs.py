"""The jobs that make masks, and where those lie that are learnt."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from faimtrack.datasets.crowd import OBJECT_KINDS
from faimtrack.masks.config import CONFIG_CLASSES, PEDESTRIAN
from faimtrack.masks.methods import MaskMethod
from faimtrack.reproduce.data import Data
from faimtrack.reproduce.data_hashes import DataHashes
from faimtrack.reproduce.jobs import Job
from faimtrack.reproduce.tasks import MasksTask

if TYPE_CHECKING:
    from faimtrack.training.recipe import TrainingRecipe
    from faimtrack.training.samples import DataPlaces

_MADE_MASKS = ("grabcut", "box", "shuffled")
_CROWD_CLASSES = (PEDESTRIAN, *(kind.mot_class for kind in OBJECT_KINDS))


class MaskJobs:
    """Makes jobs that make masks of what is learnt from."""

    def __init__(self, data: Data, output: Path, hashes: DataHashes) -> None:
        """Say of what.

        Args:
            data: Says whether any are made.
            output: Of the experiments; masks come below it.
            hashes: Of the data.
        """
        self._data, self._output, self._hashes = data, output, hashes

    def job(self, method: MaskMethod) -> Job | None:
        """The job that makes masks by a method; None if they are not made here.

        Raises:
            ValueError: There are no sequences.
            OSError: Data cannot be read.
        """
        data = self._data
        if not data.makes_masks or method not in _MADE_MASKS:
            return None
        config = CONFIG_CLASSES[method](classes=_CROWD_CLASSES)
        job = Job(
            kind="masks",
            title=f"masks by {method}",
            settings={
                "method": method,
                "config": dataclasses.asdict(config),
                "data": self._hashes.sequences(data.train),
            },
        )
        root = (self._output / "masks" / job.key).absolute()
        task = MasksTask(data=data.train, method=method, config=config, root=root)
        return dataclasses.replace(job, task=task)

    def places(self, recipe: TrainingRecipe) -> tuple[DataPlaces, Job | None]:
        """Where a recipe's data lie, and the job that makes its masks if they are made here.

        Raises:
            ValueError: As `job`.
            OSError: As `job`.
        """
        from faimtrack.training.samples import DataPlaces

        branch = recipe.mask_branch
        masks = None if branch is None else self.job(branch.source)
        root = self._data.masks if masks is None else masks.task.root
        return DataPlaces(data=self._data.train, masks_root=root), masks
