"""How video object detectors learn: clips of videos, their losses, their scores."""
