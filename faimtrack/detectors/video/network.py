"""FAIM and YOLOV: a YOLOX whose proposals are classified by looking at many frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.video.aggregation import (
    Aggregation,
    TemporalInstanceClassificationAggregation,
    Tokens,
)
from faimtrack.detectors.video.branch import VideoObjectBranch
from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.patches import EncodeMethod, features_at, read_anchors
from faimtrack.detectors.video.selection import Selection, select_proposals
from faimtrack.detectors.yolox.letterbox import STRIDES
from faimtrack.detectors.yolox.network import Yolox, YoloxOutput, YoloxSize, check_images

_SUREST = 1e-6
"""Probabilities nearer to 0 or 1 have the logit of this one."""


class VideoOutput(NamedTuple):
    """What a video object detector computes for frames, each for itself.

    Attributes:
        base: All that the YOLOX computes.
        classification: `(N, C, h, w)` a level, video object features: F_cls.
        partner: `(N, C', h, w)` a level: F_ins, or the YOLOX's regression features.
    """

    base: YoloxOutput
    classification: tuple[Tensor, ...]
    partner: tuple[Tensor, ...]


class Proposals(NamedTuple):
    """The proposals of one frame with all that is known of them.

    Attributes:
        anchors: `(P,)` int64 rows of the anchors.
        boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the network's input.
        objectness: `(P,)` probabilities.
        class_scores: `(P, K)` probabilities, as the base detector has them.
        classification: `(P, C)` features.
        partner: `(P, C')` features.
    """

    anchors: Tensor
    boxes: Tensor
    objectness: Tensor
    class_scores: Tensor
    classification: Tensor
    partner: Tensor


class VideoParts(nn.Module):
    """What a YOLOX gets to become a video object detector.

    Attributes:
        config: The variant.
        branch: The video object branch.
        extraction: IFEM; None where regression features are the partner.
        aggregation: TICAM, or another way.
        classifier: From aggregated features to a logit a class and one more, which YOLOV's
            published weights have and nobody uses.
    """

    def __init__(
        self,
        size: YoloxSize,
        class_count: int,
        config: VideoNetworkConfig,
        aggregation: Aggregation | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        channels = int(256 * size.width)
        partner_channels = channels
        self.branch = VideoObjectBranch(channels, len(STRIDES), depthwise=size.depthwise)
        self.extraction: InstanceFeatureExtraction | None = None
        if config.partner == "instance":
            built = MaskBranchConfig(
                instance_channels=config.instance_channels,
                norm=config.norm,
                shared_levels=config.shared_levels,
            )
            self.extraction = InstanceFeatureExtraction(channels, built, map_count=len(STRIDES))
            partner_channels = self.extraction.channels
        self.aggregation = aggregation or TemporalInstanceClassificationAggregation(
            channels, partner_channels, config
        )
        self.classifier = nn.Linear(self.aggregation.out_channels, class_count + 1)
        self._add_nothing_yet()

    def reset_classifier(self) -> None:
        """Give the classifier weights to begin with: random ones, or those that add nothing."""
        self.classifier.reset_parameters()
        self._add_nothing_yet()

    def _add_nothing_yet(self) -> None:
        if self.config.adds:
            for weights in self.classifier.parameters():
                nn.init.zeros_(weights)

    def classify(
        self, tokens: Tokens, class_scores: Tensor | None, queries: int | None = None
    ) -> Tensor:
        """Refined class logits of tokens.

        Args:
            tokens: Of clips.
            class_scores: `(B, N, K)`: the base detector's probabilities of all classes, to whose
                logits is added; None where nothing is added to them.
            queries: As `Aggregation` takes them.

        Returns:
            `(B, N, K)`, or as many rows as queries.
        """
        logits: Tensor = self.classifier(self.aggregation(tokens, queries))[..., :-1]
        if class_scores is None:
            return logits
        return logits + class_scores[:, :queries].logit(eps=_SUREST)


class VideoYolox(nn.Module):
    """A YOLOX with a video object branch, aggregation and a second classifier.

    Its YOLOX is all there: the tensors of `backbone` and `head` are, by their keys too, those of
    the base detector.

    Attributes:
        config: The variant.
        size: How deep and wide it is.
        class_count: Classes that it tells apart.
        backbone: From images to the pyramid's maps.
        head: From the maps to a `YoloxOutput`.
        video: What it has beside them.
    """

    def __init__(
        self,
        base: Yolox,
        config: VideoNetworkConfig | None = None,
        aggregation: Aggregation | None = None,
    ) -> None:
        """Put new parts with random weights beside a detector.

        Args:
            base: Its parts are used as they are, not copied.
            config: The variant.
            aggregation: How proposals learn from each other; None: TICAM.
        """
        super().__init__()
        self.config = config or VideoNetworkConfig()
        self.size = base.size
        self.class_count = base.class_count
        self.backbone = base.backbone
        self.head = base.head
        self.video = VideoParts(base.size, base.class_count, self.config, aggregation)

    def forward(self, images: Tensor) -> VideoOutput:
        """All that can be computed of each frame for itself, on the whole maps.

        Args:
            images: `(N, 3, H, W)`, as `Yolox.features` takes them.

        Raises:
            ValueError: The images have another shape.
        """
        return self.extend(self.detect(images))

    def detect(self, images: Tensor) -> YoloxOutput:
        """What the base detector computes; arguments and errors as those of a call."""
        check_images(images)
        output: YoloxOutput = self.head(self.backbone(images))
        return output

    def extend(self, output: YoloxOutput) -> VideoOutput:
        """What comes beside the output of the base detector."""
        classification = self.video.branch(output.stems)
        extraction = self.video.extraction
        partner = output.regression if extraction is None else tuple(extraction(classification))
        return VideoOutput(output, classification, partner)

    def gather(self, output: VideoOutput, selections: Sequence[Selection]) -> list[Proposals]:
        """The features of chosen anchors of each frame."""
        anchors = [each.anchors for each in selections]
        return _join(
            selections,
            read_anchors(output.classification, anchors),
            read_anchors(output.partner, anchors),
        )

    def encode(
        self, images: Tensor, config: ProposalConfig, *, method: EncodeMethod = "auto"
    ) -> tuple[Tensor, list[Proposals]]:
        """Proposals of each frame for itself: `extend` and `gather` with less work.

        Args:
            images: `(N, 3, H, W)`, as a call takes them.
            config: Which predictions are proposals.
            method: `dense` computes whole maps; `patches` only what the proposals' features
                depend on; `auto` does for each level what is cheaper. All give the same within
                rounding.

        Returns:
            The base detector's rows `(N, A, 5 + K)` as `YoloxOutput.rows` gives them, and the
            proposals a frame.

        Raises:
            ValueError: The images have another shape.
        """
        output = self.detect(images)
        rows = output.rows()
        selections = select_proposals(rows, config)
        anchors = [each.anchors for each in selections]
        video = self.video
        found = features_at(output.stems, video.branch, video.extraction, anchors, method)
        partner = found.instance
        if partner is None:
            partner = read_anchors(output.regression, anchors)
        return rows, _join(selections, found.classification, partner)

    def refine(
        self, clips: Sequence[Sequence[Proposals]], keys: int | None = None
    ) -> list[Tensor]:
        """Class logits of proposals, each from all proposals of its clip.

        Args:
            clips: The frames of each clip.
            keys: Of how many frames of each clip, from the first, logits are wanted; None: of all.

        Returns:
            `(sum of P, K)` for each clip, frame after frame.
        """
        counts = [sum(len(frame.anchors) for frame in clip[:keys]) for clip in clips]
        queries = None if keys is None else max(counts, default=0)
        weight = self.video.classifier.weight
        with torch.autocast(weight.device.type, enabled=False):
            scores = join_class_scores(clips, weight.dtype) if self.config.adds else None
            logits = self.video.classify(join(clips, weight.dtype), scores, queries)
        return [each[:count] for each, count in zip(logits, counts, strict=True)]


def join(clips: Sequence[Sequence[Proposals]], dtype: torch.dtype = torch.float32) -> Tokens:
    """The proposals of clips as tokens of some precision, those of a clip frame after frame."""

    def each_clip(name: str) -> list[Tensor]:
        return [torch.cat([getattr(frame, name) for frame in clip]) for clip in clips]

    def padded(values: list[Tensor]) -> Tensor:
        return pad_sequence(values, batch_first=True).to(dtype)

    objectness = each_clip("objectness")
    real = [torch.ones_like(each, dtype=torch.bool) for each in objectness]
    return Tokens(
        classification=padded(each_clip("classification")),
        partner=padded(each_clip("partner")),
        class_scores=padded([each.max(dim=1).values for each in each_clip("class_scores")]),
        objectness=padded(objectness),
        is_real=pad_sequence(real, batch_first=True),
    )


def join_class_scores(
    clips: Sequence[Sequence[Proposals]], dtype: torch.dtype = torch.float32
) -> Tensor:
    """The base detector's probabilities `(B, N, K)` of all classes, in the order of `join`."""
    scores = [torch.cat([frame.class_scores for frame in clip]) for clip in clips]
    return pad_sequence(scores, batch_first=True).to(dtype)


def _join(
    selections: Sequence[Selection], classification: Tensor, partner: Tensor
) -> list[Proposals]:
    """Selections with features of all of them, frame after frame."""
    counts = [len(each.anchors) for each in selections]
    features = zip(classification.split(counts), partner.split(counts), strict=True)
    return [Proposals(*each, *its) for each, its in zip(selections, features, strict=True)]
