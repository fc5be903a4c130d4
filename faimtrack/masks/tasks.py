"""What masks are to be made for one sequence: plain data that any process can be handed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from faimtrack.masks.config import CONFIG_CLASSES, MaskConfig
from faimtrack.masks.methods import DEFAULT_METHOD, MaskMethod
from faimtrack.masks.objects import VideoObjects
from faimtrack.masks.places import EXACT_MASKS, mask_file
from faimtrack.motfile import SplitName, find_sequences, read_sequence_info
from faimtrack.weights import find_weights, weights_sha256

Existing = Literal["refuse", "resume", "overwrite"]

DEFAULT_WEIGHTS: dict[MaskMethod, str] = {"sam": "sam-vit-h", "mobile-sam": "mobile-sam"}
"""What the methods that take published weights take if none are named."""

_WITH_WEIGHTS = ("sam", "mobile-sam", "sam2")
_METHODS_TO_SHUFFLE: tuple[MaskMethod, ...] = ("truth", "grabcut")


@dataclass(frozen=True, kw_only=True)
class MaskTask:
    """Masks to be made for one sequence.

    Attributes:
        name: Of the sequence, for messages.
        sequence: Its folder.
        method: How they are made.
        config: The method's parameters.
        output: The store to write.
        split: Which of the frames.
        weights: A network's file.
        weights_digest: Its SHA-256.
        instances: A file of instances for `box2mask`.
        donors: A store of masks for `shuffled` and `truth`.
        video: A video's objects, where `sequence` is a folder of its images; None: those that a
            MOTChallenge sequence says.
        existing: What to do with a store that is there: `refuse` to touch it, `resume` (keep it if
            it was made the same way of the same inputs, else make it anew) or `overwrite`.
    """

    name: str
    sequence: Path
    method: MaskMethod
    config: MaskConfig
    output: Path
    split: SplitName = "full"
    weights: Path | None = None
    weights_digest: str | None = None
    instances: Path | None = None
    donors: Path | None = None
    video: VideoObjects | None = field(default=None, compare=False)
    existing: Existing = "refuse"

    @property
    def needs_images(self) -> bool:
        """Whether pixels are looked at."""
        return self.method in (*_WITH_WEIGHTS, "grabcut")


def plan_masks(
    data: Path,
    method: MaskMethod = DEFAULT_METHOD,
    config: MaskConfig | None = None,
    *,
    root: Path | None = None,
    split: SplitName = "full",
    weights: str | None = None,
    instances: Path | None = None,
    shuffled: MaskMethod | None = None,
    existing: Existing = "refuse",
) -> list[MaskTask]:
    """One task a sequence.

    Args:
        data: A sequence's folder, or a folder of sequences.
        method: How masks are made.
        config: The method's parameters; None takes its defaults.
        root: Where the stores go, `<root>/<sequence>/<method>.parquet`; None: `masks` in each
            sequence's folder.
        split: Which of the frames.
        weights: For `sam`, `mobile-sam` and `sam2`: a name of `faimtrack weights list`, or a file.
        instances: For `box2mask`: a folder of `<sequence>.json`, or one file for one sequence.
        shuffled: For `shuffled`: whose masks; None takes a crowd's exact ones or else `grabcut`.
        existing: What to do with stores that are there.

    Raises:
        ValueError: An option belongs to another method, or something is not what it should be.
        OSError: Something is not there, or is there already.
    """
    folders = list(find_sequences(data))
    names = [read_sequence_info(folder).name for folder in folders]
    return _plan(
        list(zip(names, folders, strict=True)), method, config, root=root, split=split,
        weights=weights, instances=instances, shuffled=shuffled, existing=existing,
    )  # fmt: skip


def plan_video_masks(
    videos: Sequence[tuple[str, Path, VideoObjects]],
    method: MaskMethod = DEFAULT_METHOD,
    config: MaskConfig | None = None,
    *,
    root: Path | None = None,
    weights: str | None = None,
    instances: Path | None = None,
    shuffled: MaskMethod | None = None,
    existing: Existing = "refuse",
) -> list[MaskTask]:
    """One task a video whose objects are known.

    Args:
        videos: Name, folder of images and objects of each.
        method: As in `plan_masks`, as the others.
        config: Its `classes` are those of MOTChallenge, and are not looked at.
        root: Where the stores go, `<root>/<video>/<method>.parquet`; None: `masks` in each
            video's folder.
        weights: See there.
        instances: See there.
        shuffled: See there.
        existing: See there.

    Raises:
        ValueError: As `plan_masks`.
        OSError: As `plan_masks`.
    """
    tasks = _plan(
        [(name, folder) for name, folder, _ in videos], method, config, root=root, split="full",
        weights=weights, instances=instances, shuffled=shuffled, existing=existing,
    )  # fmt: skip
    return [
        dataclasses.replace(task, video=objects)
        for task, (_, _, objects) in zip(tasks, videos, strict=True)
    ]


def _plan(
    places: Sequence[tuple[str, Path]],
    method: MaskMethod,
    config: MaskConfig | None,
    *,
    root: Path | None,
    split: SplitName,
    weights: str | None,
    instances: Path | None,
    shuffled: MaskMethod | None,
    existing: Existing,
) -> list[MaskTask]:
    """Tasks for folders, each with its name."""
    if method not in CONFIG_CLASSES:
        raise ValueError(f"method: expected {', '.join(CONFIG_CLASSES)}, got {method!r}")
    config = config or CONFIG_CLASSES[method]()
    if type(config) is not CONFIG_CLASSES[method]:
        expected = CONFIG_CLASSES[method].__name__
        raise ValueError(f"{method}: expected a {expected}, got a {type(config).__name__}")
    _refuse_strangers(method, weights=weights, instances=instances, shuffled=shuffled)
    file = _weights_file(method, weights)
    digest = None if file is None else weights_sha256(file)
    tasks = [
        MaskTask(
            name=name,
            sequence=folder,
            method=method,
            config=config,
            output=mask_file(folder, method, root),
            split=split,
            weights=file,
            weights_digest=digest,
            instances=_instances_of(folder, method, instances, len(places)),
            donors=_donors_of(folder, method, root, shuffled),
            existing=existing,
        )
        for name, folder in places
    ]
    for task in tasks:
        refuse_existing(task)
    return tasks


def refuse_existing(task: MaskTask) -> None:
    """Do nothing unless the task would have to touch a store that is there.

    Raises:
        FileExistsError: It would.
    """
    if task.existing == "refuse" and task.output.exists():
        raise FileExistsError(
            f"{task.output}: already there; --resume keeps what is finished, --overwrite starts "
            "again"
        )


def _refuse_strangers(
    method: MaskMethod, *, weights: object, instances: object, shuffled: object
) -> None:
    """Refuse what another method takes: whoever gives it expects it to matter."""
    owners = [
        ("weights", weights, _WITH_WEIGHTS),
        ("instances", instances, ("box2mask",)),
        ("masks to shuffle", shuffled, ("shuffled",)),
    ]
    for what, value, methods in owners:
        if value is not None and method not in methods:
            raise ValueError(f"{method}: expected no {what} (for {', '.join(methods)}), got some")


def _weights_file(method: MaskMethod, weights: str | None) -> Path | None:
    """The file of a name, or of a path."""
    if method not in _WITH_WEIGHTS:
        return None
    chosen = weights or DEFAULT_WEIGHTS.get(method)
    if chosen is None:
        raise ValueError(f"{method}: expected weights (--weights FILE), got none")
    path = Path(chosen)
    if path.exists() or path.suffix:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected a file of weights, got no such file")
        return path
    return find_weights(chosen)


def _instances_of(
    folder: Path, method: MaskMethod, instances: Path | None, count: int
) -> Path | None:
    """The file of one sequence's instances."""
    if method != "box2mask":
        return None
    if instances is None:
        raise ValueError(
            "box2mask: expected instances (--instances DIR, <sequence>.json in it), got none"
        )
    if instances.is_dir():
        instances = instances / f"{folder.resolve().name}.json"
    elif count > 1:
        raise ValueError(
            f"{instances}: expected a folder with a file for each of {count} sequences, got a file"
        )
    if not instances.is_file():
        raise FileNotFoundError(
            f"{instances}: expected instances in COCO's JSON, got no such file"
        )
    return instances


def _donors_of(
    folder: Path, method: MaskMethod, root: Path | None, shuffled: MaskMethod | None
) -> Path | None:
    """The store whose masks are taken or shuffled."""
    exact = folder / EXACT_MASKS
    if method == "truth":
        if not exact.is_file():
            raise FileNotFoundError(
                f"{exact}: expected a crowd's exact masks, got no such file (real sequences have "
                "none)"
            )
        return exact
    if method != "shuffled":
        return None
    if shuffled == "shuffled":
        raise ValueError("shuffled: expected masks of another method to shuffle, got shuffled")
    candidates = [
        exact if each == "truth" and exact.is_file() else mask_file(folder, each, root)
        for each in ((shuffled,) if shuffled else _METHODS_TO_SHUFFLE)
    ]
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{candidates[-1]}: expected masks to shuffle, got no such file; `faimtrack masks make` "
        f"makes them with --method {candidates[-1].stem}"
    )
