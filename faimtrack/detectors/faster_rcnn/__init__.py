"""Faster R-CNN with a feature pyramid: detector and box regressor, on torchvision's parts."""
