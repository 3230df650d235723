"""Reservoir-governed players at the table: who has which body, and what governance does."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Group, Kernel
from simworld.testing import CohortSuite
from simworld.worlds.games import RepeatedGame
from simworld_agents.classic import Always, Phase, Scheduled
from simworld_agents.reservoir import ReservoirPlayers, Sentinel

SMALL = {"units": 6, "epochs": 5, "warm_up": 20, "calibration": 20}


class TestPlayers(CohortSuite):
    role = "player"

    def world(self):
        return RepeatedGame(noise=0.1)

    def cohort(self):
        return ReservoirPlayers(**SMALL)


class TestPlayersOfSharedBodies(TestPlayers):
    def world(self):
        return RepeatedGame(pairing="round_robin", noise=0.1)

    def cohort(self):
        return ReservoirPlayers(**SMALL, bodies=2, precision="single", freeze=True)

    def test_two_cohorts_of_one_law_are_one(self):
        """They are not: bodies are shared within a group, and each group has its own."""
        seating = self.seating()
        seating["player"] = [Group(self.cohort(), 1), Group(self.cohort(), self.counts()["player"] - 1)]
        assert self.played(seating=seating).links != self.played().links


class TestStaticPlayers(TestPlayers):
    def cohort(self):
        return ReservoirPlayers(**SMALL, governance="static")


class Watch(ReservoirPlayers):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.seen, self.did, self.shown = [], [], []

    def act(self, seen, seats):
        done = super().act(seen, seats)
        self.seen.append({k: v.copy() for k, v in seen.items()})
        self.did.append(done["cooperate"].copy())
        self.shown.append({k: v.copy() for k, v in seats.shown.items()})
        return done

    def mind_of(self, field):
        return np.array([shown[field] for shown in self.shown])


def play(mind, *groups, world=None, horizon=40, seed=3):
    Kernel(world or RepeatedGame(), {"player": [Group(mind, 1), *groups]}, seed, horizon).run()
    return mind


def test_what_is_played_is_receptivity_between_body_and_tit_for_tat():
    mind = play(Watch(**SMALL), Group(Scheduled([Phase(10), Phase(5, 0.0), Phase(50)])))
    alpha, body, filtered = (mind.mind_of(f)[:, 0] for f in ("receptivity", "body_action", "cognitive_action"))
    assert np.array(mind.did)[:, 0] == pytest.approx(alpha * body + (1 - alpha) * filtered)
    others = np.array([seen["other"][0] for seen in mind.seen])
    assert filtered[0] == 1.0
    assert np.array_equal(filtered[1:], others[1:])
    felt = (
        0.3 * mind.mind_of("strange_state") + 0.3 * mind.mind_of("strange_output") + 0.4 * mind.mind_of("disagreement")
    )
    assert mind.mind_of("discomfort") == pytest.approx(felt)
    expected = [0.85]
    for d in mind.mind_of("discomfort")[:, 0]:
        expected.append(float(Sentinel().next(np.array([expected[-1]]), np.array([d]))[0]))
    assert alpha == pytest.approx(expected[1:])


def test_a_static_receptivity_stays():
    mind = play(Watch(**SMALL, governance="static", receptivity=0.3), Group(Always(0.0)))
    assert set(mind.mind_of("receptivity").ravel()) == {0.3}


def test_a_pure_filter_is_tit_for_tat():
    mind = play(
        Watch(**SMALL, governance="static", receptivity=0.0), Group(Scheduled([Phase(7), Phase(3, 0.0), Phase(9)]))
    )
    assert np.array(mind.did)[1:, 0].tolist() == [seen["other"][0] for seen in mind.seen[1:]]


def test_two_arms_of_a_study_have_the_same_body_and_the_same_noise():
    one = play(Watch(**SMALL, governance="static", receptivity=1.0), Group(Always(1.0)))
    other = play(Watch(**SMALL, governance="static", receptivity=1.0), Group(Always(1.0)))
    assert np.array_equal(one.did, other.did)
    assert not np.array_equal(
        one.did, play(Watch(**SMALL, governance="static", receptivity=1.0), Group(Always(1.0)), seed=4).did
    )


def test_a_player_has_one_body_and_a_state_for_each_partner():
    mind = Watch(**SMALL, governance="static", receptivity=1.0)
    play(mind, Group(Always(1.0), 3), world=RepeatedGame(pairing="round_robin"), horizon=6)
    did = np.array(mind.did)
    assert did.shape == (6, 3)  # one player, three seats
    assert len(np.unique(did[1])) == 3  # each with noise of its own
    assert len(mind._reservoirs.bodies) == 1


def test_shared_bodies_are_taken_in_turn_and_do_what_own_ones_do():
    own, shared = Watch(**SMALL), Watch(**SMALL, bodies=4)
    world = {"pairing": "halves"}
    for mind in (own, shared):
        Kernel(RepeatedGame(**world), {"player": [Group(mind, 4), Group(Always(0.7), 4)]}, 5, 30).run()
    # With as many bodies as players, all are the same; only the way to multiply differs.
    assert np.array(own.did) == pytest.approx(np.array(shared.did))
    two = Watch(**SMALL, bodies=2)
    Kernel(RepeatedGame(**world), {"player": [Group(two, 40), Group(Always(0.7), 40)]}, 5, 3).run()
    assert two._reservoirs.body_of.tolist() == [0, 1] * 20
    assert len(two._reservoirs.bodies) == 2


def test_single_precision_stays_close():
    double, single = (play(Watch(**SMALL, precision=p), Group(Always(0.5))) for p in ("double", "single"))
    assert np.array(single.did) == pytest.approx(np.array(double.did), abs=1e-3)
    assert not np.array_equal(single.did, double.did)


def test_who_sits_out_keeps_its_state():
    mind = Watch(**SMALL)
    play(mind, Group(Always(1.0), 2), world=RepeatedGame(pairing="matching"), horizon=30)
    rounds = np.array([seen["rounds"][0] for seen in mind.seen])
    says = mind.mind_of("body_action")[:, 0]
    idle = np.flatnonzero(np.diff(rounds) == 0) + 1
    assert len(idle) > 3
    assert np.array_equal(says[idle], says[idle - 1])
    assert (np.diff(says)[np.diff(rounds) == 1] != 0).all()


def test_frozen_baselines_do_not_get_used_to_an_attack():
    attacked = Scheduled([Phase(10), Phase(300, 0.0)])
    used, frozen = (
        play(Watch(units=12, epochs=20, warm_up=50, calibration=50, freeze=f), Group(attacked), horizon=300)
        for f in (False, True)
    )
    late = slice(250, None)
    assert frozen.mind_of("strange_state")[late].mean() > 2 * used.mind_of("strange_state")[late].mean()


def test_defection_is_answered_and_forgiven():
    mind = play(Watch(), Group(Scheduled([Phase(60), Phase(20, 0.0), Phase(80)])), horizon=160)
    alpha, did = mind.mind_of("receptivity")[:, 0], np.array(mind.did)[:, 0]
    assert alpha[:61].min() > 0.8
    assert alpha[66:80].max() == pytest.approx(0.05)  # at the floor in six rounds
    assert did[66:80].max() < 0.1
    assert alpha[120] > 0.7
    assert did[120:].mean() > 0.9
