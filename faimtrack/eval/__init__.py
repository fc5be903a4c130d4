"""Scoring of tracks: HOTA, CLEAR and Identity through TrackEval."""
