"""Strategies of the Axelrod library score in our world what they score in the library's own matches."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
import pytest

from simworld.errors import ScenarioError
from simworld.execution import check
from simworld.kernel import Group, Individuals, Kernel
from simworld.scenario import load
from simworld.testing import AgentSuite, Listener
from simworld.worlds.games import RepeatedGame
from simworld_agents.axelrod_field import AxelrodPlayer
from simworld_agents.classic import Always, Grim, MemoryOne, TitForTat, WinStayLoseShift

# The library brings torch, most of a gigabyte: it is an extra, and not every machine that tests simworld has it.
axl = pytest.importorskip("axelrod", reason="axelrod is not installed here; it comes with simworld[games]")

ROUNDS = 200
STRATEGIES = (
    *("Cooperator", "Defector", "TitForTat", "Grudger", "WinStayLoseShift", "SuspiciousTitForTat", "Alternator"),
    *("TitFor2Tats", "Adaptive", "FirstByTidemanAndChieruzzi", "Gradual", "BackStabber", "EvolvedLookerUp2_2_2"),
)
OURS = {
    "Cooperator": Always,
    "Defector": partial(Always, 0.0),
    "TitForTat": TitForTat,
    "SuspiciousTitForTat": partial(TitForTat, first=0.0),
    "Grudger": Grim,
    "WinStayLoseShift": WinStayLoseShift,
}


def seat(strategy, **settings):
    return Group(Individuals(partial(AxelrodPlayer, strategy, **settings)), 1)


def heard(groups, rounds=ROUNDS, seed=1, **world):
    listener = Listener()
    kernel = Kernel(RepeatedGame(**world), {"player": groups}, seed, rounds)
    kernel.attach(listener)
    kernel.run()
    return listener


def tournament(groups):
    """What the first of every pair scores against the second; (a, a) is the sum of both copies."""
    listener = heard(groups, pairing="round_robin", self_play=True)
    first = [row["seen"] for row in listener.rows if row["tick"] == 0]
    paid = Counter()
    for _, member, amount in listener.rewards:
        paid[first[member]["player"], first[first[member]["partner"]]["player"]] += amount
    return paid


@pytest.fixture(scope="module")
def library():
    """The same from the library's matches of unknown length."""
    told = {"length": float("inf"), "game": axl.Game(), "noise": 0}
    paid = Counter()
    for (i, one), (j, other) in combinations_with_replacement(enumerate(STRATEGIES), 2):
        match = axl.Match((getattr(axl, one)(), getattr(axl, other)()), ROUNDS, match_attributes=told)
        match.play()
        for pair, score in zip([(i, j), (j, i)], match.final_score(), strict=True):
            paid[pair] += score
    return paid


def test_a_round_robin_scores_as_in_the_library(library):
    assert tournament([seat(name) for name in STRATEGIES]) == library


def test_ours_and_theirs_of_one_name_are_the_same_player(library):
    mixed = [Group(OURS[name](), 1) if name in OURS else seat(name) for name in STRATEGIES]
    assert tournament(mixed) == library


class TestRandom(AgentSuite):
    role = "player"

    def world(self):
        return RepeatedGame(pairing="round_robin", noise=0.2)

    def agent(self):
        return AxelrodPlayer("Random", {"p": 0.3})


class TestStateful(TestRandom):
    """One that remembers more than the history."""

    def agent(self):
        return AxelrodPlayer("Gradual")


class TestWrapped(TestRandom):
    """One whose class the library makes from another, and pickles in its own way."""

    def agent(self):
        return AxelrodPlayer("BackStabber")


class TestSequence(TestRandom):
    """One that the library pickles as the rounds that it has played."""

    def agent(self):
        return AxelrodPlayer("ThueMorse")


class TestOfManyPlayers(TestRandom):
    def agent(self):
        return AxelrodPlayer("MetaHunter")


def played(listener, member=0):
    return [row["done"]["cooperate"] for row in listener.rows if row["member"] == member]


def test_a_slip_is_remembered_as_it_was_played():
    listener = heard([seat("TitForTat"), seat("Grudger")], 60, noise=0.2)
    saw = [row["seen"]["other"] for row in listener.rows if row["member"] == 0]
    assert 0.0 in saw
    assert played(listener)[1:] == saw[1:]
    stays = heard([seat("WinStayLoseShift"), Group(Always(), 1)], 60, noise=0.2)
    seen = [(row["seen"]["own"], row["seen"]["other"]) for row in stays.rows if row["member"] == 0]
    assert played(stays)[1:] == [float(own == other) for own, other in seen[1:]]


def test_an_action_in_between_is_cooperation_with_that_chance():
    listener = heard([seat("TitForTat"), Group(Always(0.3), 1)], 2000)
    assert np.mean(played(listener)) == pytest.approx(0.3, abs=0.03)
    assert set(played(listener)) == {0.0, 1.0}


def test_every_seat_has_chance_of_its_own():
    listener = heard([Group(Individuals(partial(AxelrodPlayer, "Random")), 4)], 100)
    assert len({tuple(played(listener, member)) for member in range(4)}) == 4
    again = heard([Group(Individuals(partial(AxelrodPlayer, "Random")), 4)], 100, seed=2)
    assert played(again) != played(listener)


def test_who_sits_out_does_not_decide_anew():
    """A cycle goes on with the rounds that are played, not with those that are sat out."""
    listener = heard([seat("CyclerCCD"), Group(Always(), 2)], 60, pairing="matching")
    rounds = [row["seen"]["rounds"] for row in listener.rows if row["member"] == 0]
    assert rounds[-1] < 50
    assert played(listener) == [0.0 if n % 3 == 2 else 1.0 for n in rounds]


def test_the_library_does_not_decide_how_processes_start():
    code = (
        "import multiprocessing as m; from simworld_agents.axelrod_field import AxelrodPlayer;"
        "AxelrodPlayer('TitForTat'); print(m.get_start_method(allow_none=True))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_strategies_are_told_the_game_and_the_noise():
    told = AxelrodPlayer("TitForTat", game=[4.0, 1.0, 6.0, 2.0], noise=0.1)._player.match_attributes
    assert told["game"].RPST() == (4.0, 2.0, 1.0, 6.0)
    assert (told["length"], told["noise"]) == (float("inf"), 0.1)


def test_in_a_public_good_the_mean_of_the_others_is_the_other():
    listener = heard([seat("TitForTat"), Group(Always(0.0), 3)], 10, game="public_goods")
    assert played(listener) == [1.0] + [0.0] * 9


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("axelrod:TitForTaat", "found no strategy 'TitForTaat' among the library's 244; the nearest is TitForTat"),
        (
            "axelrod:Darwin",
            "Darwin reads its opponent's program and changes its opponent's memory; accepted: strategies that go by what was played",
        ),
        ("axelrod:Random, options: {q: 0.3}", "options: found 'q'; accepted: p"),
        ("axelrod:TitForTat, options: {p: 0.3}", "options: found 'p'; accepted: none"),
        ("axelrod:Random, options: {p: often}", "options: p: found 'often'; accepted: a number"),
        ("axelrod:TitForTat, game: [1, 2]", "game: found 2 payoffs; accepted: reward, sucker, temptation, punishment"),
    ],
)
def test_what_cannot_be_played_is_refused_before_a_run(tmp_path, block, message):
    file = tmp_path / "x.yaml"
    kind = block.partition(",")[0]
    file.write_text(
        f"world: {{kind: repeated_game}}\nroles: {{player: [{{kind: {block}}}, {{kind: always}}]}}\nhorizon: 5\n"
    )
    with pytest.raises(ScenarioError) as caught:
        check(load(file))
    assert str(caught.value) == f"{file}:2:18: roles.player.0: {kind}: {message}"


def test_options_reach_the_strategy():
    never = heard([seat("Random", options={"p": 0}), seat("GTFT", options={"p": 0.25})], 20)
    assert set(played(never)) == {0.0}


def test_a_mixed_society_of_ours_and_theirs():
    groups = [seat("TitForTat"), Group(MemoryOne(after_cd=0.25, after_dd=0.25), 1)]
    assert set(played(heard(groups, 50, actions="discrete"))) == {1.0}
