"""How each kind of network learns."""

from faimtrack.training.learners.learner import Answer, DivideBy, Learner, file_tensors

__all__ = ["Answer", "DivideBy", "Learner", "file_tensors"]
