"""Minds that reason in text: prompts that say what is so, do not grow, and are never out of date."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.gateway import Request, answer_text, ask_seed
from simworld.kernel import Answer, Broker, Group, Individuals
from simworld.testing import AgentSuite, ScriptedGateway, play
from simworld.worlds.economy import Economy, Workforce, federal
from simworld_agents.economist import FixedPlanner, LlmPlanner, LlmWorker, RationalWorkers
from simworld_agents.economist._memory import Memory
from simworld_agents.prompts import Prompt

WORKERS = 5


def stand_in(ask) -> Answer:
    request = Request(ask.content["messages"], ask.content["schema"], seed=ask_seed(0, ask))
    return Answer(json.loads(answer_text(request)))


class _Society:
    horizon = 12

    def world(self):
        return Economy(brackets="three", tax_year=3)

    def counts(self):
        return {"planner": 1, "worker": WORKERS}

    def answer(self, ask):
        if ask.key[0] == "worker":
            return Answer({"thought": "as it is", "hours": 30.0 + ask.key[1]})
        name = "changes" if "changes" in ask.content["schema"]["properties"] else "rates"
        return Answer({"thought": "less", name: [10.0, 0.0, -10.0] if name == "changes" else [10.0, 20.0, 30.0]})


class TestWorker(_Society, AgentSuite):
    role = "worker"

    def agent(self):
        return LlmWorker(persona="You like to sleep late.")


class TestPlanner(_Society, AgentSuite):
    role = "planner"

    def agent(self):
        return LlmPlanner(explore=2)


class TestPlannerOfChanges(_Society, AgentSuite):
    role = "planner"

    def agent(self):
        return LlmPlanner(action="changes", objective="what everybody has together")


def society(worker=LlmWorker, planner=lambda: FixedPlanner("us_2024"), answer=stand_in, horizon=30, **world):
    """Play, and return what was asked, by role, with what came of it."""
    seating = {
        "worker": [Group(Individuals(worker), WORKERS)],
        "planner": [Group(Individuals(planner), 1)],
    }
    gateway = ScriptedGateway(answer)
    played = play(Economy(**{"tax_year": 6, **world}), seating, horizon=horizon, broker=Broker(gateway))
    texts = {role: [a.content["messages"][1]["content"] for a in gateway.asked if a.key[0] == role] for role in seating}
    return played, gateway, texts


def test_a_worker_is_told_who_it_is_and_what_happened_to_it():
    played, gateway, _texts = society(lambda: LlmWorker(persona="You are a careful nurse."), horizon=3)
    rows = [r for r in played.heard.rows if r["role"] == "worker" and r["member"] == 2]
    mine = [a for a in gateway.asked if a.key[:2] == ("worker", 2)]
    system = mine[0].content["messages"][0]["content"]
    assert system.startswith("You are worker 2, one of many people who work for a living. You are a careful nurse.")
    assert f"At 40 hours a week you earn ${40 * rows[0]['seen']['skill']:,.0f} a year" in system
    assert "You are not told how it is computed" in system
    assert "labour_cost" not in system
    third, seen = mine[2].content["messages"][1]["content"], rows[2]["seen"]
    hours = f"{seen['hours']:.1f}".removesuffix(".0")
    expected = (
        f"- rates [10, 12, 22, 24, 32, 35, 37], hours {hours}, income ${seen['income']:,.0f}, tax ${seen['tax']:,.0f},"
        f" rebate ${seen['rebate']:,.0f}, utility {seen['utility']:,.0f}"
    )
    assert expected in third
    assert third.index("Now: rates [10, 12, 22, 24, 32, 35, 37]") > third.index(expected)
    assert rows[2]["mind"]["thought"]


def test_the_formula_is_told_only_if_asked_for():
    _, gateway, _ = society(lambda: LlmWorker(formula=True), horizon=1)
    system = gateway.asked[0].content["messages"][0]["content"]
    cost = Workforce(np.ones(1), float(re.search(r"rebate - ([\d.e-]+) \*", system)[1]), 0.4).cost
    assert f"utility = income - tax + rebate - {cost:.6g} * hours ** 3.5." in system


def test_prompts_do_not_grow_with_time():
    def restless(ask):
        return Answer({"thought": "", "hours": float((37 * ask.key[2] + 11 * ask.key[1]) % 1000) / 10})

    _, _, texts = society(answer=restless, horizon=400)
    lengths = [len(text) for text in texts["worker"]]
    assert max(lengths[50 * WORKERS :]) < 1.05 * np.mean(lengths[40 * WORKERS : 60 * WORKERS])


def test_a_planners_prompt_does_not_grow_with_the_population():
    def told(count):
        seating = {"worker": [Group(RationalWorkers(), count)], "planner": [Group(Individuals(LlmPlanner), 1)]}
        gateway = ScriptedGateway(stand_in)
        play(Economy(tax_year=1), seating, horizon=12, broker=Broker(gateway))
        return len(gateway.asked[-1].content["messages"][1]["content"])

    assert abs(told(5_000) - told(50)) < 60


def test_a_worker_tries_after_the_rates_have_changed_and_then_settles():
    _, _, texts = society(lambda: LlmWorker(explore=2), lambda: LlmPlanner(explore=99), horizon=18)
    cues = ["Choose the best" in text for text in texts["worker"]]
    by_period = np.array(cues).reshape(18, WORKERS).all(axis=1)
    # a planner moves every six periods: two of trying, four of staying
    assert by_period.tolist() == ([False] * 2 + [True] * 4) * 3


def test_a_worker_learns_what_a_rational_one_knows():
    played, _, _ = society(horizon=12, tax_year=12)
    rows = [r for r in played.heard.rows if r["role"] == "worker" and r["tick"] == 11]
    skills = np.array([r["seen"]["skill"] for r in rows])
    best = Workforce(skills, rows[0]["seen"]["labour_cost"], 0.4).best_response(federal(2024))
    chosen = np.array([r["done"]["hours"] for r in rows])
    assert np.abs(chosen - best).mean() < 6  # hours a week; it began at 40, up to 30 away


def test_the_best_that_a_planner_is_shown_is_the_best():
    played, _gateway, texts = society(RationalAgent, LlmPlanner, horizon=120, tax_year=6)
    welfare = {}
    for row in [r for r in played.heard.rows if r["role"] == "planner"][1:]:
        welfare[tuple(np.round(100 * row["seen"]["rates"], 1))] = row["seen"]["welfare"]
        shown = float(row["mind"]["best_welfare"])
        assert shown == pytest.approx(max(welfare.values()))
    last = texts["planner"][-1]
    first = last[last.index("The best of all tax years") :].splitlines()[1]
    found = re.match(r"- rates \[(.*)\], welfare (.*)", first)
    assert welfare[tuple(float(x) for x in found[1].split(","))] == max(welfare.values())
    assert found[2] == f"{max(welfare.values()):,.0f}"


class RationalAgent(LlmWorker):
    """A worker who knows, and asks nobody."""

    def __init__(self):
        pass

    def act(self, seen, seat):
        force = Workforce(np.array([seen["skill"]]), seen["labour_cost"], seen["elasticity"])
        from simworld.worlds.economy import Schedule

        return {"hours": float(force.best_response(Schedule(seen["edges"], seen["rates"]))[0])}


def test_changes_are_added_to_the_rates_in_force_and_kept_within_bounds():
    def change(ask):
        return Answer({"thought": "", "changes": [20.0, -20.0, 5.5, 0, 0, 0, 0]})

    played, _gateway, texts = society(RationalAgent, lambda: LlmPlanner(action="changes"), change, horizon=36)
    rates = [np.round(100 * r["done"]["rates"][:3], 1).tolist() for r in played.heard.rows if r["role"] == "planner"]
    assert rates == [[70, 30, 55.5], [90, 10, 61], [100, 0, 66.5], [100, 0, 72], [100, 0, 77.5], [100, 0, 83]]
    assert (
        "- changes [-10, 10, -5.5, 0, 0, 0, 0] lead to rates [90, 10, 61, 50, 50, 50, 50], welfare"
        in texts["planner"][3]
    )


def test_without_a_usable_answer_everything_stays_as_it_is():
    def silent(ask):
        return Answer(ask.content["fallback"], "invalid", "nonsense", "fallback")

    played, _, _ = society(answer=silent, planner=LlmPlanner, horizon=12)
    for row in played.heard.rows:
        assert row["fault"] == ("invalid", "nonsense")
        if row["role"] == "worker":
            assert row["done"]["hours"] == row["seen"]["hours"] == 40.0
        else:
            assert row["done"]["rates"] == pytest.approx(row["seen"]["rates"])


def test_prompts_are_recorded_with_each_ask_and_declared():
    _, gateway, _ = society(horizon=1)
    about = gateway.asked[0].content["about"]["prompts"]
    assert [digest[:12] for digest in LlmWorker.prompts.values()] == about
    assert set(LlmPlanner.prompts) == {"planner_system", "planner"}


# -- prompts and memory ----------------------------------------------------------------------------------------------


def test_a_prompt_says_what_it_needs(tmp_path: Path):
    path = tmp_path / "greet.j2"
    path.write_text("Hello {{ name }}, you have {{ money | money }}{% if more %} and {{ more | plain }}{% endif %}.\n")
    prompt = Prompt(path, ("name", "money", "more"))
    assert prompt.render(name="Ann", money=-1234.5, more=2.0) == "Hello Ann, you have -$1,234 and 2."
    with pytest.raises(ContractError, match=r"found inputs \['name'\]; accepted: \['money', 'more', 'name'\]"):
        prompt.render(name="Ann")
    with pytest.raises(ContractError, match=r"uses \['money', 'more', 'name'\]; declared: \['name'\]"):
        Prompt(path, ("name",)).render(name="Ann")
    before = prompt.digest
    path.write_text("changed")
    assert prompt.digest == before  # of what is used, not of what lies there now
    assert Prompt(path, ()).digest != before


class Trial:
    def __init__(self, key, score):
        self.key, self.score = key, score


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-100, 100))), st.integers(0, 4), st.integers(0, 4))
def test_memory_keeps_the_latest_and_the_best_of_each(trials, window, keep):
    memory = Memory(window, keep)
    for key, score in trials:
        memory.add(Trial(key, score))
    assert [(t.key, t.score) for t in memory.latest] == (trials[-window:] if window else [])
    scores = [t.score for t in memory.best]
    assert scores == sorted(scores, reverse=True)
    assert len({t.key for t in memory.best}) == len(memory.best) <= keep
    # with room for all, the best of what was tried last under each key
    if keep > 5:
        assert {t.key: t.score for t in memory.best} == dict(trials)
