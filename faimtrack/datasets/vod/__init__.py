"""Data sets of videos for video object detection: ImageNet VID, OVIS, EPIC-KITCHENS-55."""
