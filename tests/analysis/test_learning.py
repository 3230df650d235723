"""A training's page tells what was learned, how sure that is, and where it is."""

from __future__ import annotations

import html
import math
import re
import shutil

import pyarrow as pa
import pytest
import yaml

from simworld.scenario import TrainBlock
from simworld_analysis import OpenError, open_run
from simworld_analysis.learning import curve_figure, evaluations, improvement, learning_curve, measured
from simworld_analysis.report import render_report
from simworld_analysis.report._learning import duration
from simworld_analysis.report._trained import Trained
from simworld_analysis.report._words import number
from simworld_analysis.statistics import interquartile_mean

NAN = float("nan")
RESOLVED = """
world: {kind: pond, depth: 3}
roles: {frog: [{kind: random, count: 4}, {kind: still, count: 2}]}
horizon: 9
arms: {dry: {world.depth: 1}, wet: {}}
probes: {ripple: {every: 2, reward: {frog: -1.0}}, echo: {every: 2}}
"""
BLOCK = TrainBlock(
    learners=["frog.0"], arm="dry", sees=["fly"], steps=90, hidden=[8], settings={"lr": 0.5, "gamma": 0.9}
)
RESOLVED += yaml.safe_dump({"train": BLOCK.model_dump(mode="json")}, sort_keys=False)
BEFORE, AFTER = (1.0, 2.0, 3.0, 4.0, 5.0), (6.0, 7.5, 8.0, 9.0, 30.0)


def block(learners, **more):
    """A block ``train`` with every default, as ``resolved.yaml`` has it."""
    return TrainBlock(learners=learners, **more).model_dump(mode="json")


def curves(*trainings, **measures):
    """Evaluations on seeds 10 and 11: ``curves([first, second ...], ...)``, a list of means for each training.

    A measure is given as pairs, its numbers on both seeds, in the same order.
    """
    at = [(t, k, value) for t, means in enumerate(trainings) for k, value in enumerate(means)]
    rows = [(f"seed-{t:03d}", t, 2 * k, 30 * k, seed, v + d) for t, k, v in at for seed, d in ((10, -1.0), (11, 1.0))]
    names = ("episode", "training_seed", "iteration", "steps", "seed", "return")
    told = {f"measure.{name}": [v for pair in pairs for v in pair] for name, pairs in measures.items()}
    return {name: [row[n] for row in rows] for n, name in enumerate(names)} | told


def sampled(*seconds):
    """Rows of ``training``: two updates of each, after so many seconds."""
    rows = [(f"seed-{t:03d}", t, k + 1, 15 * (k + 1), s) for t, told in enumerate(seconds) for k, s in enumerate(told)]
    names = ("episode", "training_seed", "iteration", "steps", "seconds")
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


@pytest.fixture
def trained(hand):
    """A training as ``simworld train`` leaves it."""

    def make(evaluation=None, files=("frog-seed-000.npz", "frog-seed-001.npz"), resolved=RESOLVED, **manifest):
        tables = {} if evaluation is None else {"evaluation": evaluation}
        n = 2 if evaluation is None else len(set(evaluation["training_seed"]))
        said = {"scenario": "pond-train", "seeds": list(range(n)), "episodes": n, "done": n} | manifest
        run = hand(manifest=said, **tables)
        shutil.rmtree(run.path / "tables" / "episodes")
        for folder in ("checkpoints", "policies"):
            (run.path / folder).mkdir()
        for name in files:
            (run.path / "policies" / name).touch()
        (run.path / "resolved.yaml").write_text(resolved)
        return run

    return make


def text_of(page):
    body = re.sub(r"<svg.*?</svg>|<style.*?</style>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def row_of(page, name):
    """A row of the table of results, cell by cell."""
    (row,) = re.findall(rf'<tr><th scope="row">{name}\b.*?</tr>', page, flags=re.DOTALL)
    return [text_of(cell) for cell in re.findall(r"<td.*?</td>", row, flags=re.DOTALL)]


def test_the_page_of_a_training_tells_what_was_learned_and_nothing_about_episodes(trained):
    page = render_report(trained(curves(*([b, a] for b, a in zip(BEFORE, AFTER, strict=True)))))
    text = text_of(page)
    assert re.findall(r'<section id="(\w+)"', page)[0] == "learning"
    for said in (
        "trainings finished 5/5",
        "5 trainings with PPO, each from another seed",
        "The learner is “frog.0”, in arm dry.",
        "1 hidden layer of 8 units (tanh)",
        "lr 0.5 and gamma 0.9",
        "2 held-out seeds (10 and 11)",
        "Learners of role “frog” see fly.",
        "the rewards that the world pays them, and those that depend on the probe “ripple”, in which",
        "simworld train",
        "world.depth 1 ",
        "frog 6 policy + still",
    ):
        assert said in text
    for complaint in (
        "No episode",
        "no claims",
        "No decision",
        "No model",
        "simworld replay",
        "planned episode",
        "0/5",
    ):
        assert complaint not in text
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert links <= set(re.findall(r'\bid="([^"]+)"', page))


def test_who_asks_a_training_for_episodes_is_told_that_it_has_none(trained):
    run = trained(curves(*([b, a] for b, a in zip(BEFORE, AFTER, strict=True))))
    for name in ("episodes", "measures"):
        with pytest.raises(OpenError, match=f"has no table '{name}'; it is a training, and has no episodes of its own"):
            run.table(name)


def test_the_table_has_the_numbers_of_the_analysis(trained):
    run = trained(curves(*([b, a] for b, a in zip(BEFORE, AFTER, strict=True))))
    page = render_report(run)
    gains = [a - b for a, b in zip(AFTER, BEFORE, strict=True)]
    found = [interquartile_mean(values) for values in (BEFORE, AFTER, gains)]
    like = max(e.half_width for e in found)
    for e, told in zip(found, row_of(page, "return"), strict=True):
        value = number(e.value, like, sign=e is found[2])
        assert told == f"{value} {number(e.low, like)} to {number(e.high, like)}"
    assert 'class="n clear"' in page
    assert f"went from {number(found[0].value)} to {number(found[1].value)}" in text_of(page)


def test_few_trainings_are_never_sure(trained):
    page = render_report(trained(curves([1.0, 6.0], [2.0, 7.0])))
    assert "2 trainings are few" in text_of(page)
    assert 'class="n clear"' not in page
    assert "One training says nothing about how another" in text_of(render_report(trained(curves([1.0, 6.0]))))


def test_a_measure_without_a_number_breaks_nothing(trained):
    """Nobody arrives before it has learned to, and on one seed nobody ever does."""
    table = curves(
        [1.0, 2.0, 3.0],
        [1.0, 2.0, 4.0],
        time_to_goal=[(NAN, NAN), (NAN, NAN), (9.0, NAN), (NAN, NAN), (8.0, NAN), (5.0, NAN)],
        luck=[(NAN, NAN)] * 6,
    )
    run = trained(table)
    page = render_report(run)
    untrained, after, difference = row_of(page, "time to goal")
    assert untrained == "– none of 2 trainings"
    assert after.startswith("7")
    assert difference == "– none of 2 trainings"
    assert row_of(page, "luck") == ["– none of 2 trainings"] * 3
    assert page.count("<svg") == 2  # the return, and the time; there is no luck to draw
    with pytest.raises(OpenError, match="'luck' has no number"):
        curve_figure(run, "luck")


def test_a_difference_is_over_the_seeds_that_have_a_number_before_and_after(trained):
    """The far seed is reached only by those who have learned: that they take long there is no loss of theirs."""
    run = trained(curves([1.0, 2.0], [1.0, 2.0], time=[(5.0, NAN), (4.0, 20.0), (7.0, NAN), (6.0, 30.0)]))
    found = improvement(run, "time")
    assert found.untrained.value == 6.0
    assert found.trained.value == 15.0
    assert found.difference.value == -1.0


def test_the_curve_shows_each_training_the_mean_and_where_untrained_ones_stood(trained):
    run = trained(curves([1.0, 4.0, 6.0], [3.0, 5.0]))
    (axes,) = curve_figure(run).axes
    drawn = [[None if math.isnan(v) else float(v) for v in line.get_ydata()] for line in axes.lines]
    assert [1.0, 4.0, 6.0] in drawn
    assert [3.0, 5.0] in drawn
    assert [2.0, 4.5, None] in drawn  # the line ends where one of two trainings is alone
    assert [2.0, 2.0] in drawn
    assert [text.get_text() for text in axes.texts] == ["untrained"]
    assert learning_curve(run)["n"].tolist() == [2, 2, 1]


def test_the_line_of_a_scenario_names_the_policy_without_its_path(trained, tmp_path):
    run = trained(curves([1.0, 2.0], [1.0, 2.0]), source=str(tmp_path), reason=f"{tmp_path}/x/y.py: no")
    page = render_report(run)
    line = f"{{kind: policy, checkpoint: {run.path.name}/policies/frog-seed-000.npz, count: 4}}"
    assert line in html.unescape(page)
    assert str(tmp_path) not in page
    elsewhere = tmp_path / "elsewhere" / run.path.name
    shutil.copytree(run.path, elsewhere)
    assert render_report(open_run(elsewhere)) == page


@pytest.mark.parametrize("rows", [None, {}])
def test_a_training_that_ended_before_its_first_evaluation_has_a_page(trained, rows):
    run = trained(None, files=(), status="interrupted", done=0)
    if rows is not None:  # the tables are there, with nothing in them
        empty = trained(curves([1.0])).path / "tables" / "evaluation"
        with pa.ipc.open_file(empty / "part-000000.arrow") as reader:
            schema = reader.schema
        (run.path / "tables" / "evaluation").mkdir()
        pa.ipc.new_stream(run.path / "tables" / "evaluation" / "seed-000.arrows", schema).close()
    text = text_of(render_report(run))
    assert "Nothing was evaluated yet" in text
    assert "There is no policy yet" in text
    assert "0 of 2 planned trainings finished" in text
    assert "No episode" not in text
    with pytest.raises(OpenError, match=r"nothing was evaluated yet|no training"):
        curve_figure(run)


def test_what_was_broken_off_is_told_as_of_its_last_evaluation(trained):
    text = text_of(render_report(trained(curves([1.0, 4.0, 6.0], [3.0, 5.0]), status="interrupted", done=1)))
    assert "1 of 2 trainings is finished: of the others stands here what their last evaluation" in text
    assert "dotted: fewer trainings have a number there" in text


def test_a_training_that_ended_before_its_first_update_says_where_it_began(trained):
    text = text_of(render_report(trained(curves([1.0], [4.0]), files=(), status="interrupted", done=0)))
    assert "Nothing was evaluated after an update yet" in text
    assert "a return of 2.5 on held-out seeds" in text


def test_a_directory_without_its_scenario_still_has_a_page(trained):
    run = trained(curves([1.0, 2.0], [2.0, 3.0]))
    (run.path / "resolved.yaml").unlink()
    assert "2 trainings, each from another seed" in text_of(render_report(run))


def test_a_measure_may_be_called_like_a_column(trained):
    run = trained(curves([1.0, 2.0], [1.0, 2.0], steps=[(3.0, 5.0), (7.0, 9.0)] * 2))
    assert measured(run) == ["measure.steps"]
    assert improvement(run, "measure.steps").difference.value == 4.0
    assert evaluations(run)["steps"].tolist() == [0, 0, 30, 30] * 2
    assert "measure.steps" in text_of(render_report(run))


def test_wall_time_is_added_up_over_the_processes_of_a_training(hand):
    # The second went on in another process, whose clock began anew.
    run = hand(training=sampled([40.0, 60.0], [50.0, 10.0]))
    assert "All trainings together took 2 min" in text_of(render_report(run))
    assert [duration(s) for s in (45.0, 384.0, 9000.0)] == ["45 s", "6.4 min", "2.5 h"]


def test_the_seats_of_learners_are_those_of_the_trained_arm():
    arms = {"few": {}, "many": {"roles.frog.0.count": 7}}
    groups = [{"kind": "random", "count": 2}, {"kind": "still", "count": 1}]
    found = Trained.of({"roles": {"frog": groups}, "arms": arms, "train": block(["frog.0"], arm="many")})
    assert found.counts == {"frog": (7,)}
    assert [group["kind"] for group in found.scenario["roles"]["frog"]] == ["policy", "still"]
    assert "arm many" in found.told(3, 10)
    every = Trained.of({"roles": {"frog": groups}, "train": block(["frog"])})
    assert every.counts == {"frog": (2, 1)}
