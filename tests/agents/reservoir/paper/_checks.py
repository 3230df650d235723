"""What must come out with the paper's streams: one number for each line, and where it must lie."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from . import _experiments as e
from ._bodies import develop, power_radius
from ._check import Check
from ._fixed_point import largest_norm, spread_of_fixed_points


def _cost(alpha):
    found = e.complexity()
    return found.cost[found.at(alpha)].mean()


def _total(player):
    return e.sentinel()[player].payoff.sum(axis=1)


def _edge(push=0.0):
    played = e.sentinel(push)
    return (played["sentinel"].payoff - played[0.0].payoff).sum(axis=1).mean()


def _least_gap():
    order = ("sentinel", 0.0, 0.7, 0.85, 1.0)
    return min(_total(a).mean() - _total(b).mean() for a, b in pairwise(order))


def _advantage(units, length):
    found, filtered = e.block_length(units, length)
    return (found - filtered).mean()


def _steps(of, lengths=(10, 50, 100, 200, 500)):
    return max(b - a for a, b in pairwise(map(of, lengths)))


def _block(player):
    return e.perturbation()[player].action[:, 200:300].mean()


def _falls(parameter, sign):
    payoffs = np.array([row[1] for row in e.sensitivity(parameter)])
    return (sign * np.diff(payoffs)).min()


def _gaussian(alpha):
    found = e.complexity()
    return found.gaussian[found.at(alpha)].mean()


def _rank_one():
    values = np.linalg.svd(e.body_of(200).recurrent, compute_uv=False)
    return (values[:, 0] ** 2 / (values**2).sum(axis=1)).min()


def _answer(player, column):
    return float(np.mean(e.moving_average()[player][column]))


def _ratio(player):
    found = e.moving_average()
    return found["tit_for_tat"][0].mean() / found[player][0].mean()


def _better_in_between(units):
    """Of the seeds, in how many a receptivity of 0.7 has less free energy than the body alone."""
    found = e.dimension(units)
    between, alone = (3 * found.cost[found.at(a)] - found.payoff[found.at(a)] for a in (0.7, 1.0))
    return (between < alone).sum()


def _noisy_rest():
    return next(alpha for value, _, alpha in e.sensitivity("receptivity") if value == 0.85)


CHECKS = [
    Check(
        "exp 1",
        "the body alone with a cooperator plays",
        "0.98",
        lambda: e.self_consistency()[1.0].action.mean(),
        0.97,
        0.99,
    ),
    Check("C1", "complexity cost at receptivity 0, nats", "1.23", partial(_cost, 0.0), 0.98, 1.48),
    Check("C1", "complexity cost at receptivity 1, nats", "0.55", partial(_cost, 1.0), 0.35, 0.75),
    Check(
        "C1",
        "seeds in which the second is smaller",
        "20 of 20",
        lambda: (e.complexity().cost[-1] < e.complexity().cost[0]).sum(),
        19,
        20,
    ),
    Check("exp 2", "payoff at receptivity 0 (text: 2.70)", "2.89", lambda: e.complexity().payoff[0].mean(), 2.88, 2.90),
    Check(
        "exp 2", "payoff at receptivity 1 (text: 2.65)", "2.77", lambda: e.complexity().payoff[-1].mean(), 2.75, 2.78
    ),
    Check("C2", "variance, filter over body: ratio of means, d = 30", "250", lambda: e.complexity().ratio[0], 150, 600),
    Check("C2", "the same, median over seeds", "873", lambda: np.median(e.complexity().ratio[1]), 500, 1500),
    Check("C2", "ratio of means, d = 75", "1600", lambda: e.dimension(75, (0.0, 1.0)).ratio[0], 800, 3200, slow=True),
    Check("exp 3", "body alone: mean in the block", "0.96 (first round)", partial(_block, 1.0), 0.92, 0.96),
    Check("C7", "half body: mean in the block", "0.49 (first round)", partial(_block, 0.5), 0.44, 0.50),
    Check("C7", "sentinel: mean in the block", "retaliates", partial(_block, "sentinel"), 0.04, 0.08),
    Check(
        "exp 4",
        "cost, filter, no habituation",
        "3.104",
        lambda: e.habituation("tit_for_tat", 0)[0].mean(),
        3.09,
        3.12,
        slow=True,
    ),
    Check(
        "exp 4",
        "cost, filter, 300 epochs",
        "1.282",
        lambda: e.habituation("tit_for_tat", 300)[0].mean(),
        1.27,
        1.29,
        slow=True,
    ),
    Check(
        "exp 4",
        "cost, body, 300 epochs",
        "0.501",
        lambda: e.habituation("body", 300)[0].mean(),
        0.495,
        0.507,
        slow=True,
    ),
    Check(
        "exp 4",
        "cost, sentinel, 300 epochs",
        "0.665",
        lambda: e.habituation("sentinel", 300)[0].mean(),
        0.658,
        0.672,
        slow=True,
    ),
    Check(
        "exp 4",
        "variance, sentinel over body (text: comparable)",
        "276",
        lambda: e.habituation("sentinel", 300)[1].mean() / e.habituation("body", 300)[1].mean(),
        270,
        282,
        slow=True,
    ),
    Check(
        "exp 4",
        "mean receptivity of the sentinel",
        "0.504",
        lambda: e.habituation("sentinel", 300)[2].mean(),
        0.499,
        0.509,
        slow=True,
    ),
    *(
        Check(
            "C3",
            f"best receptivity, no habituation, lambda {w:g}",
            "1",
            lambda w=w: e.free_energy(0).best(w),
            1.0,
            1.0,
            slow=True,
        )
        for w in e.LAMBDAS
    ),
    *(
        Check(
            "C3",
            f"best receptivity, {h} epochs, lambda {w:g}",
            "0.7",
            lambda h=h, w=w: e.free_energy(h).best(w),
            0.6,
            0.8,
            slow=True,
        )
        for h in (50, 100, 200)
        for w in e.LAMBDAS
    ),
    *(
        Check("C4", f"total of {name}", f"{paper}", lambda who=who: _total(who).mean(), 0.99 * paper, 1.01 * paper)
        for name, who, paper in (
            ("the sentinel", "sentinel", 5105),
            ("tit for tat", 0.0, 5070),
            ("receptivity 0.7", 0.7, 5012),
            ("receptivity 0.85", 0.85, 4999),
            ("the body alone", 1.0, 4985),
        )
    ),
    Check("C4", "smallest gap in the order of these", "above 0", _least_gap, 0.01, 30),
    Check("C4", "sentinel minus tit for tat", "35", _edge, 24, 44),
    Check(
        "C4",
        "seeds in which it wins (text: W = 178, p = .008)",
        "20 of 20",
        lambda: (_total("sentinel") > _total(0.0)).sum(),
        20,
        20,
    ),
    Check("C5", "receptivity at rest", "0.85", lambda: e.sentinel()["sentinel"].alpha[:, 100:500].mean(), 0.845, 0.855),
    Check(
        "C5",
        "highest receptivity from the sixth round of the block on",
        "0.05",
        lambda: e.sentinel()["sentinel"].alpha[:, 506:550].max(),
        0.05,
        0.0501,
    ),
    Check(
        "C5",
        "receptivity in noise of 0.3",
        "0.19",
        lambda: e.sentinel()["sentinel"].alpha[:, 1050:1250].mean(),
        0.16,
        0.22,
    ),
    Check("C5", "receptivity in noise of 0.1", "0.50", _noisy_rest, 0.47, 0.53),
    Check(
        "C7",
        "body alone: mean in the block of experiment 6",
        "0.94",
        lambda: e.sentinel()[1.0].action[:, 500:550].mean(),
        0.92,
        0.96,
    ),
    Check(
        "C7",
        "sentinel: mean in the block of experiment 6",
        "0.08",
        lambda: e.sentinel()["sentinel"].action[:, 500:550].mean(),
        0.06,
        0.09,
    ),
    *(
        Check(
            "exp 7", f"least step in payoff as {p} {way} (text: optima)", "monotone", partial(_falls, p, sign), 0.0, 0.1
        )
        for p, way, sign in (
            ("receptivity", "falls", -1),
            ("eta_up", "falls", -1),
            ("eta_down", "grows", 1),
            ("theta", "falls", -1),
        )
    ),
    *(
        Check(
            "exp 8",
            f"cost at receptivity 0, d = {d}",
            paper,
            lambda d=d: e.dimension(d).cost[0].mean(),
            low,
            high,
            slow=True,
        )
        for d, paper, low, high in ((5, "0.537", 0.5, 0.57), (10, "0.273", 0.25, 0.30), (75, "4.092", 4.05, 4.13))
    ),
    *(
        Check(
            "exp 8",
            f"best receptivity at lambda 3, d = {d}",
            paper,
            lambda d=d: e.dimension(d).best(3.0),
            low,
            high,
            slow=True,
        )
        for d, paper, low, high in (
            (5, "1.0", 1.0, 1.0),
            (10, "0.6", 0.6, 0.6),
            (30, "0.6", 0.6, 0.6),
            (75, "0.8", 0.8, 0.8),
        )
    ),
    Check(
        "exp 8",
        "seeds of d = 5 in which 0.7 is better at lambda 3 (one seed of -9 decides the mean)",
        "alpha* = 1",
        lambda: _better_in_between(5),
        11,
        20,
        slow=True,
    ),
    Check("C6", "sentinel minus tit for tat, d = 10, L = 10", "72", partial(_advantage, 10, 10), 60, 85),
    Check("C6", "the same, d = 30, L = 10", "36", partial(_advantage, 30, 10), 30, 45),
    Check(
        "C6", "largest step as L grows to 500, d = 30", "falls", partial(_steps, partial(_advantage, 30)), -100, -0.1
    ),
    Check("C6", "d = 30, L = 700", "above 0", partial(_advantage, 30, 700), 0, 30),
    Check("C6", "d = 30, L = 1,000", "near 0", partial(_advantage, 30, 1000), -15, 15),
    Check("C6", "d = 30, L = 2,000", "below 0", partial(_advantage, 30, 2000), -100, 0),
    Check("C6", "d = 20, L = 10", "39", partial(_advantage, 20, 10), 30, 45, slow=True),
    Check("C6", "d = 75, L = 10", "38", partial(_advantage, 75, 10), 30, 45, slow=True),
    Check(
        "exp 9",
        "total of tit for tat at L = 500, minus 3,501",
        "0",
        lambda: e.block_length(30, 500)[1].mean() - 3501,
        -1e-9,
        1e-9,
    ),
    *(
        Check("exp 10", f"variance, tit for tat over moving average {g}", paper, partial(_ratio, g), low, high)
        for g, paper, low, high in (
            (0.5, "3", 2.9, 3.2),
            (0.9, "20", 19, 21),
            (0.95, "41", 39, 43),
            (0.99, "158", 150, 165),
        )
    ),
    *(
        Check(
            "exp 10",
            f"depth of the answer of moving average {g}",
            paper,
            lambda g=g: _answer(g, 1) - g**99,
            -1e-9,
            1e-9,
        )
        for g, paper in ((0.5, "g^99"), (0.9, "g^99"), (0.95, "g^99"), (0.99, "g^99"))
    ),
    *(
        Check("exp 10", f"recovery of {g}, rounds", f"{r}", lambda g=g: _answer(g, 2), r, r)
        for g, r in (("tit_for_tat", 1), (0.5, 5), (0.9, 29), (0.95, 59), (0.99, 200))
    ),
    Check("exp 10", "variance, tit for tat over the body", "461", partial(_ratio, "reservoir"), 440, 480),
    Check("C7", "depth of the answer of the body", "0.889", partial(_answer, "reservoir", 1), 0.86, 0.92),
    Check("exp 10", "recovery of the body, rounds", "0.25", partial(_answer, "reservoir", 2), 0.2, 0.3),
    Check(
        "C8",
        "smallest spectral radius after 15 epochs (text: 0.82)",
        "0.99",
        lambda: power_radius(develop(200).habituated(15).recurrent).min(),
        0.9899,
        0.9901,
    ),
    Check("C8", "least share of the first singular value, squared", "0.9999", _rank_one, 0.999, 1.0),
    Check(
        "C8", "largest norm of the Jacobian at the fixed point", "0.35", lambda: largest_norm(e.body_of(200)), 0.2, 0.4
    ),
    Check(
        "C8",
        "largest distance of fixed points from 200 starts",
        "one point",
        lambda: spread_of_fixed_points(e.body_of(200)),
        0.0,
        1e-9,
    ),
    Check("F1", "sentinel minus tit for tat, readout pushed by 3", "below 0", partial(_edge, 3.0), -50, 0),
    Check(
        "F2",
        "tit for tat times 0.98 minus the sentinel",
        "above 0",
        lambda: e.scaled_tit_for_tat().payoff.sum(axis=1).mean() - _total("sentinel").mean(),
        0,
        100,
    ),
    Check(
        "F3",
        "ratio of variances, over that with a readout learned again",
        "10",
        lambda: e.complexity().ratio[0] / e.relearned().ratio[0],
        5,
        100,
    ),
    Check("F3", "the same ratio without habituation", "much smaller", lambda: e.unhabituated().ratio[0], 1, 60),
    Check(
        "F4",
        "Gaussian cost at receptivity 1 minus at 0.7",
        "-0.003",
        lambda: _gaussian(1.0) - _gaussian(0.7),
        -0.02,
        0.02,
    ),
]
