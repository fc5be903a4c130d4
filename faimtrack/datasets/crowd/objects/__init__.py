"""Scenes of a few large objects of several kinds, hard to tell apart in many of their frames."""
