"""Multi-object tracking: exact, fast, permissive, complete."""

__version__ = "0.1.0"
