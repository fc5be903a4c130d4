"""Training of detectors, with and without masks."""
