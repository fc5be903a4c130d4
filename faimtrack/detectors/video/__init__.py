"""Video object detectors: FAIM, YOLOV and their kin."""
