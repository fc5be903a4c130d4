"""Random changes of images, boxes and masks that a detector learns from."""
