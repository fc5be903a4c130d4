"""Whether the ONNX files of a video object detector give what torch gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from faimtrack.detectors.pictures import random_picture, smooth_picture
from faimtrack.detectors.video.aggregation import Tokens
from faimtrack.detectors.video.config import ProposalConfig
from faimtrack.detectors.video.network import Proposals, VideoYolox, join, join_class_scores
from faimtrack.detectors.video.patches import read_anchors
from faimtrack.detectors.yolox.export_check import SCORE_TOLERANCE, ExportDifference
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.onnx_metadata import YoloxOnnxMetadata
from faimtrack.onnx import OnnxModel

_FEATURE_TOLERANCE = 1e-4  # of the largest feature
_STRAY_TOKENS = 0.02  # a cosine at the threshold may fall to either side in 32 bits


@dataclass(frozen=True, kw_only=True)
class VideoExportDifference:
    """The largest differences between the files and torch on two pictures.

    Attributes:
        base: Of the base detector's rows.
        feature: Of the candidates' features, as a part of the largest feature.
        score: Of refined class probabilities, but for the strays.
        strays: The share of proposals whose probabilities differ by more than 1e-4.
    """

    base: ExportDifference
    feature: float
    score: float
    strays: float

    @property
    def is_small(self) -> bool:
        """Whether rows agree, features to 1e-4, and probabilities to 1e-4 but for 2% at most."""
        return (
            self.base.is_small
            and self.feature <= _FEATURE_TOLERANCE
            and self.strays <= _STRAY_TOKENS
        )

    def __str__(self) -> str:
        return (
            f"{self.base}, features by {self.feature:.1e} of the largest and refined scores by "
            f"{self.score:.1e} ({self.strays:.1%} of proposals by more)"
        )


def aggregation_tokens(network: VideoYolox, clips: Sequence[Sequence[Proposals]]) -> Tokens:
    """What the second file takes of clips; see `export_onnx`."""
    tokens = join(clips)
    if network.config.adds:
        tokens = tokens._replace(class_scores=join_class_scores(clips))
    return tokens


def compare_video_export(
    frames: Path,
    aggregation: Path,
    network: VideoYolox,
    metadata: YoloxOnnxMetadata,
    config: ProposalConfig,
    base: ExportDifference,
) -> VideoExportDifference:
    """Run both files and the network on two pictures.

    Args:
        frames: The file that sees frames.
        aggregation: The file that joins them.
        network: On the CPU, evaluating, its batch norms not merged.
        metadata: What the files say of themselves.
        config: Which predictions are proposals.
        base: By how much the base detector's rows differ.

    Raises:
        ValueError: A file is no model that can be run.
    """
    height, width = metadata.input_size
    images = np.empty((2, 3, height, width), np.float32)
    for picture, out in zip((random_picture, smooth_picture), images, strict=True):
        fill_input(picture(height, width), metadata.input_convention, out)
    model = OnnxModel(frames, providers=["CPUExecutionProvider"])
    rows, candidates, *features = model.run(images)
    with torch.inference_mode():
        output = network(torch.from_numpy(images))
        anchors = list(torch.from_numpy(candidates))
        feature = 0.0
        for maps, found in zip((output.classification, output.partner), features, strict=True):
            expected = read_anchors(maps, anchors).numpy()
            scale = np.abs(expected).max(initial=1e-12)
            feature = max(
                feature, float(np.abs(found.reshape(expected.shape) - expected).max() / scale)
            )
        best = output.base.rows()[..., 4].topk(candidates.shape[1]).values.numpy()
        gap = np.abs(np.take_along_axis(rows[..., 4], candidates, axis=1) - best).max()
        _, clip = network.encode(torch.from_numpy(images), config)
        clips = [clip, clip[:1]]  # of different lengths
        tokens = aggregation_tokens(network, clips)
        logits = network.refine(clips)
    base = replace(base, is_small=base.is_small and bool(gap <= SCORE_TOLERANCE))
    joined = OnnxModel(aggregation, providers=["CPUExecutionProvider"])
    (scores,) = joined.run(*(each.numpy() for each in tokens))
    expected = torch.cat([each.sigmoid() for each in logits]).numpy()
    differences = np.abs(scores[tokens.is_real.numpy()] - expected).max(axis=1, initial=0)
    is_same = differences <= SCORE_TOLERANCE  # false of what is no number
    return VideoExportDifference(
        base=base,
        feature=feature,
        score=float(differences[is_same].max(initial=0)),
        strays=1 - float(is_same.mean()) if len(is_same) else 0.0,
    )
