"""Multi-object trackers on numpy, scipy and lap, never torch."""
