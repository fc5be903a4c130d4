"""Frames in (sequence folder, images, video, camera, stream) and video out."""

from faimtrack.video.sources import FrameSource, open_source
from faimtrack.video.writer import VideoWriter

__all__ = ["FrameSource", "VideoWriter", "open_source"]
