"""A round-robin of ten classical strategies against the Axelrod library's own tournament of the same ten.

The library plays in this process, as it does unless told otherwise, and plays pairs without chance only once: it
counts the turns that it takes from its cache, and so do we.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Line
from simworld.kernel import Acts, Array, Cohort, Group, Kernel, Members, Silent
from simworld.worlds.games import RepeatedGame
from simworld_agents.classic import Always, Grim, MemoryOne, TitForTat, WinStayLoseShift

TURNS, REPETITIONS = 200, 10
REPEATS = 5
PURE: Mapping[str, Callable[[], Cohort]] = {
    "Cooperator": Always,
    "Defector": partial(Always, 0.0),
    "TitForTat": TitForTat,
    "SuspiciousTitForTat": partial(TitForTat, first=0.0),
    "Grudger": Grim,
    "WinStayLoseShift": WinStayLoseShift,
}
MIXED: Mapping[str, Callable[[], Cohort]] = {
    "Random": partial(Always, 0.5),
    "GTFT": partial(MemoryOne, 1.0, 1 / 3, 1.0, 1 / 3),
    "FirstByJoss": partial(MemoryOne, 0.9, 0.0, 0.9, 0.0),
    "ZDExtort2": partial(MemoryOne, 8 / 9, 1 / 2, 1 / 3, 0.0),
}
PLAYERS = {**PURE, **MIXED}
PAIRS = len(PLAYERS) * (len(PLAYERS) + 1) // 2
"""Everybody also meets a copy of itself, as in the library."""
WHOLE = PAIRS * TURNS * REPETITIONS
"""Turns of a tournament: rounds of a pair."""


class _Scores(Silent):
    """Sums what each seat is paid, and notes whose seat it is."""

    def __init__(self) -> None:
        self.player: Array | None = None
        self.partner: Array | None = None
        self.total = np.zeros(0)

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        if self.player is None:
            self.player, self.partner = acts.seen["player"].copy(), acts.seen["partner"].copy()
            self.total = np.zeros(len(acts.members))

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        self.total[members] += amounts

    def matrix(self) -> Array:
        """What each player gets from each other in a turn, mean over repetitions."""
        assert self.player is not None
        pair = self.player * len(PLAYERS) + self.player[self.partner]
        size = len(PLAYERS) ** 2
        means = np.bincount(pair, self.total, size) / np.bincount(pair, minlength=size) / TURNS
        return means.reshape(len(PLAYERS), -1)


def ours(repetitions: int = REPETITIONS) -> tuple[float, Array]:
    """Turns per second of process time, and what each gets from each: kernel, chain, measures, scores."""
    world = RepeatedGame(pairing="round_robin", self_play=True, actions="discrete", repetitions=repetitions)
    kernel = Kernel(world, {"player": [Group(make(), 1) for make in PLAYERS.values()]}, seed=1, horizon=TURNS)
    scores = _Scores()
    kernel.attach(scores)
    begun = time.process_time()
    kernel.run()
    return PAIRS * TURNS * repetitions / (time.process_time() - begun), scores.matrix()


def theirs(axelrod: Any, results: bool) -> tuple[float, Array | None]:
    """The same of the library in this process, with its results, or with nothing but a file of what was played."""
    players = [getattr(axelrod, name)() for name in PLAYERS]
    tournament = axelrod.Tournament(players, turns=TURNS, repetitions=REPETITIONS, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        file = None if results else str(Path(folder) / "played.csv")
        begun = time.process_time()
        found = tournament.play(build_results=results, filename=file, progress_bar=False)
        rate = WHOLE / (time.process_time() - begun)
    return rate, np.array(found.payoffs).mean(axis=2) if results else None


def lines() -> list[Line]:
    try:
        import axelrod  # noqa: PLC0415  seconds
    except ModuleNotFoundError:
        return [Line("round-robin of ten strategies (no axelrod here: not compared)", ours()[0], "turns/s")]
    found: dict[str, list[float]] = {}
    for _ in range(REPEATS):  # in turn, so that a slow spell of the machine hits all
        rate, mine = ours()
        whole, other = theirs(axelrod, results=True)
        found.setdefault("ours", []).append(rate)
        found.setdefault("large", []).append(ours(10 * REPETITIONS)[0])
        found.setdefault("whole", []).append(whole)
        found.setdefault("played", []).append(theirs(axelrod, results=False)[0])
        pure = len(PURE)
        assert other is not None
        # Scores are whole numbers: what is left after rounding is how the means were taken.
        sums = [np.rint(scores[:pure, :pure] * TURNS * REPETITIONS) for scores in (mine, other)]
        assert np.array_equal(*sums), "players without chance score otherwise"
        # Their own chance, and so another sample: means of ten matches.
        assert np.allclose(mine, other, atol=0.5), "players with chance score otherwise"
    rates = {name: np.array(values) for name, values in found.items()}
    return [
        Line("round-robin of ten strategies, 200 turns, 10 times", float(np.median(rates["ours"])), "turns/s"),
        Line("the same, 100 times", float(np.median(rates["large"])), "turns/s"),
        Line("Axelrod library's tournament, as shipped", float(np.median(rates["whole"])), "turns/s"),
        Line("the same, nothing but played", float(np.median(rates["played"])), "turns/s"),
        Line("round-robin / the library's, as shipped", float(np.median(rates["ours"] / rates["whole"])), "x", 20.0),
        Line("the same, ours 100 times", float(np.median(rates["large"] / rates["whole"])), "x"),
        Line("round-robin / the library's, nothing but played", float(np.median(rates["ours"] / rates["played"])), "x"),
    ]
