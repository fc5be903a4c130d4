"""Data sets: MOT half splits and built-in synthetic crowds."""
