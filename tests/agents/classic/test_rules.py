"""Players by rule do what the literature says, on a sheet of who played what."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Group, Kernel
from simworld.testing import CohortSuite
from simworld.worlds.games import RepeatedGame
from simworld_agents.classic import (
    Always,
    ExponentialAverage,
    Grim,
    MemoryOne,
    Phase,
    Scheduled,
    TitForTat,
    WinStayLoseShift,
)


class _Player(CohortSuite):
    role = "player"

    def world(self):
        return RepeatedGame(noise=0.2)


class TestTitForTat(_Player):
    def cohort(self):
        return TitForTat(scale=0.9)


class TestAverage(_Player):
    def cohort(self):
        return ExponentialAverage(0.5)


class TestGrim(_Player):
    def cohort(self):
        return Grim()


class TestMemoryOne(_Player):
    def cohort(self):
        return WinStayLoseShift()


class TestScheduled(_Player):
    def cohort(self):
        return Scheduled([Phase(2), Phase(3, 0.5, 0.2)])


def sheet(mind, against, world=None):
    """What a mind plays against a schedule given letter by letter: C, D, or a digit in tenths."""
    levels = [{"C": 1.0, "D": 0.0}.get(x, int(x) / 10 if x.isdigit() else None) for x in against]
    played = []

    class Watch(Scheduled):
        def act(self, seen, seats):
            played.extend(seen["other"].tolist())
            return super().act(seen, seats)

    opponent = Watch([Phase(1, level) for level in levels] + [Phase(1)])
    kernel = Kernel(world or RepeatedGame(), {"player": [Group(mind), Group(opponent)]}, 1, len(levels) + 1)
    kernel.run()
    return [round(x, 9) for x in played[1:]]


def letters(played):
    return "".join({1.0: "C", 0.0: "D"}[x] for x in played)


def test_tit_for_tat():
    assert letters(sheet(TitForTat(), "CDDCDC")) == "CCDDCD"
    assert sheet(TitForTat(first=0.0, scale=0.5), "C8D") == [0.0, 0.5, 0.4]
    assert sheet(TitForTat(first=0.9, scale=0.5), "CC") == [0.9, 0.5]  # what it plays first is not scaled


def test_grim_never_forgives():
    assert letters(sheet(Grim(), "CCDCCC")) == "CCCDDD"
    assert letters(sheet(Grim(), "C5CCC")) == "CCCCC"
    assert letters(sheet(Grim(0.6), "C5CCC")) == "CCDDD"


def test_win_stay_lose_shift():
    # after CC stay, after CD shift to D, after DD shift to C, after DC stay with D
    assert letters(sheet(WinStayLoseShift(), "CDDCCD")) == "CCDCCC"
    assert letters(sheet(WinStayLoseShift(), "DCCCD")) == "CDDDD"


def test_memory_one_is_any_of_them():
    generous = MemoryOne(1.0, 0.25, 1.0, 0.25)
    assert sheet(generous, "CDC") == [1.0, 1.0, 0.25]
    alternator = MemoryOne(0.0, 0.0, 1.0, 1.0)
    assert letters(sheet(alternator, "CDDCCD")) == "CDCDCD"


@pytest.mark.parametrize(("memory", "depth"), [(0.5, 0.5**99), (0.95, 0.95**99), (0.99, 0.99**99)])
def test_an_average_sinks_as_the_paper_says(memory, depth):
    """Body-Reservoir Governance, experiment 10: depth g^99 in the last of a hundred rounds of defection."""
    played = sheet(ExponentialAverage(memory), "C" * 100 + "D" * 100 + "C" * 10)
    # The first defection is answered one round later.
    assert played[199] == pytest.approx(depth, abs=1e-8)
    assert played[100] == 1.0


@pytest.mark.parametrize(("memory", "rounds"), [(0.0, 1), (0.5, 5), (0.9, 29), (0.95, 59)])
def test_an_average_recovers_as_late_as_the_paper_says(memory, rounds):
    played = np.array(sheet(ExponentialAverage(memory), "C" * 100 + "D" * 100 + "C" * 70))
    back = int(np.argmax(played[200:] >= 0.95))
    assert back == rounds


def test_always_does():
    assert sheet(Always(0.3), "CDC") == [0.3] * 3


def test_an_average_hears_a_round_once_however_long_it_sits_out():
    seen, did = [], []

    class Watch(ExponentialAverage):
        def act(self, what, seats):
            done = super().act(what, seats)
            seen.append(what["rounds"][0])
            did.append(done["cooperate"][0])
            return done

    groups = {"player": [Group(Watch(0.5), 1), Group(Always(0.0), 2)]}
    Kernel(RepeatedGame(pairing="matching"), groups, 7, 12).run()
    assert did == [0.5**n for n in seen]
    assert len(set(seen)) < 12
