"""SHA-256 of data, each looked at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faimtrack.motfile import find_sequences
from faimtrack.provenance import file_sha256
from faimtrack.reproduce.tasks import ScoredVideos
from faimtrack.weights import find_weights, weights_entries, weights_sha256

if TYPE_CHECKING:
    from faimtrack.training.recipe import TrainingRecipe
    from faimtrack.training.samples import DataPlaces


class DataHashes:
    """Of ground truth, masks and initial weights; images are too many."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def learnt_from(
        self, recipe: TrainingRecipe, places: DataPlaces, *, with_masks: bool
    ) -> Mapping[str, str]:
        """Of what is learnt from.

        Args:
            recipe: Says what is learnt.
            places: Where it lies.
            with_masks: Whether masks count; those that are made here are told by the job that
                makes them.

        Raises:
            ValueError: Data are wrong.
            OSError: They cannot be read.
        """
        if not with_masks:
            recipe = dataclasses.replace(recipe, mask_branch=None)
        source = recipe.mask_branch.source if recipe.mask_branch else None
        data: Any = recipe.data
        told: Any = dataclasses.asdict(data)
        if recipe.learns_from_videos:  # which of their frames makes no difference
            told = (data.dataset, data.split, data.det)
        key = f"learnt from {source} {told}"
        if key not in self._known:
            self._known[key] = _learnt_hashes(recipe, places)
        found: Mapping[str, str] = self._known[key]
        return found

    def weights(self, named: str | None) -> str | None:
        """What initial weights are, wherever they lie.

        Args:
            named: A file, or a name of the registry or of the user's cache; None: random ones.

        Returns:
            A registered name as it is, for its bytes are fixed, and so what cannot be found, which
            the training will say; else the SHA-256.

        Raises:
            OSError: A file that is there cannot be read.
        """
        key = f"weights {named}"
        if named is not None and key not in self._known:
            self._known[key] = _weights_hash(named)
        return None if named is None else str(self._known[key])

    def videos(self, videos: ScoredVideos) -> Mapping[str, str]:
        """Of videos that are scored.

        Raises:
            ValueError: Data are wrong.
            OSError: They cannot be read.
        """
        from faimtrack.reproduce.detecting import open_scored
        from faimtrack.training.video.data import video_hashes

        key = f"videos {videos}"
        if key not in self._known:
            self._known[key] = video_hashes(open_scored(videos), "videos")
        found: Mapping[str, str] = self._known[key]
        return found

    def sequences(self, data: Path) -> Mapping[str, str]:
        """Of the ground truth of all sequences in a folder.

        Raises:
            ValueError: There is none.
            OSError: It cannot be read.
        """
        key = f"sequences {data}"
        if key not in self._known:
            self._known[key] = {
                folder.name: file_sha256(folder / "gt" / "gt.txt")
                for folder in find_sequences(data)
            }
        found: Mapping[str, str] = self._known[key]
        return found


class NoHashes(DataHashes):
    """Of nothing, for jobs that are looked at before there are data and are never done."""

    def learnt_from(
        self, recipe: TrainingRecipe, places: DataPlaces, *, with_masks: bool
    ) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def videos(self, videos: ScoredVideos) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def sequences(self, data: Path) -> Mapping[str, str]:
        """Nothing."""
        return {}


def _learnt_hashes(recipe: TrainingRecipe, places: DataPlaces) -> dict[str, str]:
    from faimtrack.training.prepare import data_hashes

    try:
        return data_hashes(recipe, places)
    except (ValueError, OSError):
        if recipe.mask_branch is None:
            raise
        # Without masks the training will say so; rows that need none go on.
        return data_hashes(dataclasses.replace(recipe, mask_branch=None), places)


def _weights_hash(named: str) -> str:
    path = Path(named)
    if path.is_file():
        return weights_sha256(path)
    is_registered = any(entry.name == named for entry in weights_entries())
    if path.name != named or is_registered:
        return path.name
    try:
        return weights_sha256(find_weights(named))
    except (FileNotFoundError, ValueError):
        return named
