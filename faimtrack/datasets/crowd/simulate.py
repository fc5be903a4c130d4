"""From a configuration to everything that is text: annotations, camera motion, detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faimtrack.datasets.crowd.annotations import Annotations, join_annotations, visibility
from faimtrack.datasets.crowd.config import GENERATOR_VERSION, CrowdConfig
from faimtrack.datasets.crowd.detections import PublicDetections, detect, no_detections
from faimtrack.datasets.crowd.figure import Figures, habits, outlines
from faimtrack.datasets.crowd.integers import Draws, Integers, divide_rounded
from faimtrack.datasets.crowd.kinds import CLASS_NAMES, KINDS
from faimtrack.datasets.crowd.objects.kinds import OBJECT_CLASS_NAMES, OBJECT_KINDS
from faimtrack.datasets.crowd.objects.simulate import simulate_objects
from faimtrack.datasets.crowd.objects.states import ObjectStates
from faimtrack.datasets.crowd.population import Population
from faimtrack.datasets.crowd.scene import (
    SUBPIXELS,
    ZOOM_ONE,
    CameraPath,
    Scene,
    camera_path,
)

_LEAST_PART_IN_VIEW = 16  # 1/16 of a figure's box must lie in the image for an annotation.


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """A simulated crowd: all that is needed to write and to draw it.

    Attributes:
        config: What it was made from.
        annotations: Ground truth of all frames.
        detections: What a simulated detector of people saw; nothing in a scene of objects.
        camera: Where the camera looked.
        objects: How the objects of a scene of objects are seen, a row of the annotations each;
            None in a crowd of people, whose figures stand with the annotations.
    """

    config: CrowdConfig
    annotations: Annotations
    detections: PublicDetections
    camera: CameraPath
    objects: ObjectStates | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the class ids of annotations and masks stand for."""
        return CLASS_NAMES if self.objects is None else OBJECT_CLASS_NAMES

    @property
    def mot_classes(self) -> tuple[int, ...]:
        """The class column of gt.txt for each class id."""
        kinds = KINDS if self.objects is None else OBJECT_KINDS
        return tuple(kind.mot_class for kind in kinds)

    @property
    def draws(self) -> Draws:
        """The random integers that belong to this crowd."""
        return crowd_draws(self.config)


def crowd_draws(config: CrowdConfig) -> Draws:
    """The random integers of a configuration: they depend on its seed only."""
    return Draws("faimtrack crowd", GENERATOR_VERSION, config.seed)


def simulate_crowd(config: CrowdConfig) -> Crowd:
    """Simulate a crowd without drawing it: fast, and the same on every machine.

    Args:
        config: What to simulate.

    Returns:
        Annotations, detections and camera motion of all frames.
    """
    draws = crowd_draws(config)
    scene = Scene.of(config)
    camera = camera_path(config, draws)
    if config.scene == "objects":
        annotations, objects = simulate_objects(config, draws, camera)
        return Crowd(
            config=config,
            annotations=annotations,
            detections=no_detections(),
            camera=camera,
            objects=objects,
        )
    population = Population(config, scene, draws)
    parts = []
    for frame in range(1, config.frames + 1):
        population.step()
        figures, distance = _seen(population, scene, camera, frame)
        parts.append(_annotate(frame, figures, distance, config, draws))
    annotations = join_annotations(parts)
    return Crowd(
        config=config,
        annotations=annotations,
        detections=detect(config, annotations, camera, draws),
        camera=camera,
    )


def _seen(
    population: Population, scene: Scene, camera: CameraPath, frame: int
) -> tuple[Figures, Integers]:
    """The figures as the camera of one frame sees them, and their distances."""
    zoom = int(camera.zoom[frame - 1])
    shift_x, shift_y = camera.shift[frame - 1].tolist()
    z = population.z
    slope = scene.camera_height * 512 // np.maximum(z, 1)
    figures = Figures(
        ids=population.ids,
        kinds=population.kinds,
        x=scene.columns(population.x, z) * zoom // ZOOM_ONE + shift_x,
        y=scene.rows(z) * zoom // ZOOM_ONE + shift_y,
        height=scene.lengths(population.stature, z) * zoom // ZOOM_ONE,
        facing_x=population.facing_x,
        facing_z=population.facing_z,
        phase=population.phase,
        swing=population.swing,
        slope=np.minimum(slope, 320),
    )
    return figures, z


def _annotate(
    frame: int, figures: Figures, distance: Integers, config: CrowdConfig, draws: Draws
) -> Annotations:
    """Boxes and visibility of the figures that are in the image."""
    full = outlines(figures, habits(draws, figures))
    # A mask holds the pixels that are at least half covered: borders are rounded the same way.
    corners = divide_rounded(full, SUBPIXELS)
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    limit = np.array([config.width, config.height] * 2)
    corners = np.clip(corners, 0, limit)
    sides = corners[:, 2:] - corners[:, :2]
    inside = np.prod(sides, axis=1) * _LEAST_PART_IN_VIEW >= area
    rows = np.flatnonzero(inside & (sides > 0).all(axis=1))
    rows = rows[np.argsort(figures.ids[rows], kind="stable")]
    figures, corners, distance = figures.select(rows), corners[rows], distance[rows]
    considered = np.array([kind.considered for kind in KINDS], dtype=bool)
    return Annotations(
        frames=np.full(len(rows), frame, dtype=np.int64),
        track_ids=figures.ids,
        boxes_xywh=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
        class_ids=figures.kinds,
        considered=considered[figures.kinds],
        visibility=visibility(corners, distance, (config.height, config.width)),
        figures=figures,
        distance=distance,
    )
