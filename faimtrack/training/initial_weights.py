"""Weights to start from: all that fits is taken, and what is not is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.video.checkpoint import published_keys
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.yolox.checkpoint import guess_input_convention
from faimtrack.weights.files import Checkpoint

_COCO_OUTPUTS = 90  # torchvision's, of which ten mean nothing; person is the first
_BACKGROUND = "(background)"
_CLASSIFIER = "video.classifier."  # its last output nobody uses


@dataclass(frozen=True, kw_only=True)
class TakenWeights:
    """What was taken from a file.

    Attributes:
        taken: Tensors of the network that have the file's values.
        class_rows: Tensors of which only the rows of the network's classes were taken.
        missing: Tensors of the network that keep their random values.
        unused: Tensors of the file that the network has no place for.
    """

    taken: int
    class_rows: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def sentence(self) -> str:
        """All of it in a line for people."""
        parts = [f"{self.taken} tensors taken"]
        if self.class_rows:
            parts.append(f"of {len(self.class_rows)} of them only the rows of its classes")
        if self.missing:
            parts.append(f"random: {_few(self.missing)}")
        if self.unused:
            parts.append(f"left aside: {_few(self.unused)}")
        return "; ".join(parts)


def take_weights(
    network: nn.Module, checkpoint: Checkpoint, class_names: Sequence[str]
) -> TakenWeights:
    """Give a network what fits of a file's tensors.

    A network of fewer classes takes their rows out of a larger one's: one that learns people
    starts with what COCO's weights know of people.

    Args:
        network: A `Yolox`, `VideoYolox`, `FasterRcnn` or `ReidNetwork`.
        checkpoint: Whose tensors; those of a bare ResNet are taken for the backbone, and those
            of YOLOV, as it was published, for a `VideoYolox`.
        class_names: What the network's classes are.

    Raises:
        ValueError: Hardly anything fits: it is another network's; or a video object detector
            would not get its whole base detector, because that has another size or other classes.
    """
    own = network.state_dict()
    tensors = _with_backbone_prefix(checkpoint.tensors, own)
    if isinstance(network, VideoYolox):
        tensors = published_keys(tensors)
    taken: dict[str, Tensor] = {}
    class_rows = []
    for key, wanted in own.items():
        given = tensors.get(key)
        if given is None:
            continue
        names = _source_names(key, given, checkpoint) if _has_class_rows(key) else ()
        if given.shape != wanted.shape or _are_others(names, class_names):
            given = _rows(key, given, wanted, names, class_names)
            if given is None:
                continue
            class_rows.append(key)
        taken[key] = given
    weights = [key for key in own if "num_batches_tracked" not in key]
    missing = tuple(key for key in weights if key not in taken)
    if len(missing) > len(weights) // 2:
        is_folded = any(key.endswith("conv.bias") for key in tensors) and not any(
            ".bn." in key for key in tensors
        )
        hint = "; its batch norms are folded, and what learns needs them" if is_folded else ""
        raise ValueError(
            f"{checkpoint.path}: expected weights that the network can start from, got some that "
            f"fit {len(weights) - len(missing)} of its {len(weights)} tensors{hint}"
        )
    if isinstance(network, VideoYolox):
        _require_base(checkpoint, tensors, missing, class_names)
    network.load_state_dict({**own, **taken})
    unused = tuple(key for key in tensors if key not in own)
    return TakenWeights(
        taken=len(taken), class_rows=tuple(class_rows), missing=missing, unused=unused
    )


def input_convention_of(checkpoint: Checkpoint | None) -> Literal["current", "legacy"]:
    """How initial weights want pixels: as their file says, else as they give away."""
    if checkpoint is None:
        return "current"
    said = {} if checkpoint.metadata is None else checkpoint.metadata.settings
    guessed = guess_input_convention(checkpoint.tensors)
    convention: Any = said.get("input_convention") or guessed or "current"
    return cast("Literal['current', 'legacy']", convention)


def _require_base(
    checkpoint: Checkpoint,
    tensors: Mapping[str, Tensor],
    missing: Sequence[str],
    class_names: Sequence[str],
) -> None:
    """See that a video object detector gets all of its base detector, most of which is frozen.

    Raises:
        ValueError: It does not.
    """
    random = [key for key in missing if not key.startswith("video.")]
    if not random:
        return
    said = checkpoint.metadata.classes if checkpoint.metadata is not None else ()
    if all("cls_preds" in key for key in random):
        given = tensors.get(random[0])
        unnamed = f"{0 if given is None else len(given)} classes without names"
        raise ValueError(
            f"{checkpoint.path}: expected a base detector of the classes "
            f"{_few(class_names)}, got one of {_few(said) if said else unnamed}"
        )
    raise ValueError(
        f"{checkpoint.path}: expected a whole base detector of the network's size, got nothing "
        f"that fits {_few(random)}"
    )


def _has_class_rows(key: str) -> bool:
    return any(part in key for part in ("cls_preds", "box_predictor", _CLASSIFIER))


def _are_others(names: Sequence[str], class_names: Sequence[str]) -> bool:
    """Whether classes that are known are others, or in another order."""
    return bool(names) and [each for each in names if each != _BACKGROUND] != list(class_names)


def _with_backbone_prefix(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> Mapping[str, Tensor]:
    if not any(key in own for key in tensors):
        for prefix in ("backbone.body.", "backbone."):
            prefixed = {prefix + key: value for key, value in tensors.items()}
            if any(key in own for key in prefixed):
                return prefixed
    return tensors


def _source_names(key: str, given: Tensor, checkpoint: Checkpoint) -> tuple[str, ...]:
    """What the rows of a tensor of the file are about; empty if nobody knows."""
    has_background = key.startswith("roi_heads.")
    has_last = _CLASSIFIER in key
    outputs = given.shape[0] // (4 if "bbox_pred" in key else 1) - has_background - has_last
    names: tuple[str, ...] = ()
    if checkpoint.metadata is not None and checkpoint.metadata.classes:
        names = checkpoint.metadata.classes
    elif outputs == len(COCO_CLASS_NAMES):
        names = COCO_CLASS_NAMES
    elif outputs == _COCO_OUTPUTS:
        names = (COCO_CLASS_NAMES[0], *("" for _ in range(_COCO_OUTPUTS - 1)))
    if len(names) != outputs:
        return ()
    if has_last:
        return (*names, _BACKGROUND)
    return (_BACKGROUND, *names) if has_background else names


def _rows(
    key: str, given: Tensor, wanted: Tensor, names: Sequence[str], class_names: Sequence[str]
) -> Tensor | None:
    """The rows of the network's classes; None if they are not there."""
    if not _has_class_rows(key):
        return None
    kept = [_BACKGROUND, *class_names] if key.startswith("roi_heads.") else list(class_names)
    kept += [_BACKGROUND] if _CLASSIFIER in key else []
    if given.shape[1:] != wanted.shape[1:] or not all(name in names for name in kept):
        return None
    each = 4 if "bbox_pred" in key else 1
    rows = torch.cat([torch.arange(each) + each * names.index(name) for name in kept])
    chosen = given[rows]
    return chosen if chosen.shape == wanted.shape else None


def _few(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
