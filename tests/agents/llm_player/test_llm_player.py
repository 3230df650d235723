"""Players who reason in text: prompts that say what is so and do not grow, and choices that have their own faults."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from simworld.errors import ContractError
from simworld.execution import Order, execute, replay_run
from simworld.gateway import Desk, ModelSpec, request_of
from simworld.kernel import Answer, Broker, Group, Individuals, Tape
from simworld.scenario import load
from simworld.testing import AgentSuite, ScriptedGateway, play
from simworld.worlds.games import RepeatedGame
from simworld_agents.classic import Always, Phase, Scheduled, TitForTat
from simworld_agents.llm_player import LlmPlayer, Past

TOLD = """\
You play a game, round after round. You are shy.

In every round you and whoever you meet choose at the same time: a number from 0 to 1, where 1 is cooperate and 0 is defect. It may go on for long.

What a round pays you, your choice first:
- cooperate against cooperate: 3
- cooperate against defect: 0
- defect against cooperate: 5
- defect against defect: 1
What lies in between pays in proportion.

Goal: maximise your payoff."""
ASKED = 'Answer with JSON: {"thought": "one short sentence", "choice": a number from 0 to 1}'
NEUTRAL = {"actions": "discrete", "labels": ("J", "F")}


class TestPlayer(AgentSuite):
    role = "player"

    def world(self):
        return RepeatedGame(pairing="matching", noise=0.2)  # three players: one sits out

    def answer(self, ask):
        return Answer({"thought": "so", "choice": (ask.key[1] + ask.key[2]) % 4 / 4})

    def agent(self):
        return LlmPlayer(persona="You are patient.")


class TestPlayerOfTwoOptions(TestPlayer):
    def world(self):
        return RepeatedGame(pairing="round_robin", actions="discrete", noise=0.2)

    def answer(self, ask):
        return Answer({"thought": "so", "choice": "JF"[(ask.key[1] + ask.key[2]) % 2]})

    def agent(self):
        return LlmPlayer(**NEUTRAL, window=2)


def society(*groups, answer=lambda ask: Answer({"thought": "", "choice": 0.5}), horizon=6, world=None, seed=0):
    """Play, and return the rows of the first player, and what it was shown."""
    gateway = ScriptedGateway(answer)
    played = play(world or RepeatedGame(), {"player": list(groups)}, seed, horizon, Broker(gateway))
    mine = [[m["content"] for m in a.content["messages"]] for a in gateway.asked if a.key[1] == 0]
    rows = [r for r in played.heard.rows if r["member"] == 0]
    return rows, mine, [a for a in gateway.asked if a.key[1] == 0]


def player(**settings):
    return Group(Individuals(lambda: LlmPlayer(**settings)), 1)


# -- what it is told -------------------------------------------------------------------------------------------------


def test_it_is_told_what_the_game_pays_and_what_its_past_came_to():
    schedule = Group(Scheduled([Phase(1), Phase(1, 0.0), Phase(9, 0.25)]), 1)
    rows, texts, asked = society(player(persona="You are shy.", rules="It may go on for long."), schedule)
    assert texts[0][0] == TOLD
    assert texts[0][1] == f"This is the first round.\n{ASKED}"
    assert {text[0] for text in texts} == {texts[0][0]}  # what does not change can be kept by a server
    assert texts[3][1].splitlines()[:-1] == [
        "The last rounds, the oldest first:",
        "- round 1: your choice 0.5, the other's choice 1, payoff 4",
        "- round 2: your choice 0.5, the other's choice 0, payoff 0.5",
        "- round 3: your choice 0.5, the other's choice 0.25, payoff 1.38",
        "Rounds so far: 3, on average 1.96 for you and 41.67 % cooperate from the other.",
    ]
    assert [row["done"]["cooperate"] for row in rows] == [0.5] * 6
    assert asked[0].content["schema"]["properties"]["choice"] == {"type": "number", "minimum": 0, "maximum": 1}
    assert asked[0].content["about"]["prompts"] == [digest[:12] for digest in LlmPlayer.prompts.values()]


def test_neutral_labels_leave_no_other_word_for_what_is_played():
    def says(ask):
        return Answer({"thought": "", "choice": "JFF"[ask.key[2] % 3]})

    schedule = Group(Scheduled([Phase(2), Phase(1, 0.0), Phase(9, 0.4)]), 1)
    rows, texts, asked = society(player(**NEUTRAL), schedule, answer=says)
    assert [row["done"]["cooperate"] for row in rows] == [1.0, 0.0, 0.0] * 2
    assert not [t for text in texts for t in text if "cooperat" in t or "defect" in t]
    assert "choose at the same time: J or F.\n" in texts[0][0]
    assert "- J against F: 0\n- F against J: 5\n" in texts[0][0]
    assert texts[4][1].splitlines()[1:] == [
        "- round 1: your choice J, the other's choice J, payoff 3",
        "- round 2: your choice F, the other's choice J, payoff 5",
        "- round 3: your choice F, the other's choice F, payoff 1",
        "- round 4: your choice J, the other's choice 40 % J, payoff 1.2",
        "What lies between F and J pays in proportion.",
        "Rounds so far: 4, on average 2.55 for you and 60 % J from the other.",
        'Answer with JSON: {"thought": "one short sentence", "choice": "J" or "F"}',
    ]
    assert "between" not in texts[3][1]
    assert asked[0].content["schema"]["properties"]["choice"] == {"enum": ["J", "F"]}


def test_the_prompt_shows_a_window_and_does_not_grow():
    def says(ask):
        return Answer({"thought": "", "choice": ask.key[2] * 37 % 100 / 100})

    _, texts, _ = society(player(window=4), Group(TitForTat(), 1), answer=says, horizon=300)
    shown = [[line for line in text[1].splitlines() if line.startswith("- round")] for text in texts]
    assert [len(lines) for lines in shown] == [0, 1, 2, 3] + [4] * 296
    assert [line.partition(":")[0] for line in shown[-1]] == [f"- round {n}" for n in (296, 297, 298, 299)]
    lengths = [len(text[1]) for text in texts]
    assert max(lengths[150:]) <= max(lengths[:150]) + 8  # numbers of rounds have a digit more
    _, texts, _ = society(player(window=0), Group(TitForTat(), 1), horizon=3)
    assert texts[2][1].startswith("Rounds so far: 2, on average 3.12 for you and 75 % cooperate from the other.")


def test_an_untold_game_is_learned_from_the_past():
    game = RepeatedGame(game="public_goods", group_size=3)
    told = {"game": "untold", "rules": "What three of you put in is multiplied by 1.6, and shared by all."}
    _, texts, _ = society(player(**told), Group(Always(1.0), 2), world=game, horizon=2)
    assert "You are not told what a round pays: learn it from your own past.\n" in texts[0][0]
    assert "against" not in texts[0][0]
    assert "your choice 0.5, the other's choice 1, payoff 1.83" in texts[1][1]
    _, texts, _ = society(player(game="untold"), world=RepeatedGame(game="public_goods", group_size=2), horizon=2)
    assert (
        "- round 1: your choice 0.5, nobody else, payoff 1.3\nRounds so far: 1, on average 1.3 for you.\n"
        in texts[1][1]
    )


def test_whoever_is_told_another_game_than_is_played_ends_the_episode():
    with pytest.raises(ContractError, match=r"0\.5 against 1 pays 4, the world paid 3\.5; accepted: the world's game"):
        society(player(), Group(Always(1.0), 1), world=RepeatedGame(game="stag_hunt"))
    for same in ("stag_hunt", [4.0, 0.0, 3.0, 2.0], "untold"):
        society(player(game=same), Group(Always(0.3), 1), world=RepeatedGame(game="stag_hunt", noise=0.3), horizon=20)


@pytest.mark.parametrize("labels", [("J", "J"), ("", "F"), ("J", " J")])
def test_labels_can_be_told_apart(labels):
    with pytest.raises(ValueError, match=r"labels: found .*; accepted: two different words"):
        LlmPlayer(labels=labels)


def test_who_sits_out_remembers_no_round_more():
    """Three players of random pairs: in every round one of them has nobody to play with."""
    rows, texts, _ = society(
        player(window=50), Group(Always(1.0), 2), world=RepeatedGame(pairing="matching"), horizon=40
    )
    rounds = [row["seen"]["rounds"] for row in rows]
    assert 15 < rounds[-1] < 35
    for text, number in zip(texts, rounds, strict=True):
        shown = [line for line in text[1].splitlines() if line.startswith("- round")]
        assert [line.partition(":")[0] for line in shown] == [f"- round {n + 1}" for n in range(number)]
        assert (f"Rounds so far: {number}, on average 4 for you and 100 %" in text[1]) == (number > 0)


def test_a_past_is_a_value():
    past = Past(2)
    seen = {"rounds": 1, "own": 1.0, "other": math.nan, "payoff": 1.6}
    one = past.with_seen(seen)
    assert (past.rounds, one.rounds, one.met, one.payoff) == (0, 1, 0, 1.6)
    assert one.with_seen(seen) is one  # the same round, seen once more


# -- what comes of an answer -----------------------------------------------------------------------------------------

STUDY = """
name: talk
world: {{kind: repeated_game}}
roles:
  player:
    - {{kind: llm_player, {player}}}
    - {{kind: scheduled, phases: [{{rounds: 2}}, {{rounds: 2, level: 0}}, {{rounds: 9}}]}}
horizon: 6
models: {{default: {model}}}
"""


def run(tmp_path: Path, model: str, player: str, *overrides: str):
    """Run the study, and return its outcome and the decisions of the player who asks."""
    from simworld_analysis import open_run

    (tmp_path / "talk.yaml").write_text(STUDY.format(model=model, player=player))
    outcome = execute(Order(load(tmp_path / "talk.yaml", list(overrides)), tmp_path / "runs"))
    opened = open_run(outcome.run)
    rows = opened.table("decisions.player")
    return outcome, opened, rows[(rows["agent"] == 0) & rows["end"].isna()].reset_index(drop=True)


def served(url: str) -> str:
    return f'{{model: openai/scripted, base_url: "{url}"}}'


def test_a_model_behind_a_server_plays(serve, said, tmp_path):
    def script(body, number):
        choices = body["response_format"]["json_schema"]["schema"]["properties"]["choice"]["enum"]
        first = "This is the first round" in body["messages"][1]["content"]
        theirs = body["messages"][1]["content"].rpartition("the other's choice ")[2][:1]
        return said(json.dumps({"thought": f"round {number}", "choice": choices[0] if first else theirs}))

    server = serve(script)
    outcome, opened, mine = run(tmp_path, served(server.url), "actions: discrete, labels: [J, F]")
    assert outcome.status == "success"
    assert mine["act.cooperate"].tolist() == [1, 1, 1, 0, 0, 1]  # tit for tat
    assert mine["mind.thought"].tolist() == [f"round {n}" for n in range(6)]
    assert mine["fault"].isna().all()
    assert len(server.requests) == 6 == len(opened.table("asks"))
    assert server.requests[0]["messages"][0]["content"].startswith("You play a game, round after round.")
    server.__exit__()
    assert replay_run(outcome.run).identical


def test_a_bad_answer_is_repaired_once_or_replaced_by_the_last_choice_and_flagged(serve, said, tmp_path):
    good, bad = json.dumps({"thought": "", "choice": "F"}), json.dumps({"thought": "", "choice": "betray"})
    # Two bad ones in the first round; one, and a good one, in the second; bad ones ever after.
    script = [bad, "well", bad, good]
    server = serve(lambda body, n: said(script[n] if n < len(script) else bad))
    outcome, opened, mine = run(
        tmp_path, served(server.url), "actions: discrete, labels: [J, F]", "faults.most=0.9", "horizon=4"
    )
    assert outcome.status == "success"
    assert mine["act.cooperate"].tolist() == [1, 0, 0, 0]  # the first option at first, then what it chose last
    assert mine["fault"].tolist() == ["invalid", "mended", "invalid", "invalid"]
    assert len(server.requests) == 8
    assert "That answer cannot be used" in server.requests[1]["messages"][-1]["content"]
    asks = opened.table("asks").sort_values("decision")
    assert asks["source"].tolist() == ["fallback", "scripted-2026-01-01", "fallback", "fallback"]
    assert set(opened.table("faults")["kind"]) == {"invalid", "mended"}


def test_a_number_out_of_bounds_is_not_played(serve, said, tmp_path):
    answers = [0.25, 7, -1, 0.5]
    server = serve(lambda body, n: said(json.dumps({"thought": "", "choice": answers[min(n // 2, 3)]})))
    _, _, mine = run(tmp_path, served(server.url), "actions: continuous", "faults.most=1")
    assert mine["act.cooperate"].tolist()[:2] == [0.25, 0.25]
    assert mine["act.cooperate"].between(0, 1).all()


# -- stand-ins -------------------------------------------------------------------------------------------------------


def test_the_reciprocal_stand_in_plays_generous_tit_for_tat(tmp_path):
    outcome, opened, mine = run(tmp_path, "stand-in/reciprocal", "actions: discrete, labels: [J, F]", "horizon=13")
    assert outcome.status == "success"
    assert opened.stand_ins == ("stand-in/reciprocal",)
    assert set(opened.table("asks")["source"]) == {"stand-in/reciprocal"}
    theirs = mine["obs.other"].fillna(1.0)
    forgave = mine["mind.thought"].str.endswith("I forgive it")
    assert mine["act.cooperate"].tolist() == theirs.where(~forgave, 1.0).tolist()
    assert mine["mind.thought"][0] == "nothing to answer yet; I give my best"
    assert (outcome.run / "run.json").exists()
    assert replay_run(outcome.run).identical


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_it_forgives_one_time_in_ten(actions):
    gateway = Desk().gateway({"default": ModelSpec("stand-in/reciprocal")}, 5)
    seating = {"player": [player(actions=actions), Group(Always(0.0), 1)]}
    played = play(RepeatedGame(), seating, horizon=1000, broker=Broker(gateway, Tape()))
    done = [row["done"]["cooperate"] for row in played.heard.rows if row["member"] == 0]
    assert set(done) == {0.0, 1.0}
    assert 70 < sum(done) < 130


def test_the_default_stand_in_learns_from_the_payoffs_that_it_is_shown(tmp_path):
    """Against one who cooperates come what may, less cooperation always pays more."""
    outcome, _, mine = run(tmp_path, "stand-in/in-context", "window: 10", "horizon=40", "roles.player.1.phases=[{rounds: 99}]")  # fmt: skip
    assert outcome.status == "success"
    assert mine["mind.thought"][20].startswith("best so far")
    assert mine["act.cooperate"][30:].mean() < 0.1


def test_what_it_asks_is_a_proper_request():
    _, _, asked = society(player(**NEUTRAL), Group(Always(1.0), 1), answer=lambda a: Answer({"choice": "J"}))
    assert [len(request_of(ask, 0).messages) for ask in asked] == [2] * 6
