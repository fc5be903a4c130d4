"""FAIM or YOLOV as a detector: frames of a video in, boxes in pixels of the frames out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from faimtrack.detectors.config import Keep
from faimtrack.detectors.images import class_numbers, session_batch_size
from faimtrack.detectors.running import BatchRunner, input_like, prepare
from faimtrack.detectors.video.checkpoint import LoadedVideoYolox, load_video_yolox
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.video.encoding import EncodingStore, FrameEncoding
from faimtrack.detectors.video.network import Proposals, VideoYolox
from faimtrack.detectors.video.reading import read_proposals
from faimtrack.detectors.video.sampling import CausalSampling, make_sampling
from faimtrack.detectors.video.session import CausalSession, OfflineSession
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.reading import read_rows
from faimtrack.structures import Detections, Frame, SourceInfo
from faimtrack.weights.files import Checkpoint, read_checkpoint

_MIB = 1 << 20


class VideoDetector:
    """FAIM, YOLOV or a kin of theirs, of any size and any number of classes.

    It is two functions: `encode` looks at frames, each for itself, and keeps their proposals;
    `decode` classifies the proposals of some frames by those of all of them. A session does both
    for a video: offline, with frames of the whole video, or causally.

    Attributes:
        class_names: What the class ids mean: all classes of the network, whatever is filtered.
        config: The parameters.
        network: As it runs: its batch norms are merged into its convolutions.
        input_size: Height and width in pixels that images are scaled into.
        input_convention: `current` or `legacy`.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | Checkpoint | LoadedVideoYolox,
        config: VideoDetectorConfig | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        **parameters: Any,
    ) -> None:
        """Load a network.

        Args:
            weights: A checkpoint of YOLOV or faimtrack, or what `load_video_yolox` made of one.
            config: The parameters; None takes the defaults.
            class_names: Names of the network's classes; None takes those in the file, else
                ImageNet VID's if there are 30.
            classes: Which of them to keep; None keeps all.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: The file holds no such network, a class name is unknown, the device is
                not there, or masks are to be kept.
            OSError: The file cannot be read.
        """
        self.config = config = replace(config or VideoDetectorConfig(), **parameters)
        if isinstance(weights, (str, os.PathLike)):
            weights = read_checkpoint(weights)
        loaded = load_video_yolox(weights) if isinstance(weights, Checkpoint) else weights
        self.class_names = loaded.name_classes(class_names or config.class_names)
        self._kept_classes = class_numbers(classes, self.class_names)
        self.input_size, self.input_convention = loaded.base.resolve_input(config)
        self.network = _prepare(loaded.network, config)
        self._device = next(self.network.parameters()).device
        self._encode_batches: BatchRunner[Frame, FrameEncoding] = BatchRunner(self._encode)

    def open(self, info: SourceInfo) -> OfflineSession | CausalSession:
        """Begin a video; nothing is remembered from one to the next."""
        sampling = make_sampling(self.config, self.config.sampling_of(info))
        if isinstance(sampling, CausalSampling):
            return CausalSession(self, sampling)
        return OfflineSession(
            self,
            sampling,
            EncodingStore(self.config.spill_mib * _MIB),
            batch_size=self._frames_a_call(info),
        )

    def detect(self, frames: Sequence[Frame], keep: Keep | None = None) -> list[Detections]:
        """Detections of the frames of one video, the highest score first.

        Args:
            frames: All that are looked at, in order.
            keep: None or `none`: there is nothing else to give.

        Raises:
            ValueError: A frame's image cannot be decoded, the network gives no finite number, or
                anything is to be kept.
            OSError: A frame's image cannot be read.
            MemoryError: The GPU's memory is too small.
        """
        if keep not in (None, "none"):
            raise ValueError(
                f"keep: expected none, for a video object detector gives boxes alone, got {keep}"
            )
        session = self.open(SourceInfo(name="frames", frame_count=len(frames)))
        return [found for _, found in (*session.push(frames), *session.finish())]

    def encode(self, frames: Sequence[Frame], *, keep_base: bool = True) -> list[FrameEncoding]:
        """The proposals of each frame.

        Args:
            frames: Of any sizes; their pixels are not kept.
            keep_base: Whether to keep what the base detector finds too: the answer where a frame
                is alone.

        Raises:
            ValueError: A frame's image cannot be decoded, or the network gives no finite number.
            OSError: A frame's image cannot be read.
            MemoryError: The GPU's memory is too small for one frame.
        """
        return self._encode_batches(frames, self._frames_a_call(None), keep_base)

    def decode(
        self, keys: Sequence[FrameEncoding], references: Sequence[FrameEncoding] = ()
    ) -> list[Detections]:
        """Detections of each key frame, the highest score first.

        A frame that is alone gets exactly what the base detector finds in it.

        Args:
            keys: The frames that are asked about.
            references: Others that they are looked at with.

        Raises:
            ValueError: The network gives no finite number, or a frame is alone whose base
                detections were not kept.
            MemoryError: The GPU's memory is too small for the proposals of so many frames.
        """
        frames = (*keys, *references)
        if len(frames) == 1 and keys:
            if keys[0].base is None:
                raise ValueError("keys: expected a lone frame encoded with keep_base, got without")
            return [keys[0].base]
        class_scores = self._refine(frames, len(keys))
        return [self._read(key, scores) for key, scores in zip(keys, class_scores, strict=True)]

    def _frames_a_call(self, info: SourceInfo | None) -> int:
        on_gpu = self._device.type != "cpu"
        return session_batch_size(self.config.batch_size, on_gpu=on_gpu, info=info)

    def _encode(self, frames: Sequence[Frame], keep_base: bool) -> list[FrameEncoding]:
        images = [frame.image for frame in frames]
        batch = np.empty((len(images), 3, *self.input_size), np.float32)
        ratios = [
            fill_input(image, self.input_convention, out)
            for image, out in zip(images, batch, strict=True)
        ]
        with torch.inference_mode():
            rows, proposals = self.network.encode(input_like(self.network, batch), self.config)
            if not torch.isfinite(rows[:, :, 4]).all():
                raise ValueError("the network gave a score that is not a finite number")
        encodings = []
        for image, ratio, found, its_rows in zip(images, ratios, proposals, rows, strict=True):
            size = image.shape[0], image.shape[1]
            base = None
            if keep_base:
                base = read_rows(
                    its_rows.cpu().numpy(),
                    self.config,
                    ratio=ratio,
                    size=size,
                    class_names=self.class_names,
                    kept_classes=self._kept_classes,
                )
            own = Proposals(*(each.cpu().contiguous() for each in found))
            encodings.append(FrameEncoding(proposals=own, ratio=ratio, frame_size=size, base=base))
        return encodings

    def _refine(self, frames: Sequence[FrameEncoding], keys: int) -> list[np.ndarray]:
        """`(P, K)` refined probabilities of each key, which come first among the frames."""
        counts = [len(frame) for frame in frames[:keys]]
        if not sum(counts):
            return [np.zeros((0, len(self.class_names)), np.float32) for _ in counts]
        clip = [
            Proposals(*(each.to(self._device, non_blocking=True) for each in frame.proposals))
            for frame in frames
        ]
        try:
            with torch.inference_mode():
                (logits,) = self.network.refine([clip], keys)
                scores = logits.sigmoid().float().cpu().numpy()
        except torch.OutOfMemoryError:
            raise MemoryError(
                f"the GPU's memory is too small for the proposals of {len(frames)} frames: "
                "expected fewer group_frames or proposals, or device=cpu"
            ) from None
        return np.split(scores, np.cumsum(counts)[:-1])

    def _read(self, key: FrameEncoding, class_scores: np.ndarray) -> Detections:
        return read_proposals(
            key.boxes,
            key.proposals.objectness.numpy(),
            class_scores,
            self.config,
            size=key.frame_size,
            class_names=self.class_names,
            kept_classes=self._kept_classes,
        )


def _prepare(network: VideoYolox, config: VideoDetectorConfig) -> VideoYolox:
    """The network as it runs; what looks at many frames always does so in full precision."""
    ready = cast("VideoYolox", prepare(fold_batch_norm(network), replace(config, compile=False)))
    ready.video.aggregation.float()
    ready.video.classifier.float()
    if config.compile:
        ready.backbone.compile()
        ready.head.compile()
    return ready
