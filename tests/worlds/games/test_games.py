"""Repeated games: what a round pays, who meets whom, and what everybody sees of it."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ScenarioError
from simworld.execution import Order, check, execute
from simworld.kernel import Group, Kernel
from simworld.scenario import load
from simworld.testing import WorldSuite
from simworld.worlds.games import STANDARD, Payoffs, RepeatedGame, payoffs_of, public_good
from simworld_agents.classic import Always, MemoryOne, Scheduled, TitForTat
from simworld_analysis import open_run
from simworld_analysis.measures import cooperation_rate, memory_one, reciprocity

SHARE = st.floats(0, 1)


class TestPairs(WorldSuite):
    def world(self):
        return RepeatedGame(noise=0.1)


class TestDiscreteMatching(WorldSuite):
    def world(self):
        return RepeatedGame(actions="discrete", pairing="matching", noise=0.2, noise_kind="replace")


class TestScaleFree(WorldSuite):
    def world(self):
        return RepeatedGame(pairing="scale_free", links=1)


class TestNeighbours(WorldSuite):
    def world(self):
        return RepeatedGame(pairing="ring", seats="player")


class TestPublicGood(WorldSuite):
    def world(self):
        return RepeatedGame("public_goods", group_size=2)


# -- payoffs -------------------------------------------------------------------------------------------------------


def test_payoffs_by_hand():
    dilemma = STANDARD["prisoners_dilemma"]
    one = np.array([0.98, 1.0, 0.0, 1.0, 0.0])
    other = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    assert dilemma.of(one, other) == pytest.approx([3.04, 3, 1, 0, 5])


@given(SHARE, SHARE)
def test_an_action_in_between_pays_what_mixed_play_pays_on_average(a, o):
    r, s, t, p = 3.0, 1.0, 5.0, 0.0
    expected = a * o * r + a * (1 - o) * s + (1 - a) * o * t + (1 - a) * (1 - o) * p
    assert Payoffs(r, s, t, p).of(np.array([a]), np.array([o]))[0] == pytest.approx(expected)


def test_the_order_of_payoffs_makes_the_game():
    for name, order in (("prisoners_dilemma", "trps"), ("stag_hunt", "rtps"), ("chicken", "trsp")):
        of = STANDARD[name]
        value = {"r": of.reward, "s": of.sucker, "t": of.temptation, "p": of.punishment}
        assert [value[letter] for letter in order] == sorted(value.values(), reverse=True)
    assert payoffs_of([4, 1, 3, 2]) == Payoffs(4, 1, 3, 2)


def test_a_public_good_by_hand():
    # two groups; in the second one member is away and the other alone
    given_ = np.array([1.0, 0.0, 0.5, 0.25, np.nan])
    payoff, others = public_good(given_, np.array([0, 0, 0, 1, 1]), 1.5)
    # mean contribution .5: everybody gets .75 on top of what they kept
    assert payoff == pytest.approx([0.75, 1.75, 1.25, 0.75 + 1.5 * 0.25, np.nan], nan_ok=True)
    assert others == pytest.approx([0.25, 0.75, 0.5, np.nan, np.nan], nan_ok=True)


# -- rounds --------------------------------------------------------------------------------------------------------


def played(world, *groups, horizon=3, seed=1):
    kernel = Kernel(world, {"player": [Group(mind, count) for mind, count in groups]}, seed, horizon)
    kernel.run()
    return world


def test_halves_meet_each_other():
    world = played(RepeatedGame(), (Always(1.0), 2), (Always(0.25), 2))
    seen = world.observe("player", np.arange(4))
    assert seen["partner"].tolist() == [2, 3, 0, 1]
    assert seen["other"].tolist() == [0.25, 0.25, 1.0, 1.0]
    assert seen["payoff"] == pytest.approx([0.75, 0.75, 0.25 * 3 + 0.75 * 5, 0.25 * 3 + 0.75 * 5])


def test_a_round_robin_seats_everybody_for_everybody_else():
    world = played(RepeatedGame(pairing="round_robin"), (Always(1.0), 1), (Always(0.5), 1), (Always(0.0), 1))
    seen = world.observe("player", np.arange(6))
    assert seen["player"].tolist() == [0, 0, 1, 1, 2, 2]
    assert seen["player"][seen["partner"]].tolist() == [1, 2, 0, 2, 0, 1]
    assert seen["other"].tolist() == [0.5, 0.0, 1.0, 0.0, 1.0, 0.5]


def test_with_self_play_one_also_meets_a_copy_of_oneself():
    world = played(
        RepeatedGame(pairing="round_robin", self_play=True, repetitions=2), (Always(1.0), 1), (Always(0.0), 1)
    )
    seen = world.observe("player", np.arange(12))
    # two seats for the meeting with the copy, one for the other player; all of it twice
    assert seen["player"].tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert seen["other"].tolist() == [1, 1, 0, 1, 0, 0] * 2
    assert np.array_equal(seen["partner"][seen["partner"]], np.arange(12))


@pytest.mark.parametrize(
    ("world", "links"),
    [
        (RepeatedGame(pairing="ring", links=4), 4 * 20),
        (RepeatedGame(pairing="small_world", links=4, rewire=0.5), 4 * 20),
        (RepeatedGame(pairing="scale_free", links=2), 2 * 2 * 18),
    ],
    ids=lambda x: x.pairing if isinstance(x, RepeatedGame) else None,
)
def test_graphs_have_a_seat_at_each_end_of_every_edge(world, links):
    played(world, (TitForTat(), 15), (Always(0.0), 5))
    seats = np.arange(links)
    seen = world.observe("player", seats)
    graph = nx.Graph(zip(seen["player"].tolist(), seen["player"][seen["partner"]].tolist(), strict=True))
    assert graph.number_of_edges() == links / 2
    assert set(graph) == set(range(20))
    assert all(a != b for a, b in graph.edges)
    # who defects is a matter of the player, in all of its seats
    assert set(seen["own"][seen["player"] >= 15]) == {0.0}
    assert (seen["other"] == seen["own"][seen["partner"]]).all()


def test_the_best_connected_of_a_scale_free_graph_is_not_always_the_first():
    best = set()
    for seed in range(6):
        world = played(RepeatedGame(pairing="scale_free", links=1), (Always(), 30), horizon=1, seed=seed)
        best.add(int(np.bincount(world.observe("player", np.arange(58))["player"]).argmax()))
    assert len(best) > 3


def test_one_seat_for_all_neighbours_sees_their_mean():
    world = played(RepeatedGame(pairing="ring", seats="player"), (Always(1.0), 1), (Always(0.0), 3))
    seen = world.observe("player", np.arange(4))
    assert sorted(seen["other"].tolist()) == [0.0, 0.0, 0.5, 0.5]
    whose = seen["other"] == 0.5
    assert seen["payoff"][whose] == pytest.approx([0.5 * 5 + 0.5 * 1] * 2)


def test_matching_pairs_everybody_anew():
    world, partners = RepeatedGame(pairing="matching"), []

    class Watch(Always):
        def act(self, seen, seats):
            partners.append(seen["partner"].copy())
            return super().act(seen, seats)

    played(world, (Watch(), 10), horizon=20)
    for met in partners:
        assert np.array_equal(met[met], np.arange(10))
        assert (met != np.arange(10)).all()
    assert len({tuple(met) for met in partners}) > 15


def test_of_an_odd_number_one_sits_out_and_remembers():
    world = played(RepeatedGame(pairing="matching"), (Always(0.5), 3), horizon=8)
    seen = world.observe("player", np.arange(3))
    assert (seen["partner"] == -1).sum() == 1
    assert (seen["own"] == 0.5).all()


def test_discrete_play_and_noise_come_as_often_as_they_say():
    mixed = played(RepeatedGame(actions="discrete"), (Always(0.3), 4000), horizon=1)
    own = mixed.observe("player", np.arange(4000))["own"]
    assert set(own) == {0.0, 1.0}
    assert own.mean() == pytest.approx(0.3, abs=0.03)
    flipped = played(RepeatedGame(noise=0.2), (Always(0.9), 4000), horizon=1).observe("player", np.arange(4000))["own"]
    assert set(np.round(flipped, 9)) == {0.9, 0.1}
    assert (flipped < 0.5).mean() == pytest.approx(0.2, abs=0.03)
    anything = RepeatedGame(noise=0.5, noise_kind="replace")
    own = played(anything, (Always(1.0), 4000), horizon=1).observe("player", np.arange(4000))["own"]
    assert (own == 1.0).mean() == pytest.approx(0.5, abs=0.03)
    assert own[own < 1.0].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "count", "message"),
    [
        ("", 3, "3 players; accepted: an even number, for pairing 'halves'"),
        (", game: public_goods", 6, "6 players; accepted: a multiple of group_size, which is 4"),
        (", pairing: scale_free, links: 4", 4, "links: found 4 among 4 players; accepted: fewer than players"),
        (", pairing: ring, links: 3", 8, "links: found 3; accepted: an even number, half of them to each side"),
        (", game: [3, 0, 5]", 4, "found 3 payoffs; accepted: reward, sucker, temptation, punishment"),
        (", game: checkers", 4, "found 'checkers'; accepted: one of 'prisoners_dilemma', 'stag_hunt'"),
    ],
)
def test_what_cannot_be_played_is_refused_before_it_starts(settings, count, message, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        f"world: {{kind: repeated_game{settings}}}\nroles: {{player: {{kind: always, count: {count}}}}}\nhorizon: 2\n"
    )
    with pytest.raises(ScenarioError) as found:
        check(load(path))
    assert message in str(found.value)


# -- what is left of it --------------------------------------------------------------------------------------------

STUDY = """
name: dilemma
world: {kind: repeated_game, actions: discrete, noise: 0.05, pairing: round_robin}
roles:
  player:
    - {kind: tit_for_tat}
    - {kind: memory_one, after_cc: 0.5, after_cd: 0.5, after_dc: 0.5, after_dd: 0.5, first: 0.5}
    - {kind: scheduled, phases: [{rounds: 100, noise: 0.3}, {rounds: 100, level: 0.0}]}
horizon: 400
episodes: 2
"""


def test_the_measures_of_cooperation_read_its_tables(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    run = open_run(execute(Order(load(path), tmp_path / "runs")).run)
    agents = run.table("agents")
    assert agents["trait.player"].tolist() == [0, 0, 1, 1, 2, 2] * 2
    mind = agents[["episode", "agent", "mind", "trait.player"]].astype({"episode": str})
    rate = cooperation_rate(run).merge(mind, on=["episode", "agent"])
    assert rate[rate["mind"] == "scheduled"]["value"].to_numpy() == pytest.approx(0.7 / 4, abs=0.05)
    cared = reciprocity(run, other="other").merge(mind, on=["episode", "agent"]).groupby("mind")["value"].mean()
    # tit for tat decides by what it saw, also when a slip had made it other than what was meant
    assert cared["tit_for_tat"] == pytest.approx(1.0)
    assert cared["memory_one"] == pytest.approx(0.0, abs=0.2)
    assert len(memory_one(run)) == 2 * 6 * 4


def test_a_schedule_keeps_to_its_phases_and_its_noise_is_the_same_whoever_it_meets():
    from simworld_agents.classic import Phase

    def run_against(mind):
        seen = []

        class Watch(type(mind)):
            def act(self, what, seats):
                seen.append(what["other"].copy())
                return super().act(what, seats)

        mind.__class__ = Watch
        phases = [Phase(3), Phase(2, 0.0), Phase(200, 1.0, 0.3)]
        played(RepeatedGame(), (mind, 1), (Scheduled(phases), 1), horizon=205)
        return np.array(seen)[1:, 0]

    met = run_against(TitForTat())
    assert met[:5].tolist() == [1, 1, 1, 0, 0]
    assert set(met[5:]) == {0.0, 1.0}
    assert (met[5:] == 0).mean() == pytest.approx(0.3, abs=0.1)
    assert np.array_equal(met, run_against(MemoryOne()))


def test_matching_is_played_once():
    """Several at a time would pair players with themselves."""
    with pytest.raises(ValueError, match="repetitions: found 2; accepted: 1, for pairing 'matching'"):
        RepeatedGame(pairing="matching", repetitions=2).check({"player": 4})
