"""The ten experiments of the paper with its streams. Base seeds and offsets are the release's."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from simworld_agents.reservoir import Sentinel

from ._bodies import develop, power_radius, pushed, retrained, seeds
from ._play import SENTINEL, blocks, by_rule, constant, costs, noisy, play

TENTHS = tuple(n / 10 for n in range(11))
LAMBDAS = (1.0, 3.0, 8.0)


def offset(alpha, scale=1000):
    """How a stream is numbered by a setting."""
    return round(scale * alpha)


@dataclass(frozen=True)
class Landscape:
    """Complexity cost, payoff and variance of the action over receptivity, arrays of (alphas, replicates)."""

    alphas: tuple[float, ...]
    cost: np.ndarray
    payoff: np.ndarray
    variance: np.ndarray
    gaussian: np.ndarray

    def at(self, alpha):
        return self.alphas.index(alpha)

    def best(self, weight):
        """Receptivity of the least free energy, by means over replicates as in the paper."""
        energy = weight * self.cost.mean(axis=1) - self.payoff.mean(axis=1)
        return self.alphas[int(energy.argmin())]

    @property
    def ratio(self):
        """Variance of the filter over that of the body: of means, and the replicates' own."""
        first, last = self.variance[self.at(0.0)], self.variance[self.at(1.0)]
        return first.mean() / last.mean(), first / last


def landscape(body, base, alphas, rounds=2000):
    """Noisy cooperators (1 in 10 defects) against bodies of every receptivity; the reference has a cooperator."""
    count = len(body)
    other = noisy(seeds(base, 8000, count), 0.1, rounds)
    alone = play(body, constant(1, rounds, count), 1.0, seeds(base, 4000, count))
    rows = []
    for alpha in alphas:
        played = play(body, other, alpha, seeds(base, 7000 + offset(alpha), count))
        gaussian = costs(played, alone, gaussian=True)
        rows.append((costs(played, alone), played.payoff.mean(axis=1), played.variance, gaussian))
    return Landscape(tuple(alphas), *map(np.array, zip(*rows, strict=True)))


@functools.cache
def body_of(base, units=30, epochs=200, ridge=0.001):
    """Bodies of an experiment, habituated."""
    return develop(base, units, ridge=ridge).habituated(epochs)


def self_consistency():
    """Experiment 1: what a body plays with a cooperator, its own output, and its payoff, by receptivity."""
    body = develop(100, count=10).habituated()
    return {a: play(body, constant(1, 500, 10), a, seeds(100, 7000 + offset(a), 10)) for a in (0.0, 0.5, 1.0)}


@functools.cache
def complexity(alphas=(0.0, 0.5, 0.7, 0.85, 1.0)):
    """Experiment 2."""
    return landscape(body_of(200), 200, alphas)


def perturbation():
    """Experiment 3: 200 rounds of cooperation, 100 of defection, 200 of cooperation."""
    other, body = blocks(200, 100, 200), body_of(300)
    found = {a: play(body, other, a, seeds(300, at)) for a, at in ((1.0, 5000), (0.0, 6000), (0.5, 7000))}
    return found | {"sentinel": play(body, other, (SENTINEL, seeds(300, 9500)), seeds(300, 9000))}


@functools.cache
def free_energy(epochs, alphas=TENTHS):
    """Experiment 5."""
    base = 400 + 10 * epochs
    return landscape(body_of(base, epochs=epochs), base, alphas)


CONDITIONS = {"tit_for_tat": 0.0, "half": 0.5, "body": 1.0, "sentinel": 0.85}


@functools.cache
def habituation(condition, epochs):
    """Experiment 4: (cost, variance of the action, mean receptivity, spectral radii, the body's mean output).

    The body lives on by its own receptivity. Which stream it lives by is not known to us, nor whether it starts anew
    for every number of epochs: here it does, and goes on in the stream of its weights.
    """
    alpha, rounds = CONDITIONS[condition], 1500
    body = develop(500, kept=(300, 1500)).habituated(epochs, alpha)
    other = noisy(seeds(500, 8000), 0.1, rounds)
    alone = play(body, constant(1, rounds), 1.0, seeds(500, 4000 + epochs), 1.0)
    how = (SENTINEL, seeds(500, 5500 + epochs)) if condition == "sentinel" else alpha
    played = play(body, other, how, seeds(500, 5000 + epochs), 1.0)
    radii = power_radius(body.recurrent)
    return costs(played, alone), played.variance, played.alpha.mean(axis=1), radii, played.body.mean(axis=1)


def schedule(base=500):
    """Of experiment 6."""
    return np.concatenate([blocks(500, 50, 500), noisy(seeds(base, 4000), 0.3, 200), constant(1, 500)], axis=1)


@functools.cache
def sentinel(push=0.0):
    """Experiment 6 (with a push towards cooperation: control F1)."""
    other, body = schedule(), pushed(body_of(500), push)
    found = {"sentinel": play(body, other, (SENTINEL, seeds(500, 5500)), seeds(500, 5000))}
    for alpha in (0.0, 0.7, 0.85, 1.0):
        found[alpha] = play(body, other, alpha, seeds(500, 6000 + offset(alpha)))
    return found


def scaled_tit_for_tat(scale=0.98):
    """Control F2: no reservoir at all, on the schedule of experiment 6."""
    return by_rule(schedule(), lambda own, other: scale * other, scale)


SWEEPS = {
    "receptivity": ((0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95), 10000, 100),
    "eta_up": ((0.01, 0.02, 0.05, 0.1, 0.2), 20000, 1000),
    "eta_down": ((0.1, 0.25, 0.5, 1.0, 2.0), 30000, 100),
    "theta": ((0.02, 0.05, 0.1, 0.15, 0.2), 40000, 1000),
}


def sensitivity(parameter):
    """Experiment 7: (value, mean payoff, mean receptivity) as one parameter of the sentinel is varied."""
    values, start, scale = SWEEPS[parameter]
    other, body = noisy(seeds(700, 8000), 0.1, 2000), body_of(700)
    rows = []
    for value in values:
        at = start + offset(value, scale)
        how = (Sentinel(**{parameter: value}), seeds(700, at + 100))
        played = play(body, other, how, seeds(700, at))
        rows.append((value, played.payoff.mean(), played.alpha.mean()))
    return rows


@functools.cache
def dimension(units, alphas=TENTHS, scaled=True):
    """Experiment 8."""
    base = 900 + 100_000 * units
    ridge = 0.001 * units / 30 if scaled else 0.001
    return landscape(body_of(base, units, ridge=ridge), base, alphas)


@functools.cache
def block_length(units, length):
    """Experiment 9: totals of the sentinel and of tit for tat, by replicate."""
    base = 2000 + 100_000 * units
    body, other = body_of(base, units, ridge=0.001 * units / 30), blocks(500, length, 500)
    played = play(body, other, (SENTINEL, seeds(base, 5500 + length)), seeds(base, 5000 + length))
    return played.payoff.sum(axis=1), by_rule(other, lambda own, other: other).payoff.sum(axis=1)


def moving_average():
    """Experiment 10: variance in noise, depth of the answer to a block, rounds until it is over."""
    other, block = noisy(seeds(300, 8000), 0.1, 2000), blocks(200, 100, 200)
    rules = {"tit_for_tat": lambda own, last: last}
    for g in (0.5, 0.9, 0.95, 0.99):
        rules[g] = lambda own, last, g=g: g * own + (1 - g) * last
    found = {name: (by_rule(other, rule), by_rule(block, rule)) for name, rule in rules.items()}
    body = body_of(300)
    found["reservoir"] = play(body, other, 1.0, seeds(300, 5000), 1.0), play(body, block, 1.0, seeds(300, 6000), 1.0)
    return {name: _answered(*two) for name, two in found.items()}


def _answered(in_noise, in_block):
    """(variance, depth, recovery, payoff), each by replicate."""
    usual = in_block.action[:, 150:200].mean(axis=1)
    after = in_block.action[:, 300:] >= usual[:, None] - 0.05
    back = np.where(after.any(axis=1), after.argmax(axis=1), after.shape[1])
    return in_noise.variance, in_block.action[:, 201:300].min(axis=1), back, in_noise.payoff.mean(axis=1)


def relearned():
    """Control F3: experiment 2 with a readout that was trained again after habituation."""
    return landscape(retrained(body_of(200), 200), 200, (0.0, 1.0))


def unhabituated():
    """Control of ledger L3: experiment 2 with fresh weights."""
    return landscape(develop(200).body, 200, (0.0, 1.0))
