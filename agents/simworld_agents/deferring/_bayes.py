"""The Bayes rule: when to defer, if one knows how likely each class is."""

from __future__ import annotations

from simworld_agents.caseworker import BoolArray, FloatArray


def bayes_defers(likely: FloatArray, skill: FloatArray, cost: float) -> BoolArray:
    """Where the expert is likelier to be right than the likeliest class, by more than the fee.

    Args:
        likely: How likely each class is, shape (n, classes).
        skill: How likely the expert is to be right, shape (n,).
        cost: The fee.
    """
    found: BoolArray = skill - cost > likely.max(axis=1)
    return found
