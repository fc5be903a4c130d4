"""Object detectors and the session protocol they share."""
