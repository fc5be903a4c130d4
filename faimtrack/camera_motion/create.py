"""From a configuration to what tells camera motion."""

from __future__ import annotations

from faimtrack.camera_motion.config import CameraMotionConfig
from faimtrack.camera_motion.ecc import EccMatcher
from faimtrack.camera_motion.motion_file import MotionFile
from faimtrack.camera_motion.orb import OrbMatcher
from faimtrack.camera_motion.picture_motion import Matcher, PictureMotion
from faimtrack.camera_motion.sparse_flow import SparseFlowMatcher
from faimtrack.camera_motion.still import StillCamera
from faimtrack.interfaces import CameraMotion


def create_camera_motion(config: CameraMotionConfig | None = None) -> CameraMotion:
    """What tells camera motion under a configuration; None takes the defaults.

    Raises:
        ValueError: The file of transforms is wrong.
        OSError: It cannot be read.
    """
    config = config or CameraMotionConfig()
    if config.method == "none":
        return StillCamera()
    if config.file is not None:
        return MotionFile(config.file, first_frame=config.file_first_frame)
    return PictureMotion(_matcher(config), config.longest_side)


def _matcher(config: CameraMotionConfig) -> Matcher:
    if config.method == "ecc":
        return EccMatcher(
            iterations=config.ecc_iterations, epsilon=config.ecc_epsilon, affine=config.affine
        )
    kind = OrbMatcher if config.method == "orb" else SparseFlowMatcher
    return kind(
        features=config.features, minimum_inliers=config.minimum_inliers, affine=config.affine
    )
