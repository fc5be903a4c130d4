"""Logistic regression by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

_ROUNDS = 100
_SMALL_STEP = 1e-10


def fit_logistic_regression(
    inputs: NDArray[np.float64], targets: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """The minimum of the mean logistic loss and a ridge, by Newton's method.

    Args:
        inputs: `(P, D)`, standardised; the last column is 1, and the ridge leaves its weight out.
        targets: `(P,)`, 0 or 1.
        ridge: Weight of half the squared weights beside the mean loss; above 0.

    Returns:
        `(D,)` the weights.
    """
    pull = np.full(inputs.shape[1], ridge)
    pull[-1] = 0.0
    solution = np.zeros(inputs.shape[1])

    def loss_of(weights: NDArray[np.float64]) -> float:
        margins = inputs @ weights
        losses = np.logaddexp(0.0, margins) - targets * margins
        return float(losses.mean() + 0.5 * np.dot(pull, weights**2))

    loss = loss_of(solution)
    for _ in range(_ROUNDS):
        probabilities = expit(inputs @ solution)
        gradient = inputs.T @ (probabilities - targets) / len(inputs) + pull * solution
        curvature = (inputs.T * (probabilities * (1 - probabilities))) @ inputs / len(inputs)
        curvature[np.diag_indices(len(pull))] += pull + 1e-12
        step = np.linalg.solve(curvature, gradient)
        # The loss is convex, but a whole step may overshoot.
        size = 1.0
        while (trial := loss_of(solution - size * step)) > loss and size > _SMALL_STEP:
            size /= 2
        if trial > loss:
            break
        solution, loss = solution - size * step, trial
        if np.abs(size * step).max() < _SMALL_STEP:
            break
    return solution
