"""Members who have learned to defer: their files, what they do, and how they come to it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from simworld.cli._train import train
from simworld.errors import ContractError, UserError
from simworld.execution import Order, check, execute
from simworld.kernel import Group
from simworld.learning._school import Classroom
from simworld.learning._stage import Part
from simworld.learning._stage import Stage as Playing
from simworld.scenario import load
from simworld.testing import CohortSuite, play
from simworld.worlds.casework import Casework, Stage
from simworld_agents.caseworker import SimulatedExpert
from simworld_agents.deferring import Deferral, Deferring, DeferringLearner, DeferringMind
from simworld_analysis import open_run


def known(number=7, cost=0.3, skill=3.0):
    """Who knows the rules of the stage, and takes the expert to be good on the first four topics alone."""
    weights = np.zeros((8, 5, 13))
    weights[:, :4, 1:] = 5.0 * Stage().rules(number)
    weights[:4, 4, 0], weights[4:, 4, 0] = skill, -9.0
    return Deferral("compare_confidence", 1.0, weights, number, cost)


class TestDeferring(CohortSuite):
    role = "member"
    horizon = 14

    def world(self):
        return Casework(cases=4, stage=Stage(number=7))

    def counts(self):
        return {"member": 6, "expert": 1}

    def cohort(self):
        return DeferringMind(known(), shift=0.2)


def society(mind, rounds=1, count=60, expert=None, seed=1, **world):
    seating = {"member": [Group(mind, 3 * count)], "expert": [Group(expert or SimulatedExpert(accuracy=1.0), count)]}
    heard = play(Casework(cases=4, rounds=rounds, stage=Stage(number=7), **world), seating, seed, 60).heard
    return heard.samples[-1][1], [row for row in heard.rows if row["role"] == "member"]


def test_it_asks_where_its_rejector_says_so_and_once_about_a_case():
    policy = known(cost=0.0)
    for rounds in (1, 2):
        said, rows = society(DeferringMind(policy), rounds)
        decides = [row for row in rows if row["seen"]["round"] == 1]
        topic, features = (np.array([row["seen"][name] for row in decides]) for name in ("topic", "features"))
        asks = np.array([row["done"]["move"] for row in decides]) == 4
        assert np.array_equal(asks, policy.defers(topic, features))
        assert not asks[topic >= 4].any()
        assert 0.1 < asks.mean() < 0.9
        assert said["deferral_rate"] == pytest.approx(asks.mean() / rounds)
        gain = np.array([row["mind"]["advantage"] for row in decides])
        assert np.array_equal(gain > 0.0, asks)
        # Kept cases are the classifier's, deferred ones the expert's: the team is of one mind.
        assert said["expert_accuracy"] == 1.0
        assert said["accuracy"] == said["accuracy_member"] > 0.85


def test_who_is_refused_keeps_its_answer_and_does_not_ask_again():
    refuses = SimulatedExpert(refusal=1.0)
    said, _ = society(DeferringMind(known(), shift=9.0), 2, expert=refuses)
    assert said["deferral_rate"] == 0.5
    assert said["refusal_rate"] == 1.0
    assert said["accuracy"] == society(DeferringMind(known(), shift=-9.0), 2)[0]["accuracy"] > 0.75


def test_a_shift_asks_more_or_less():
    rates = [society(DeferringMind(known(), shift))[0]["coverage"] for shift in (-2.0, 0.0, 0.3, 2.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0
    assert rates[-1] == 0.0


def test_a_policy_is_of_one_stage():
    with pytest.raises(ContractError, match="knows stage 8; this is stage 7"):
        society(DeferringMind(known(8)))
    small = Casework(stage=Stage(topics=6, number=7)).roles[0].sized({"member": 3, "expert": 1})
    assert known().misfit(small) == (
        "it knows 8 topics, 4 classes and 12 features, the role has 6 topics, 4 classes and 12 features"
    )
    with pytest.raises(ValueError, match="trained for something else: it knows 8 topics"):
        DeferringMind(known()).check(small)


def test_a_file_holds_all_of_it(tmp_path):
    policy = known().with_bar(0.25).said({"algorithm": "deferring"})
    policy.save(tmp_path / "it.npz")
    again = Deferral.load(tmp_path / "it.npz")
    assert again.about == {"algorithm": "deferring"}
    assert (again.objective, again.alpha, again.number, again.cost, again.bar) == (
        *("compare_confidence", 1.0),
        *(7, 0.3, 0.25),
    )
    assert np.array_equal(again.weights, policy.weights)
    cases = Stage().deal(7, 1, 0, np.arange(50))
    told = Deferring(str(tmp_path / "it.npz"), shift=0.1)
    assert society(told)[0] == society(DeferringMind(policy, shift=0.1))[0]
    assert np.array_equal(again.advantage(cases.topic, cases.features), policy.advantage(cases.topic, cases.features))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "format 2; accepted: 1"),
        ({"objective": "best"}, "objective 'best'; accepted: cross_entropy"),
        ({"cost": float("nan")}, "not finite"),
        ({"number": "seven"}, "holds no policy that defers"),
        ({"weights": np.zeros((8, 5))}, r"weights of shape \(8, 5\)"),
        ({"weights": np.full((8, 5, 13), np.inf)}, "not finite"),
        ({"weights": np.array(["x"])}, "holds no policy that defers"),
        ({"deferral": np.array([{}], dtype=object)}, "holds no policy that defers"),
        ({"deferral": np.array("[]")}, "holds no policy that defers"),
    ],
)
def test_a_file_that_holds_something_else_is_told(tmp_path, change, says):
    path = tmp_path / "it.npz"
    known().save(path)
    with np.load(path) as found:
        data, arrays = json.loads(str(found["deferral"])), {name: found[name] for name in found.files}
    plain = {name: value for name, value in change.items() if name not in arrays}
    arrays["deferral"] = np.array(json.dumps(data | plain))
    np.savez(path, **(arrays | {name: value for name, value in change.items() if name in arrays}))
    with pytest.raises(ValueError, match=says):
        Deferral.load(path)


def test_a_file_that_is_none_is_told(tmp_path):
    (tmp_path / "it.npz").write_text("no")
    with pytest.raises(ValueError, match="holds no policy that defers"):
        Deferral.load(tmp_path / "it.npz")
    with pytest.raises(ValueError, match="there is no file 'nowhere"):
        Deferring("nowhere.npz")


# -- how they come to it ---------------------------------------------------------------------------------------------

SCENARIO = """
name: learns
world: {kind: casework, cases: 10, stage: {number: 7}}
roles:
  member: {kind: team_member, count: 90}
  expert: {kind: expert, count: 30, accuracy: [1, 0.25, 1, 0.25, 1, 0.25, 1, 0.25]}
horizon: 60
episodes: 3
measures: [accuracy, net_utility, expert_accuracy]
train:
  algo: deferring
  learners: [member]
  steps: 5400
  seeds: 1
  settings: {objective: compare_confidence, episodes: 6}
"""


def trained(here, *changes):
    (here / "it.yaml").write_text(SCENARIO)
    sets = [part for change in changes for part in ("--set", change)]
    done = CliRunner().invoke(train, ["it.yaml", "--json", "--jobs", "1", *sets], catch_exceptions=False)
    return json.loads(done.stdout)


def test_it_learns_whom_to_ask_about_what_and_its_policy_sits_in_a_team(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = trained(tmp_path)
    run = open_run(tmp_path / told["run"])
    row = run.table("training").iloc[-1]
    assert row["told.log"] == 1800
    assert row["told.expert_accuracy"] == pytest.approx(0.625, abs=0.05)
    assert row["told.utility"] > row["told.classifier_accuracy"]
    assert row["told.system_accuracy"] > row["told.utility"]
    assert np.isnan(row["told.alpha"])
    (tmp_path / "play.yaml").write_text(
        SCENARIO.partition("train:")[0].replace(
            "kind: team_member", f"kind: deferring, checkpoint: {told['policies'][0]}"
        )
    )
    played = open_run(execute(Order(load("play.yaml"), tmp_path / "played")).run)
    assert played.manifest["status"] == "success"
    last = played.table("measures").groupby("episode")[["accuracy", "expert_accuracy"]].last()
    assert last["expert_accuracy"].mean() > 0.9
    evaluated = run.table("evaluation").query("iteration == 1")
    assert last["accuracy"].tolist() == evaluated["measure.accuracy"].tolist()
    policy = Deferral.load(tmp_path / told["policies"][0])
    assert policy.about["algorithm"] == "deferring"
    assert (policy.number, policy.cost) == (7, 0.3)


def school_of(path, text=SCENARIO):
    path.write_text(text)
    scenario = load(path)
    block = scenario.model.train
    part = Part(scenario, block.learners, block.arm, block.sees)
    playing = Playing(part)
    playing.reset(0)
    return Classroom(part, block, 3, 0, {"member": part.seen_role(playing.role("member"))})


def test_what_is_learned_from_are_the_right_answers_and_the_experts(tmp_path):
    """An expert whose every answer is right, and one who knows nothing, by topic."""
    text = SCENARIO.replace("[1, 0.25, 1, 0.25, 1, 0.25, 1, 0.25]", "[1, 0, 1, 0, 1, 0, 1, 0]")
    learner = DeferringLearner(episodes=1)
    learner.begin(school_of(tmp_path / "it.yaml", text))
    lesson = learner.iterate()
    assert lesson.steps == 90 * 10 * 3
    log = learner._log
    assert len(log) == 300
    assert np.array_equal(log.right, log.topic % 2 == 0)
    rules = Stage().rules(7)[log.topic]
    hit = np.einsum("nf,nkf->nk", log.features, rules).argmax(axis=1) == log.key
    assert 0.75 < hit.mean() < 0.98  # seen through a blur
    refuses = DeferringLearner(episodes=1)
    refuses.begin(school_of(tmp_path / "it.yaml", SCENARIO.replace("count: 30,", "count: 30, refusal: 1.0,")))
    refuses.iterate()
    assert not refuses._log.right.any()


@pytest.mark.parametrize(("number", "found"), [("8", "8"), ("null", "one of its own in each episode")])
def test_a_policy_of_another_stage_is_refused_before_anything_is_written(tmp_path, number, found):
    Deferral("selective", 1.0, np.zeros((8, 5, 13)), 7, 0.3).save(tmp_path / "p.npz")
    text = SCENARIO.partition("train:")[0].replace("number: 7", f"number: {number}")
    (tmp_path / "it.yaml").write_text(text.replace("kind: team_member", "kind: deferring, checkpoint: p.npz"))
    with pytest.raises(UserError, match=f"world.stage.number: found {found}; it knows 7"):
        check(load(tmp_path / "it.yaml"))


@pytest.mark.parametrize(
    ("change", "least"),
    [
        ("count: 30, ", 0.0),
        ("count: 30, latency: 8, ", 0.0),  # the episode ends before most answers are there
        ("count: 3, ", 0.0),
        ("count: 30, refusal: 0.5, ", 0.4),
    ],
)
@pytest.mark.parametrize("shared", ["true", "false"])
def test_only_what_an_expert_was_heard_to_say_counts(tmp_path, change, least, shared):
    text = SCENARIO.replace("count: 30, ", change).replace("[1, 0.25, 1, 0.25, 1, 0.25, 1, 0.25]", "1")
    learner = DeferringLearner(episodes=1)
    learner.begin(school_of(tmp_path / "it.yaml", text.replace("cases: 10,", f"cases: 10, shared: {shared},")))
    learner.iterate()
    assert 1.0 - least - 0.15 < learner._log.right.mean() <= 1.0 - least + 0.15
    assert least or learner._log.right.all()


def test_it_goes_on_from_what_it_kept_as_if_it_had_not_been_stopped(tmp_path):
    school = school_of(tmp_path / "it.yaml")

    def fresh():
        learner = DeferringLearner("cross_entropy", episodes=1, alphas=[0.5, 1.0])
        learner.begin(school)
        return learner

    whole, stopped, resumed = fresh(), fresh(), fresh()
    first, second = whole.iterate(), whole.iterate()
    assert first.told["alpha"] in {0.5, 1.0}
    assert stopped.iterate() == first
    stopped.save(tmp_path / "kept")
    resumed.restore(tmp_path / "kept")
    assert np.array_equal(resumed.policies()["member"].weights, stopped.policies()["member"].weights)
    assert resumed.iterate() == second
    assert np.array_equal(resumed.policies()["member"].weights, whole.policies()["member"].weights)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("world.stage.number=null", "rules differ by episode; accepted by deferring: one stage"),
        ("world.rounds=1", "world.rounds: accepted by deferring: at least 2"),
        ("train.learners=[expert]", "learners: found expert; accepted by deferring: member"),
        ("train.sees=[topic]", "members do not see 'features'; accepted: train.sees with all that deferring needs"),
        ("train.sees=[topic,features]", "members do not see 'stage'"),
        ("roles.member.count=0", "learners: member have no seat; accepted: count above 0"),
        ("train.settings.objective=best", r"train\.settings: objective: found 'best'"),
        ("train.settings.alphas=[0.5]", r"alphas: found \[0.5\] for compare_confidence"),
        ("roles.expert.count=0", "no expert is asked"),
        ("horizon=2", "none is heard before the horizon"),
        ("horizon=1", "none is heard before the horizon"),
        ("world.stage.unseen_from=5", r"world\.stage\.unseen_from: accepted by deferring: 0"),
    ],
)
def test_what_it_cannot_do_is_one_line(tmp_path, monkeypatch, change, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        trained(tmp_path, change)
    assert not (tmp_path / "runs").exists()
