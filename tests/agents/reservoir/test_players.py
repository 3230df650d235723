"""Reservoir-governed players at the table: who has which body, and what governance does."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Group, Kernel
from simworld.testing import CohortSuite
from simworld.worlds.games import RepeatedGame
from simworld_agents.classic import Always, Grim, Phase, Scheduled, WinStayLoseShift
from simworld_agents.reservoir import ReservoirPlayers, Sentinel, eigen_radius

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


class TestPlayersWithAGauge(TestPlayers):
    """Whose cost is told within the suite's few rounds."""

    def cohort(self):
        return ReservoirPlayers(**SMALL, gauge=7, filter="grim", relearn=True, habituation="lived", epoch=3)


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


def test_a_player_has_its_body_whatever_seats_there_are():
    """Neither more partners, nor a seat for all of them, nor a player who comes last, give it another one."""
    pair, four = {"pairing": "ring", "links": 2}, {"pairing": "round_robin"}
    found = []
    for world, others in ((pair, 0), (pair | {"seats": "player"}, 0), (four, 0), (four, 2)):
        mind = Watch(**SMALL)
        groups = {"player": [Group(mind, 4), *([Group(Always(), others)] if others else [])]}
        Kernel(RepeatedGame(**world), groups, 3, 2).run()
        found.append(mind._reservoirs.bodies.recurrent)
    assert all(np.array_equal(found[0], body) for body in found[1:])


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


def test_who_sits_out_first_is_not_alarmed_twice():
    mind = Watch(**SMALL, theta=0.0, eta_up=0.01)
    Kernel(RepeatedGame(pairing="matching"), {"player": [Group(mind, 1), Group(Always(0.0), 2)]}, 7, 9).run()
    rounds = np.array([seen["rounds"][0] for seen in mind.seen])
    assert (np.diff(mind.mind_of("receptivity")[:, 0])[np.diff(rounds) == 0] == 0).all()
    assert rounds[1] == 0  # with this seed it sits out at once


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


# -- other filters ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("filter_", "like"), [("grim", Grim()), ("win_stay_lose_shift", WinStayLoseShift())])
def test_a_pure_filter_is_its_classic_player(filter_, like):
    schedule = Scheduled([Phase(7), Phase(3, 0.0), Phase(9)])
    mind = play(Watch(**SMALL, governance="static", receptivity=0.0, filter=filter_), Group(schedule), horizon=19)
    kernel = Kernel(RepeatedGame(), {"player": [Group(like, 1), Group(schedule, 1)]}, 3, 19)
    like.did, act = [], like.act
    like.act = lambda seen, seats: like.did.append(act(seen, seats)) or like.did[-1]
    kernel.run()
    assert np.array(mind.did)[:, 0].tolist() == [done["cooperate"][0] for done in like.did]
    assert len(set(np.array(mind.did)[:, 0])) == 2


# -- the gauge of complexity cost ------------------------------------------------------------------------------------


def gauged(receptivity, **settings):
    opponent = Scheduled([Phase(400, noise=0.2)])
    mind = Watch(units=8, epochs=20, governance="static", receptivity=receptivity, gauge=300, **settings)
    return play(mind, Group(opponent), horizon=305)


def test_complexity_cost_is_told_once_when_the_rounds_are_over():
    mind = gauged(0.5)
    told = mind.mind_of("complexity")[:, 0]
    assert np.flatnonzero(~np.isnan(told)).tolist() == [300]
    raw, gaussian = (mind.mind_of(f"complexity_{f}")[300, 0] for f in ("raw", "gaussian"))
    assert told[300] == max(0.0, raw)
    assert gaussian > 0


def test_not_to_listen_to_the_body_costs_more():
    told = [gauged(alpha).mind_of("complexity")[300, 0] for alpha in (0.0, 1.0)]
    assert told[0] > told[1] + 0.2


def test_who_has_no_gauge_shows_no_cost():
    assert "complexity" not in {f.name for f in ReservoirPlayers(**SMALL).mind}


# -- controls ----------------------------------------------------------------------------------------------------------


def body_of(**settings):
    mind = play(Watch(**{**SMALL, "epochs": 40} | settings), Group(Always(1.0)), horizon=2)
    return mind._reservoirs.bodies


def test_controls_change_what_they_say_and_nothing_else():
    plain, leaning, again = body_of(), body_of(lean=2.0), body_of(relearn=True)
    assert leaning.offset == pytest.approx(plain.offset + 2.0)
    assert np.array_equal(leaning.readout, plain.readout)
    assert np.array_equal(again.recurrent, plain.recurrent)
    assert not np.allclose(again.readout, plain.readout)


def test_a_body_that_lives_by_its_own_receptivity_becomes_another():
    held, lived, filtered = body_of(), body_of(habituation="lived"), body_of(habituation="lived", receptivity=0.0)
    assert not np.allclose(held.recurrent, lived.recurrent)
    assert np.allclose(held.recurrent, filtered.recurrent)  # the filter alone cooperates fully, as in the held drive


def test_weights_that_change_at_every_step_end_where_those_that_change_by_batches_do():
    """At one mode with the spectral radius of the clamp: the paper's text and the release's programs agree there."""
    step = body_of(epoch=1, epochs=8000)
    for body in (step, body_of(epoch=100, epochs=80)):
        assert eigen_radius(body.recurrent)[0] == pytest.approx(0.99, abs=1e-6)
        values = np.linalg.svd(body.recurrent[0], compute_uv=False)
        assert values[0] ** 2 / (values**2).sum() > 0.9
