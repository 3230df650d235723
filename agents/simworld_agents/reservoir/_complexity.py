"""Complexity cost: how far the states under a policy are from those of the habituated body alone, in nats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simworld.kernel import Array

_TINY = 1e-300
"""Least distance: duplicates would be infinitely dense."""
_ROWS = 1024
"""Distances are worked out for so many states at once."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """An estimate of a Kullback-Leibler divergence."""

    raw: float
    """May be below zero, as an estimate."""

    @property
    def clipped(self) -> float:
        """As the paper reports it: never below zero."""
        return max(0.0, self.raw)


def knn_divergence(states: Array, reference: Array, k: int = 5) -> Divergence:
    """KL(states || reference) by distances to k-th nearest neighbours.

    Args:
        states: Shape (n, d).
        reference: Shape (m, d).
        k: Which neighbour; a state is no neighbour of itself.

    Raises:
        ValueError: Fewer than k + 1 states, or k of the reference.

    Source: Perez-Cruz (2008); section 6 of the paper. Distances come from products of matrices: with thousands of
    states at d = 30 a tree takes as long.
    """
    n, m, d = len(states), len(reference), states.shape[1]
    if n <= k or m < k:
        raise ValueError(f"found {n} and {m} states; accepted: more than {k}, and {k} or more")
    own, other = _kth(states, states, k + 1), _kth(states, reference, k)
    return Divergence(float(d / n * np.log(other / own).sum() + np.log(m / (n - 1))))


def gaussian_divergence(states: Array, reference: Array) -> Divergence:
    """KL(states || reference) of the normal distributions with their means and covariances.

    Its bias in finite samples is large: 0.5 nats of two samples of 1,000 from one law at d = 30. Nan with fewer states
    than a covariance of full rank takes, or where it has none.
    """
    d = states.shape[1]
    if min(len(states), len(reference)) < d + 2:
        return Divergence(float("nan"))
    gap = reference.mean(axis=0) - states.mean(axis=0)
    one, other = np.atleast_2d(np.cov(states.T)), np.atleast_2d(np.cov(reference.T))
    if min(np.linalg.matrix_rank(one), np.linalg.matrix_rank(other)) < d:
        return Divergence(float("nan"))
    spread = float(np.trace(np.linalg.solve(other, one)))
    logs = float(np.linalg.slogdet(other)[1] - np.linalg.slogdet(one)[1])
    return Divergence(0.5 * (spread + float(gap @ np.linalg.solve(other, gap)) - d + logs))


def _kth(of: Array, among: Array, k: int) -> Array:
    """Distances from each to its k-th nearest, shape (n,)."""
    # Around their middle: squares of far numbers would swallow small distances.
    middle = among.mean(axis=0)
    of, among = of - middle, among - middle
    lengths = (among**2).sum(axis=1)
    found = np.empty(len(of))
    for first in range(0, len(of), _ROWS):
        some = of[first : first + _ROWS]
        squares = (some**2).sum(axis=1)[:, None] + lengths - 2.0 * (some @ among.T)
        found[first : first + _ROWS] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return np.maximum(np.sqrt(np.maximum(found, 0.0)), _TINY)
