"""Figure 5: features of proposals laid out by t-SNE, and how far classes keep apart in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.drawing import colour_of
from faimtrack.reproduce.figures.proposals import clip_proposals, tokens_of
from faimtrack.structures import Image

if TYPE_CHECKING:
    from faimtrack.detectors.video.detector import VideoDetector

FEATURES: Mapping[str, str] = {
    "partner": "compared beside classes",
    "classification": "of classes",
    "aggregated": "aggregated over frames",
}
SHOWN = ("partner", "aggregated")
NEIGHBOURS = 10
_FRAMES_OF_A_VIDEO = 8
_MOST_POINTS = 2000
_PERPLEXITY = 30.0
_INCHES, _DPI = 5.0, 110
_MARKERS = "os^Dv<>Pp*hX8d"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureSet:
    """Features of proposals that are objects, the best proposal of each in each frame.

    Attributes:
        features: `(N, D)` by kind, as in `FEATURES`.
        class_ids: `(N,)`.
        videos: `(N,)` numbers of their videos.
    """

    features: Mapping[str, NDArray[np.float32]]
    class_ids: NDArray[np.int64]
    videos: NDArray[np.int64]


def proposal_features(detector: VideoDetector, videos: Sequence[AnnotatedVideo]) -> FeatureSet:
    """The features of objects in frames from all over some videos.

    Raises:
        ValueError: An image is damaged, or no proposal covers an object.
        OSError: An image cannot be read.
    """
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in FEATURES}
    class_ids, numbers = [], []
    for number, video in enumerate(videos):
        if not len(video):
            continue
        clip = clip_proposals(detector, video, _FRAMES_OF_A_VIDEO)
        kept = np.flatnonzero(clip.is_best)
        if not len(kept):
            continue
        tokens = tokens_of(detector, clip)
        found = {
            "partner": tokens.partner,
            "classification": tokens.classification,
            "aggregated": detector.network.video.aggregation(tokens),
        }
        for name, values in found.items():
            parts[name].append(values[0].detach().float().cpu().numpy()[kept])
        class_ids.append(clip.class_ids[kept])
        numbers.append(np.full(len(kept), number))
    if not class_ids:
        raise ValueError("figure-5: expected proposals that cover objects, got none")
    return FeatureSet(
        features={name: np.concatenate(each) for name, each in parts.items()},
        class_ids=np.concatenate(class_ids),
        videos=np.concatenate(numbers),
    )


def separation(found: FeatureSet, kind: str) -> dict[str, float | None]:
    """How far classes keep apart: neighbours of the same class, and silhouettes.

    Neighbours are looked for in other videos alone: in its own an object is next to itself.
    Lengths of features count for nothing. None where there is nothing to compare.
    """
    from sklearn.metrics import silhouette_score

    units = _units(found.features[kind])
    cosines = units @ units.T
    cosines[found.videos[:, None] == found.videos[None]] = -np.inf
    count = min(NEIGHBOURS, int((found.videos[:, None] != found.videos[None]).sum(axis=1).min()))
    purity = None
    if count:
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        purity = float((found.class_ids[nearest] == found.class_ids[:, None]).mean())
    classes = len(np.unique(found.class_ids))
    silhouette = None
    if 2 <= classes < len(units):
        silhouette = float(silhouette_score(units, found.class_ids, metric="cosine"))
    return {"neighbours_of_same_class": purity, "silhouette": silhouette}


def chance(found: FeatureSet) -> float:
    """Of how many neighbours the class would be the same if they were drawn from other videos."""
    is_other = found.videos[:, None] != found.videos[None]
    is_same = found.class_ids[:, None] == found.class_ids[None]
    return float((is_same & is_other).sum(axis=1).sum() / max(is_other.sum(), 1))


def draw_features(sets: Mapping[str, FeatureSet], class_names: Sequence[str]) -> Image:
    """A column a network, a row a kind of features, a point an object in a frame.

    Args:
        sets: By the network's name.
        class_names: What class ids mean.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (_INCHES * len(sets), _INCHES * len(SHOWN) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(SHOWN), len(sets), squeeze=False)
    for column, (name, found) in enumerate(sets.items()):
        for row, kind in enumerate(SHOWN):
            _draw_points(axes[row][column], found, kind, class_names)
            score = separation(found, kind)
            axes[row][column].set_title(
                f"{name}: features {FEATURES[kind]}\n"
                f"same class {_shown(score['neighbours_of_same_class'])}, "
                f"silhouette {_shown(score['silhouette'])}",
                fontsize=9,
            )
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
    figure.set_dpi(_DPI)
    canvas.draw()
    image: Image = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return image


def _draw_points(axes: Any, found: FeatureSet, kind: str, class_names: Sequence[str]) -> None:
    from sklearn.manifold import TSNE

    rows = np.arange(len(found.class_ids))
    if len(rows) > _MOST_POINTS:
        rows = np.unique(np.linspace(0, len(rows) - 1, _MOST_POINTS).astype(int))
    units, class_ids = _units(found.features[kind][rows]), found.class_ids[rows]
    perplexity = min(_PERPLEXITY, max((len(rows) - 1) / 3, 1.0))
    layout = TSNE(perplexity=perplexity, init="random", random_state=0)
    points = layout.fit_transform(units) if len(rows) > 3 else units[:, :2]
    for number, name in enumerate(class_names):
        chosen = class_ids == number
        colour = [part / 255 for part in colour_of(number)]
        axes.scatter(
            *points[chosen].T, s=9, color=colour, marker=_MARKERS[number % len(_MARKERS)],
            label=name, linewidths=0,
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def _units(features: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units: NDArray[np.float32] = features / np.maximum(lengths, 1e-12)
    return units


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
