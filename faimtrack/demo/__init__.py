"""The demonstration: a crowd is made, tracked, scored and shown, without any data or network."""

from faimtrack.demo.make import Demo, TrackerScore, make_demo

__all__ = ["Demo", "TrackerScore", "make_demo"]
