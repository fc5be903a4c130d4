"""Linking a video's detections over time: what was seen in several frames is believed more."""

from faimtrack.detectors.video.linking.config import LinkConfig, ReppConfig, SeqNmsConfig
from faimtrack.detectors.video.linking.link import link

__all__ = ["LinkConfig", "ReppConfig", "SeqNmsConfig", "link"]
