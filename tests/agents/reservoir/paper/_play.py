"""Rounds as the release plays them: which comes first decides the digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simworld.worlds.games import STANDARD
from simworld_agents.reservoir import Sentinel, discomfort, driven, gaussian_divergence, knn_divergence

from ._streams import Streams

GAMMA = 0.02


@dataclass(frozen=True)
class Played:
    """What happened, arrays of (replicates, rounds)."""

    body: np.ndarray
    action: np.ndarray
    other: np.ndarray
    alpha: np.ndarray
    discomfort: np.ndarray
    states: np.ndarray
    """After each round, (replicates, rounds, d)."""

    @property
    def payoff(self):
        return STANDARD["prisoners_dilemma"].of(self.action, self.other)

    @property
    def variance(self):
        """Of the action, by replicate."""
        return self.action.var(axis=1)


def constant(level, rounds, count=20):
    return np.full((count, rounds), float(level))


def noisy(seeds, chance, rounds):
    """A cooperator that defects by chance."""
    return (Streams(seeds).uniforms(rounds) >= chance).astype(float)


def blocks(before, during, after, count=20):
    """Cooperation, defection, cooperation."""
    return np.concatenate([constant(1, before, count), constant(0, during, count), constant(1, after, count)], axis=1)


def play(body, other, alpha, seeds, first=None, warm_up=500):
    """A body against schedules.

    Args:
        body: One for each replicate.
        other: What the others play, (replicates, rounds).
        alpha: A receptivity, or a sentinel and the seeds of the streams of its baselines.
        seeds: Of the streams of the states' noise.
        first: What the filter says in the first round; None is what the other is about to play.
    """
    rounds, noise = other.shape[1], Streams(seeds).noise(body.size)
    full = np.ones(len(body))
    state = list(driven(body, 1.0, np.zeros((len(body), body.size)), warm_up, noise))[-1]
    kept = {name: np.zeros(other.shape) for name in ("body", "action", "alpha", "discomfort")}
    states = np.empty((len(body), rounds, body.size))
    sentinel, usual = (alpha[0], _baselines(body, alpha[1])) if isinstance(alpha, tuple) else (None, None)
    now = full * (sentinel.receptivity if sentinel else alpha)
    for t, drawn in enumerate(noise(rounds)):
        says = body.says(state)
        filtered = other[:, t - 1] if t else other[:, 0] if first is None else full * first
        if sentinel:
            gap, apart = state - usual[0], says - usual[1]
            felt = discomfort(gap, apart, says - filtered).total
            now = sentinel.next(now, felt)
            usual = usual[0] + GAMMA * gap, usual[1] + GAMMA * apart
            kept["discomfort"][:, t] = felt
        action = now * says + (1 - now) * filtered
        state = body.moved(state, action, other[:, t], drawn)
        kept["body"][:, t], kept["action"][:, t], kept["alpha"][:, t], states[:, t] = says, action, now, state
    return Played(other=other, states=states, **kept)


def _baselines(body, seeds):
    lived = list(driven(body, 1.0, np.zeros((len(body), body.size)), 200, Streams(seeds).noise(body.size)))
    return np.mean(lived, axis=0), np.mean([body.says(state) for state in lived], axis=0)


def by_rule(other, rule, first=1.0):
    """What a rule plays that hears only the other's last action: (last own, last other) to action."""
    action = np.empty(other.shape)
    own = action[:, 0] = first
    own = action[:, 0]
    for t in range(1, other.shape[1]):
        own = action[:, t] = rule(own, other[:, t - 1])
    silent = np.zeros(other.shape)
    return Played(silent, action, other, silent, silent, silent[:, :, None])


def costs(played, reference, gaussian=False):
    """Complexity cost by replicate, as the release clips it."""
    of = gaussian_divergence if gaussian else knn_divergence
    return np.array([of(s, r).clipped for s, r in zip(played.states, reference.states, strict=True)])


SENTINEL = Sentinel()
