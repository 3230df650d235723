"""Members and experts who are asked: what they are told, what they do with an answer, and what without one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from simworld.execution import Order, execute, replay_run
from simworld.kernel import Answer, Broker, Group, Individuals, read_tape
from simworld.scenario import load
from simworld.testing import AgentSuite, ScriptedGateway, play
from simworld.worlds.casework import Casework, plain
from simworld_agents.caseworker import LlmExpert, LlmSolver, PersonExpert, SimulatedExpert
from simworld_analysis import open_run

CSV = 'question,answer\n"What is 2 + 2?",4\n"What is 3 + 4?",7\n"What is 5 + 6?",11\n'


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("questions") / "sums.csv"
    path.write_text(CSV)
    return str(path)


class _Words(AgentSuite):
    horizon = 12

    @pytest.fixture(autouse=True)
    def _file(self, file):
        self.file = file

    def world(self):
        return Casework("csv", cases=2, file=self.file)

    def counts(self):
        return {"member": 3, "expert": 2}

    def answer(self, ask):
        options = ask.content["schema"]["properties"].get("move", {}).get("enum", [""])
        move = options[(ask.key[1] + ask.key[2]) % len(options)]
        said = {"thought": "so", "answer": str(ask.key[2]), "confidence": 0.5}
        return Answer(said | ({"move": move} if move else {}))


class TestSolver(_Words):
    role = "member"

    def agent(self):
        return LlmSolver(persona="You are careful.")


class TestSolverWithAPolicy(_Words):
    role = "member"

    def agent(self):
        return LlmSolver(policy="random")


class TestSolverOnTheStage(_Words):
    role = "member"

    def world(self):
        return Casework(cases=2)

    def answer(self, ask):
        said = super().answer(ask).value
        return Answer(said | {"answer": int(said["answer"]) % 4})

    def agent(self):
        return LlmSolver()


class TestExpert(_Words):
    role = "expert"

    def agent(self):
        return LlmExpert()


class TestPerson(_Words):
    role = "expert"

    def answer(self, ask):
        return Answer("7")

    def agent(self):
        return PersonExpert(deadline=5)


# -- what they are told, and do --------------------------------------------------------------------------------------


def society(file, says, policy="asked", expert=None, seed=0, **world):
    """One team on one case; returns what was asked, and the rows."""
    gateway = ScriptedGateway(says)
    seating = {
        "member": [Group(Individuals(lambda: LlmSolver(policy=policy)), 3)],
        "expert": [Group(expert or SimulatedExpert(accuracy=1.0), 1)],
    }
    cast = Casework(**({"source": "csv", "cases": 1, "rounds": 1, "file": file} | world))
    heard = play(cast, seating, seed, 20, Broker(gateway)).heard
    return [a for a in gateway.asked if a.key[0] == "member"], heard.rows, heard


def says(*answers, move="copy member 2"):
    def one(ask):
        said = {"thought": "hm", "answer": answers[ask.key[1]], "confidence": 0.25 * (ask.key[1] + 1)}
        wants = "move" in ask.content["schema"]["properties"]
        return Answer(said | ({"move": move if ask.key[1] != 1 else "answer anew"} if wants else {}))

    return one


def test_a_member_is_told_what_the_others_said_and_how_far_they_agree(file):
    asked, rows, heard = society(file, says("4", "7", "7."))
    texts = [[m["content"] for m in a.content["messages"]] for a in asked]
    assert texts[0][0].startswith("You are member 1 of 3 who work on the same question.\n\nFirst each answers alone.")
    assert "- answer anew: 0.1\n- ask the expert: 0.3" in texts[0][0]
    question = rows[0]["seen"]["question"]
    form = '{"thought": "a few short sentences", "answer": "the answer alone", "confidence": a number from 0 to 1}'
    assert texts[0][1] == f"{question}\n\nAnswer with JSON: {form}"
    lines = texts[3][1].splitlines()
    assert lines[0] == question
    assert lines[2] == "Your answer so far: 4"
    assert lines[3:6] == ["The others' answers:", "- member 2: 7 (sure by 0.50)", "- member 3: 7. (sure by 0.75)"]
    assert lines[6:10] == [
        "- agreement with your answer: 1 of 3 (isolated)",
        "- different answers: 2",
        "- lead of the answer of most: weak",
        "- your answer is not the same as a round before",
    ]
    options = asked[3].content["schema"]["properties"]["move"]["enum"]
    assert sorted(options) == ["answer anew", "ask the expert", "copy member 2", "copy member 3"]
    assert [line for line in lines[12:] if line.startswith("- ")] == [f"- {o}" for o in options]
    assert [row["done"]["move"] for row in rows[3:6]] == [1, 3, 1]
    assert [row["done"]["answer"] for row in rows[3:6]] == ["", "7", ""]
    assert [row["mind"]["thought"] for row in rows] == ["hm"] * 6
    assert heard.samples[-1][1]["create_rate"] == pytest.approx(1 / 3)


def test_no_move_always_stands_first(file):
    first = set()
    for seed in range(12):
        asked, _, _ = society(file, says("4", "7", "7"), seed=seed)
        first.add(asked[3].content["schema"]["properties"]["move"]["enum"][0])
    assert len(first) == 4


def test_without_a_usable_decision_the_answer_of_most_is_taken_over_and_that_is_flagged(file):
    def refuses(ask):
        if "move" in ask.content["schema"]["properties"]:
            return Answer(ask.content["fallback"], fault="invalid")
        return says("4", "7", "7")(ask)

    _, rows, _ = society(file, refuses)
    assert [row["done"]["move"] for row in rows[3:6]] == [2, 2, 1]  # of two that agree, who is surer
    assert [row["fault"][0] for row in rows[3:6]] == ["invalid"] * 3


def test_with_a_policy_a_model_is_asked_for_answers_alone(file):
    asked, rows, _ = society(file, says("4", "7", "9"), policy="always_defer")
    assert len(asked) == 3
    assert [row["done"]["move"] for row in rows[3:6]] == [4, 4, 4]
    asked, rows, _ = society(file, says("4", "7", "9"), policy="always_create")
    assert len(asked) == 6
    assert "Your answer so far: 4\n\nThe others' answers:\n- member 2: 7" in asked[3].content["messages"][1]["content"]
    assert not any("costs" in a.content["messages"][0]["content"] for a in asked)


def test_who_cannot_answer_anew_keeps_what_it_has(file):
    def once(ask):
        return says("4", "7", "9")(ask) if ask.key[2] == 0 else Answer(ask.content["fallback"], fault="timeout")

    _, rows, _ = society(file, once, policy="always_create")
    assert [row["done"]["answer"] for row in rows[3:6]] == ["4", "7", "9"]
    assert [row["done"]["confidence"] for row in rows[3:6]] == [0.25, 0.5, 0.75]


def test_what_somebody_answers_is_never_executed(file, tmp_path):
    code = f"__import__('pathlib').Path({str(tmp_path / 'harm')!r}).touch()"
    _, _, heard = society(file, says(code, code, code), policy="always_create")
    assert heard.samples[-1][1]["accuracy"] == 0.0
    assert not (tmp_path / "harm").exists()


# -- whole runs ------------------------------------------------------------------------------------------------------

TEXT = """
world: {{kind: 'simworld.worlds.casework:Casework', {world}}}
roles:
  member: {{kind: 'simworld_agents.caseworker:LlmSolver', count: 6, policy: {policy}}}
  expert: {{kind: 'simworld_agents.caseworker:{expert}', count: 2}}
models: {{default: stand-in/in-context, expert: stand-in/in-context}}
people: {{default: {{kind: scripted, answers: {answers}}}}}
horizon: 100
faults: {{most: 1}}
"""


def ran(tmp_path, world, expert="LlmExpert", policy="asked", answers="[7]"):
    (tmp_path / "it.yaml").write_text(TEXT.format(world=world, expert=expert, policy=policy, answers=answers))
    return open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs", new=True)).run)


@pytest.mark.parametrize("source", ["stage", "csv"])
@pytest.mark.parametrize("expert", ["LlmExpert", "PersonExpert", "SimulatedExpert"])
def test_one_line_fills_the_seat_of_an_expert(source, expert, tmp_path, file):
    run = ran(
        tmp_path,
        f"source: {source}, cases: 3, file: '{file}'",
        expert,
        answers="[1, 2]" if source == "stage" else "['7']",
    )
    assert run.manifest["status"] == "success"
    assert replay_run(run.path).identical
    if expert == "PersonExpert":
        asked = [ask for ask, _ in read_tape(next((run.path / "tape").glob("*.tape"))) if ask.kind == "person"]
        assert asked
        assert all("member 1: " in str(ask.content["context"]["their answers"]) for ask in asked)


@pytest.mark.parametrize(
    ("member", "expert"),
    [("random, count: 3", "random"), ("random, count: 3", "llm_agent"), ("llm_agent, count: 3", "person")],
)
def test_minds_for_any_role_fill_these_seats(member, expert, tmp_path):
    (tmp_path / "it.yaml").write_text(
        "world: {kind: 'simworld.worlds.casework:Casework', cases: 3}\n"
        f"roles: {{member: {{kind: {member}}}, expert: {{kind: {expert}}}}}\nhorizon: 50\n"
        "people: {default: {kind: scripted, answers: [1, 2]}}\n"
    )
    run = open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).run)
    assert run.manifest["status"] == "success"
    assert run.table("measures")["cases"].iloc[-1] == 3.0
    assert replay_run(run.path).identical


def test_a_person_who_says_nothing_in_time_refuses(tmp_path, file):
    run = ran(tmp_path, f"source: csv, cases: 2, file: '{file}'", "PersonExpert", "always_defer", "[null, '7']")
    rows = run.table("decisions.expert")
    rows = rows[rows["end"].isna()]
    assert rows["act.answer"].tolist()[:4] == ["", "", "7", "7"]
    assert (rows["fault"] == "timeout").sum() == (rows["act.answer"] == "").sum()
    assert run.table("measures")["refusal_rate"].iloc[-1] == pytest.approx((rows["act.answer"] == "").mean())


@pytest.mark.parametrize("source", ["csv", "reasoning"])
def test_offline_the_stand_in_is_worth_what_it_is_worth(source, tmp_path, file):
    """Counted once more, from what it said and what is right."""
    if source == "reasoning":
        pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed: simworld[reasoning]")
    settings = {"source": source, "tasks": {"syllogism": {}, "count_bits": {}}, "file": file, "cases": 5}
    run = ran(tmp_path, json.dumps(settings)[1:-1], policy="always_create")
    assert run.manifest["status"] == "success"
    world = Casework(**settings)
    right = {c: [plain(k) for k in world._questions.deal(0, c, np.arange(2)).key] for c in range(5)}
    rows = run.table("decisions.member")
    alone = rows[(rows["obs.round"] == 0) & rows["end"].isna()]
    said = zip(alone["act.answer"], alone["obs.case"], alone["obs.team"], strict=True)
    hits = [plain(answer) == right[case][team] for answer, case, team in said]
    assert len(hits) == 30
    assert run.table("measures")["accuracy_alone"].iloc[-1] == np.mean(hits) < 0.2
    assert run.table("asks")["source"].str.startswith("stand-in").all()
