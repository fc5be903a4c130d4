"""What training and use of re-identification networks must agree on; no torch here."""

from __future__ import annotations

ARCHITECTURE_PREFIX = "reid-"
"""What the architecture of our own weights is called: this and the backbone's name."""

INPUT_SIZE = (256, 128)
"""Height and width in pixels of crops, as re-identification has them since Market-1501."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of red, green and blue from 0 to 1: what pixels are normalised by."""

HASH_DIGITS = 16
"""How much of the SHA-256 of a file of weights stands in the name of its embedding."""
