"""How the picture moved between two frames: estimated from pixels, read from a file, or not."""

from faimtrack.camera_motion.config import CameraMotionConfig
from faimtrack.camera_motion.create import create_camera_motion
from faimtrack.camera_motion.ecc import EccMatcher
from faimtrack.camera_motion.motion_file import MotionFile
from faimtrack.camera_motion.orb import OrbMatcher
from faimtrack.camera_motion.picture_motion import Matcher, PictureMotion
from faimtrack.camera_motion.sparse_flow import SparseFlowMatcher
from faimtrack.camera_motion.still import StillCamera

__all__ = [
    "CameraMotionConfig",
    "EccMatcher",
    "Matcher",
    "MotionFile",
    "OrbMatcher",
    "PictureMotion",
    "SparseFlowMatcher",
    "StillCamera",
    "create_camera_motion",
]
