"""The Bayes rule of the stage: how likely each class is to whoever knows the rules, and when to defer then."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from simworld.worlds.casework import Stage
from simworld_agents.caseworker import BoolArray, FloatArray, IntArray

_NODES = 200
"""Of the quadrature over each sector: enough as long as the blur is at least a fiftieth of what is blurred."""


def posterior(stage: Stage, number: int, topic: IntArray, features: FloatArray) -> FloatArray:
    """How likely each class is, given what is seen of cases and the rules of their topics, shape (n, classes).

    What is clear of a case has a standard normal distribution, and is seen with a blur. So the target, given what is
    seen, is normal around a point of the plane, alike in all directions, and a class is as likely as its sector has
    mass: over the distance in closed form, over the angle by Gauss-Legendre quadrature.

    Args:
        stage: The settings.
        number: Which stage it is.
        topic: Of each case, shape (n,).
        features: What is seen of each, shape (n, features).
    """
    rules = stage.rules(number)
    if not stage.noise:
        best = np.einsum("nf,nkf->nk", features, rules[topic]).argmax(axis=1)
        certain: FloatArray = np.eye(stage.classes)[best]
        return certain
    middle = 2.0 * np.pi * (np.arange(stage.classes) + 0.5) / stage.classes
    plane = np.einsum("ak,tkf->taf", np.linalg.pinv(np.stack([np.cos(middle), np.sin(middle)], axis=1)), rules)
    shrunk = 1.0 / (1.0 + stage.noise**2)
    at = np.einsum("nf,naf->na", features, plane[topic]) * shrunk / np.sqrt(shrunk * stage.noise**2)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.pi / stage.classes
    masses = np.empty((len(topic), stage.classes))
    for place, angle in enumerate(middle.tolist()):
        angles = angle + half * nodes
        ahead = np.einsum("na,am->nm", at, np.stack([np.cos(angles), np.sin(angles)]))
        aside = (at**2).sum(axis=1, keepdims=True) - ahead**2  # squared distance from the ray
        ray = np.exp(-(aside + ahead**2) / 2.0) + np.sqrt(2.0 * np.pi) * ahead * np.exp(-aside / 2.0) * ndtr(ahead)
        masses[:, place] = np.einsum("nm,m->n", ray, weights) * half / (2.0 * np.pi)
    found: FloatArray = masses / masses.sum(axis=1, keepdims=True)
    return found


def bayes_defers(likely: FloatArray, skill: FloatArray, cost: float) -> BoolArray:
    """Where the expert is likelier to be right than the likeliest class, by more than the fee.

    Args:
        likely: How likely each class is, shape (n, classes).
        skill: How likely the expert is to be right, shape (n,).
        cost: The fee.
    """
    found: BoolArray = skill - cost > likely.max(axis=1)
    return found
