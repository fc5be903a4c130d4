"""SHA-256 of data, each looked at once."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faimtrack.motfile import find_sequences
from faimtrack.provenance import file_sha256
from faimtrack.reproduce.tasks import ScoredVideos

if TYPE_CHECKING:
    from faimtrack.training.recipe import TrainingRecipe
    from faimtrack.training.samples import DataPlaces


class DataHashes:
    """Of ground truth and masks; images are too many."""

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
        from faimtrack.training.prepare import data_hashes
        from faimtrack.training.video.config import VideoClipsConfig
        from faimtrack.training.video.data import open_clip_videos, video_hashes

        source = recipe.mask_branch.source if with_masks and recipe.mask_branch else None
        data: Any = recipe.data
        told = (data.dataset, data.split) if hasattr(data, "dataset") else dataclasses.asdict(data)
        key = f"learnt from {source} {told}"
        if key not in self._known:
            plain = recipe if source else dataclasses.replace(recipe, mask_branch=None)
            self._known[key] = data_hashes(plain, places)
            if source and isinstance(data, VideoClipsConfig):
                # Without masks the training will say so; rows that need none go on.
                with contextlib.suppress(ValueError, OSError):
                    videos = open_clip_videos(recipe, places)
                    self._known[key] = video_hashes(videos, "videos and masks")
        found: Mapping[str, str] = self._known[key]
        return found

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
