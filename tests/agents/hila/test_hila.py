"""HILA: what candidates are worth, a policy that learns when to ask, and solvers that learn from what they are told."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from simworld.cli._train import train as train_command
from simworld.errors import ScenarioError
from simworld.execution import Order, check, execute, replay_run
from simworld.kernel import Answer, Broker, Group, Individuals
from simworld.learning._school import Classroom
from simworld.learning._stage import Part
from simworld.learning._stage import Stage as Play
from simworld.scenario import load
from simworld.spaces import Grpo, gradient
from simworld.testing import AgentSuite, CohortSuite, ScriptedGateway, play
from simworld.worlds.casework import Casework, Stage
from simworld_agents.caseworker import CUES, NEEDS, SimulatedExpert, Solver, candidates, train
from simworld_agents.hila import (
    DeferencePolicy,
    Demonstrations,
    Hila,
    HilaLearner,
    LlmHila,
    Met,
    Refit,
    groups_of,
    refitted,
    regret,
    values_of,
)
from simworld_agents.hila._watching import Decisions, Watched
from simworld_analysis import open_run
from simworld_analysis.report import render_report

SCENARIO = """
name: when_to_ask
world: {kind: casework, cases: 5}
roles: {member: {kind: team_member, count: 30}, expert: {kind: expert, count: 10}}
horizon: 40
episodes: 1
measures: [net_utility]
train: {algo: hila, learners: [member], steps: 300, seeds: 1, settings: SETTINGS}
"""


class _Teams(CohortSuite):
    role = "member"
    horizon = 14

    def world(self):
        return Casework(cases=4)

    def counts(self):
        return {"member": 6, "expert": 1}


class TestUntrained(_Teams):
    def cohort(self):
        return Hila(lessons=20, greedy=False)


class TestWhoLearnsOn(_Teams):
    def cohort(self):
        return Hila(lessons=20, greedy=False, learns="all", every=2, gate=True)


class TestWhoForgets(_Teams):
    def cohort(self):
        return Hila(lessons=20, greedy=False, learns="latest", every=1, alone_from=3)


class TestWhoAsksAModel(AgentSuite):
    role = "member"
    horizon = 14

    def world(self):
        return Casework(cases=4)

    def counts(self):
        return {"member": 3, "expert": 1}

    def answer(self, ask):
        return Answer({"thought": "so", "answer": ask.key[2] % 4, "confidence": 0.5})

    def agent(self):
        return LlmHila(greedy=False)


def test_a_model_is_shown_what_the_expert_has_answered_before(tmp_path):
    (tmp_path / "q.csv").write_text("question,answer,topic\nOne?,1,a\nTwo?,2,a\nThree?,3,a\n")
    weights = np.zeros(len(CUES))
    weights[CUES.index("defer")] = 10.0
    DeferencePolicy(weights).save(tmp_path / "policy.npz")
    gateway = ScriptedGateway(lambda ask: Answer({"thought": "hm", "answer": "7", "confidence": 0.5}))
    seating = {
        "member": [Group(Individuals(lambda: LlmHila(checkpoint=str(tmp_path / "policy.npz"), shown=1)), 1)],
        "expert": [Group(SimulatedExpert(accuracy=1.0), 1)],
    }
    world = Casework("csv", size=1, cases=3, rounds=1, file=str(tmp_path / "q.csv"))
    rows = play(world, seating, 0, 20, Broker(gateway)).heard.rows
    told = [ask.content["messages"][1]["content"] for ask in gateway.asked]
    assert len(told) == 3  # for first answers alone: then it asks the expert
    assert "earlier ones" not in told[0]
    first, second, _ = (row["seen"]["question"] for row in rows if row["role"] == "member" and row["done"]["move"] == 2)
    right = {"One?": "1", "Two?": "2", "Three?": "3"}
    assert f"What the expert answered to earlier ones like it:\n- {first} {right[first]}\n" in told[1]
    assert f"- {second} {right[second]}\n" in told[2]
    assert f"- {first} {right[first]}" not in told[2]


# -- what candidates are worth ---------------------------------------------------------------------------------------


def met(answers=(0, 0, 1), place=0, asked=0.9, refused=0.0, anew=(0.7, 0.1, 0.1, 0.1)):
    """One decision of a member of three."""
    size = 3
    seen = {
        "place": np.array([place]),
        "round": np.array([1]),
        "moves": np.array([[p != place for p in range(size)] + [True, True]]),
        "confidences": np.array([[0.5, 0.6, 0.7]]),
        "confidence": np.array([0.5]),
        "support": np.array([[2, 2, 1]]),
        **{name: np.array([0]) for name in ("isolated", "distinct", "margin", "same", "told", "load")},
    }
    assert set(seen) == set(NEEDS)
    return Met(candidates(seen, 2), np.array([answers]), np.array([anew]), np.array([asked]), refused)


def luck(draws):
    """Of one decision."""
    return np.random.Generator(np.random.Philox(3)).random((2, 1, draws))


def test_candidates_are_worth_what_the_paper_says():
    values = values_of(met(), np.eye(4)[[0]], (0.1, 0.3))
    assert values.worth == pytest.approx(np.array([[1.0, 1.0, 0.0, 0.6, 0.6]]))
    # Nobody's answer is worth nothing, and who is refused keeps its own.
    assert values_of(met(answers=(-1, 1, 1), refused=1.0), np.eye(4)[[0]], (0.1, 0.3)).worth == pytest.approx(
        np.array([[0.0, 0.0, 0.0, 0.6, -0.3]])
    )


def test_the_best_is_without_regret():
    one, weights = met(), np.zeros(len(CUES))
    values = values_of(one, np.eye(4)[[0]], (0.1, 0.3))
    assert regret(one, values, weights) == pytest.approx(1.0 - (1.0 + 0.0 + 0.6 + 0.6) / 4)
    weights[CUES.index("support_of")] = 50.0
    assert regret(one, values, weights) == pytest.approx(0.0, abs=1e-6)
    weights[CUES.index("defer")] = 100.0
    assert regret(one, values, weights) == pytest.approx(1.0 - 0.6)


@pytest.mark.parametrize("group", ["expected", "uniform", "sampled"])
def test_groups_in_which_all_is_worth_the_same_teach_nothing(group):
    one, how = met(anew=(1.0, 0, 0, 0), asked=1.0), Grpo(kl=0.0, entropy=0.0)
    weights = np.linspace(-1.0, 1.0, len(CUES))
    values = values_of(one, np.ones((1, 4)), (0.0, 0.0))
    groups = groups_of(one, values, weights, group, luck(4))
    assert gradient(weights, groups, how, weights)[0] == pytest.approx(0.0, abs=1e-12)


def test_draws_come_as_often_as_the_policy_has_it_and_are_right_as_often_as_they_are():
    one, draws = met(), 20_000
    weights = np.zeros(len(CUES))
    weights[CUES.index("defer")] = np.log(2.0)
    values = values_of(one, np.eye(4)[[0]], (0.1, 0.3))
    groups = groups_of(one, values, weights, "sampled", luck(draws))
    assert groups.weight[0] == pytest.approx([0.0, 0.2, 0.2, 0.2, 0.4], abs=0.01)
    assert groups.rewards[0, 1:] == pytest.approx([1.0, 0.0, 0.6, 0.6], abs=0.02)
    assert groups_of(one, values, weights, "expected", luck(4)).weight[0] == pytest.approx([0.0, 0.2, 0.2, 0.2, 0.4])


# -- the policy ------------------------------------------------------------------------------------------------------


def test_a_policy_is_kept_in_a_file(tmp_path):
    path = tmp_path / "policy.npz"
    kept = DeferencePolicy(np.arange(len(CUES), dtype=np.float64), "all", {"training_seed": 3})
    kept.save(path)
    found = DeferencePolicy.load(path)
    assert (found.weights == kept.weights).all()
    assert (found.learns, found.about) == ("all", {"training_seed": 3})
    assert (Hila(checkpoint=str(path))._follows.weights == kept.weights).all()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "policy.npz"
    with pytest.raises(ValueError, match="holds no policy of hila"):
        DeferencePolicy.load(path)
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(ValueError, match="holds no policy of hila"):
        DeferencePolicy.load(path)
    DeferencePolicy(np.zeros(3)).save(path)
    with pytest.raises(ValueError, match="its cues are not those of this version"):
        DeferencePolicy.load(path)
    DeferencePolicy(learns="often").save(path)
    with pytest.raises(ValueError, match="learns 'often'; accepted: never, all, latest"):
        DeferencePolicy.load(path)


def asking(**settings):
    """One that always asks."""
    weights = np.zeros(len(CUES))
    weights[CUES.index("defer")] = 10.0
    made = Hila(lessons=50, **settings)
    made._follows = DeferencePolicy(weights)
    return made


def society(mind, stage=None, cases=8, seed=5, experts=4, **expert):
    world = Casework(cases=cases, stage=stage or Stage())
    seating = {"member": [Group(mind, 3 * experts)], "expert": [Group(SimulatedExpert(**expert), experts)]}
    return play(world, seating, seed, 5 * cases)


def last(played):
    return played.heard.samples[-1][1]


def test_who_is_told_learns_topics_that_no_training_covers():
    stage = Stage(topics=1, known=0)
    found = {
        learns: last(society(asking(learns=learns, every=10, caution=0.3), stage, 60, accuracy=1.0))
        for learns in ("never", "all")
    }
    # Nobody knows anything at first: one in four. Who learns answers alone better and better.
    assert found["never"]["accuracy_alone"] == pytest.approx(0.25, abs=0.06)
    assert found["all"]["accuracy_alone"] > found["never"]["accuracy_alone"] + 0.1


def test_nobody_is_asked_from_the_case_on_that_one_is_alone():
    rows = society(asking(alone_from=3)).heard.rows
    moves = [(row["seen"]["case"], row["done"]["move"]) for row in rows if row["role"] == "member"]
    assert {case for case, move in moves if move == 4} == {0, 1, 2}


def test_shifting_the_score_of_asking_goes_from_never_to_always(tmp_path):
    DeferencePolicy().save(tmp_path / "policy.npz")
    rates = [
        last(society(Hila(checkpoint=str(tmp_path / "policy.npz"), greedy=False, shift=shift)))["deferral_rate"]
        for shift in (-50.0, -1.0, 0.0, 1.0, 50.0)
    ]
    assert rates == sorted(rates)
    assert (rates[0], rates[2], rates[4]) == (0.0, pytest.approx(0.25, abs=0.06), 1.0)


class Refuses(SimulatedExpert):
    """Refuses whoever asks for the first time about a case."""

    def act(self, seen, seats):
        done = dict(super().act(seen, seats))
        first = seen["round"] == 1
        done["answer"], done["knows"] = np.where(first, -1, done["answer"]), np.where(first, np.nan, done["knows"])
        return done


def test_who_was_refused_and_asks_again_learns_what_it_is_told():
    mind = asking(learns="all", every=100)
    stage, cases = Stage(topics=1, known=0), 6
    world = Casework(cases=cases, stage=stage, size=1, keep=True)
    play(world, {"member": [Group(mind, 1)], "expert": [Group(Refuses(accuracy=1.0), 1)]}, 5, 10 * cases)
    # The last answer may come after the last decision.
    assert len(mind._told.taken(0, False).key) >= cases - 1


def test_who_learns_behaves_alike_until_it_has_learned():
    one, other = (society(asking(learns=learns, every=4)).heard.rows for learns in ("never", "all"))
    until = [row["done"] for row in one if row["role"] == "member" and row["seen"]["case"] < 4]
    also = [row["done"] for row in other if row["role"] == "member" and row["seen"]["case"] < 4]
    assert len(until) > 100
    assert [str(row) for row in until] == [str(row) for row in also]


# -- demonstrations --------------------------------------------------------------------------------------------------


def told(stage, topic, count, wrong=False):
    """What the expert says about cases of one topic, to member 0."""
    cases = stage.deal(7, 99, 0, np.arange(40 * count))
    own = np.flatnonzero(cases.topic == topic)[:count]
    demos = Demonstrations()
    answer = np.zeros(count, dtype=np.int64) if wrong else cases.key[own]
    demos.add(np.zeros(count, dtype=np.int64), cases.topic[own], cases.features[own], answer)
    return demos


def heads_of(stage, lessons=100):
    """What whoever sits at place 0 has learned before."""
    return train(stage, 7, 3, lessons, 0.3).heads[0]


def hits(stage, heads, topics):
    cases = stage.deal(7, 1234, 0, np.arange(4000))
    at = np.isin(cases.topic, topics)
    likely = Solver(heads[None], stage.topics).chances(
        np.zeros(at.sum(), dtype=np.int64), cases.topic[at], cases.features[at]
    )
    return float((likely.argmax(axis=1) == cases.key[at]).mean())


def test_a_solver_learns_a_topic_from_what_it_is_told_and_keeps_the_others():
    stage = Stage()
    before = heads_of(stage)
    after = refitted((stage, 7), 0, before, told(stage, 6, 100).taken(0, False), Refit("all", lessons=100))
    assert hits(stage, after, [6]) > hits(stage, before, [6]) + 0.3
    assert hits(stage, after, range(5)) == hits(stage, before, range(5))


def test_who_keeps_the_latest_alone_forgets():
    stage = Stage()
    before, demos = heads_of(stage), told(stage, 6, 100)
    after = refitted((stage, 7), 0, before, demos.taken(0, True), Refit("latest"))
    assert hits(stage, after, [6]) > hits(stage, before, [6]) + 0.3
    assert hits(stage, after, range(5)) < hits(stage, before, range(5)) - 0.2


def test_a_gate_keeps_what_was_known_from_an_expert_who_is_always_wrong():
    stage = Stage()
    before, wrong = heads_of(stage), told(stage, 2, 600, wrong=True).taken(0, False)
    poisoned = refitted((stage, 7), 0, before, wrong, Refit("all", lessons=100))
    assert hits(stage, poisoned, [2]) < hits(stage, before, [2]) - 0.15
    gated = refitted((stage, 7), 0, before, wrong, Refit("all", lessons=100, gate=True))
    assert hits(stage, gated, [2]) == hits(stage, before, [2])


def test_demonstrations_are_learned_from_once_they_have_come():
    demos = Demonstrations()
    assert demos.taken(1, False) is None
    demos.add(np.array([0, 1]), np.array([3, 4]), np.ones((2, 12)), np.array([-1, 2]))
    assert demos.taken(0, False) is None  # who got no answer has learned nothing
    cases = demos.taken(1, True)
    assert (cases.topic.tolist(), cases.key.tolist()) == ([4], [2])
    assert demos.taken(1, True) is None
    demos.add(np.array([1]), np.array([5]), np.ones((1, 12)), np.array([0]))
    assert demos.taken(1, True).topic.tolist() == [5]
    demos.add(np.array([1]), np.array([6]), np.ones((1, 12)), np.array([0]))
    assert demos.taken(1, False).topic.tolist() == [4, 5, 6]


# -- learning --------------------------------------------------------------------------------------------------------


def school(tmp_path, settings="{}"):
    (tmp_path / "s.yaml").write_text(SCENARIO.replace("SETTINGS", settings))
    scenario = load(tmp_path / "s.yaml")
    part = Part(scenario, scenario.model.train.learners)
    stage = Play(part)
    stage.reset(0)
    roles = {"member": stage.role("member")}
    stage.close()
    return Classroom(part, scenario.model.train, 0, 0, roles)


def iterated(learner, times):
    return [dict(learner.iterate().told) for _ in range(times)]


@pytest.mark.parametrize("loop", ["staged", "joint"])
def test_regret_falls_and_a_training_goes_on_where_it_stopped(tmp_path, loop):
    whole = HilaLearner(loop=loop)
    whole.begin(school(tmp_path))
    told = iterated(whole, 6)
    assert told[-1]["regret"] < 0.6 * told[0]["regret"]
    assert told[-1]["earned"] > told[0]["earned"] + 0.1
    first, second = HilaLearner(loop=loop), HilaLearner(loop=loop)
    first.begin(school(tmp_path))
    iterated(first, 3)
    first.save(tmp_path / "kept")
    second.begin(school(tmp_path))
    second.restore(tmp_path / "kept")
    assert iterated(second, 3) == told[3:]
    assert (second.policies()["member"].weights == whole.policies()["member"].weights).all()


def test_a_clip_against_the_initial_policy_holds_it_near(tmp_path):
    moved = {}
    for clip in ("none", "initial"):
        learner = HilaLearner(how=Grpo(clip=clip, kl=0.0), updates=60)
        learner.begin(school(tmp_path))
        iterated(learner, 3)
        moved[clip] = np.abs(learner.policies()["member"].weights).max()
    assert moved["initial"] < 0.5 * moved["none"]


def test_a_training_may_begin_with_a_policy_and_is_held_near_it(tmp_path):
    first = HilaLearner()
    first.begin(school(tmp_path))
    iterated(first, 3)
    first.policies()["member"].save(tmp_path / "policy.npz")
    second = HilaLearner(start=str(tmp_path / "policy.npz"), how=Grpo(clip="initial", kl=0.0))
    second.begin(school(tmp_path))
    begun = second.policies()["member"].weights
    assert (begun == first.policies()["member"].weights).all()
    assert iterated(second, 1)[0]["regret"] < 0.6 * iterated(begun_anew(tmp_path), 1)[0]["regret"]
    assert (second.policies()["member"].weights != begun).any()
    with pytest.raises(ValueError, match=r"none\.npz"):
        HilaLearner(start="none.npz")


def begun_anew(tmp_path):
    learner = HilaLearner()
    learner.begin(school(tmp_path))
    return learner


@pytest.mark.parametrize("latency", [0, 3])
@pytest.mark.parametrize("experts", [1, 2])
def test_right_answers_are_those_of_the_cases_though_teams_are_out_of_step(experts, latency):
    mind, stage = Watched(lessons=20, greedy=False), Stage()
    seating = {"member": [Group(mind, 15)], "expert": [Group(SimulatedExpert(latency=latency), experts)]}
    play(Casework(cases=4, stage=stage), seating, 7, 400)
    made = Decisions.joined(mind.decisions)
    key = made.keys(7)
    for case, team, found in zip(made.case.tolist(), made.team.tolist(), key.tolist(), strict=True):
        assert stage.deal(7, 7, case, np.array([team])).key[0] == found


def test_what_it_cannot_learn_it_says(tmp_path):
    classroom = school(tmp_path)
    classroom.roles = {"expert": Casework().roles[1]}
    with pytest.raises(ValueError, match="found expert; accepted by hila: member"):
        HilaLearner().begin(classroom)
    (tmp_path / "q.csv").write_text("question,answer\na,b\n")
    classroom.roles = {"member": Casework("csv", file=str(tmp_path / "q.csv")).roles[0]}
    with pytest.raises(ValueError, match="accepted by hila: source: stage"):
        HilaLearner().begin(classroom)
    role = Casework().roles[0]
    classroom.roles = {"member": replace(role, obs=tuple(f for f in role.obs if f.name != "round"))}
    with pytest.raises(ValueError, match=r"members do not see 'round'; accepted by hila: train.sees"):
        HilaLearner().begin(classroom)


def test_a_training_says_how_to_seat_what_it_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(SCENARIO.replace("SETTINGS", "{}"))
    done = CliRunner().invoke(train_command, ["s.yaml", "--jobs", "1"], catch_exceptions=False)
    line = done.stdout.splitlines()[-1].removeprefix("in a scenario: ")
    assert re.fullmatch(r"\{kind: hila, checkpoint: runs/.*/policies/member-seed-000\.npz\}", line)
    seated = SCENARIO.split("train:", maxsplit=1)[0].replace(
        "{kind: team_member, count: 30}", f"{line[:-1]}, count: 30}}"
    )
    (tmp_path / "play.yaml").write_text(seated)
    assert execute(Order(load("play.yaml"), tmp_path / "played")).status == "success"
    run = open_run(next((tmp_path / "runs").iterdir()))
    assert f"{{kind: hila, checkpoint: {run.path.name}/policies/member-seed-000.npz, count: 30}}" in render_report(run)


def test_a_run_with_a_trained_policy_replays(tmp_path):
    weights = np.zeros(len(CUES))
    weights[CUES.index("defer")] = 1.0
    DeferencePolicy(weights).save(tmp_path / "policy.npz")
    minds = "kind: hila, checkpoint: policy.npz, learns: all, every: 2, greedy: false"
    text = SCENARIO.split("train:", maxsplit=1)[0].replace("kind: team_member", minds)
    (tmp_path / "s.yaml").write_text(text)
    outcome = execute(Order(load(tmp_path / "s.yaml"), out=tmp_path / "runs", jobs=1))
    assert replay_run(outcome.run).identical
    (tmp_path / "s.yaml").write_text(text.replace("policy.npz", "none.npz"))
    with pytest.raises(ScenarioError, match=r"none\.npz"):
        check(load(tmp_path / "s.yaml"))
