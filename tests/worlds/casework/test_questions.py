"""Questions in words: files and generated tasks, and when two answers are the same."""

from __future__ import annotations

import pickle
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ScenarioError
from simworld.execution import check, sources_of
from simworld.scenario import load
from simworld.testing import WorldSuite
from simworld.worlds.casework import Casework, plain
from simworld.worlds.casework._answers import wrong_answers
from simworld.worlds.casework._questions import FromFile

ROWS = [("What is 2 + 2?", "4", "sums"), ("Capital of France?", "Paris", "places"), ("10 x 100?", "1,000", "sums")]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("questions") / "questions.csv"
    path.write_text("question,answer,topic\n" + "".join(f'{q},"{a}",{t}\n' for q, a, t in ROWS))
    return str(path)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (" Paris. ", "paris"),
        ("New   York", "new york"),
        ("1,000.0", "1000"),
        ("+07", "7"),
        ("-0", "0"),
        ("-0.50", "-0.5"),
        ("1,00", "1,00"),
        ("12%", "12%"),
        ("", ""),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_answers_as_they_are_compared(text, same):
    assert plain(text) == same


@given(st.text())
def test_comparing_twice_is_comparing_once(text):
    assert plain(plain(text)) == plain(text)


@given(st.integers(-(10**9), 10**9))
def test_a_number_is_its_value_however_it_is_written(number):
    assert plain(f"{number:,}") == plain(f"{number}.00") == str(number)


def test_wrong_answers_are_wrong():
    key = np.array([0, 1, 2, 3] * 500)
    chance = np.random.Generator(np.random.Philox(3)).random(2000)
    any_ = wrong_answers(np.full(2000, -1), key, chance, 4)
    assert not (any_ == key).any()
    assert np.bincount((any_ - key) % 4)[1:] / 2000 == pytest.approx(np.full(3, 1 / 3), abs=0.04)
    same = wrong_answers(np.zeros(2000, dtype=np.int64), key, chance, 4)
    assert set(same[key != 0].tolist()) == {0}
    assert set(same[key == 0].tolist()) == {1}
    keys = np.array(["12", "paris", "paris", "rome"], dtype=object)
    said = np.array(["", "", "Paris", "Paris"], dtype=object)
    words = wrong_answers(said, keys, np.array([0.0, 0.5, 0.5, 0.5]), 0)
    assert words.tolist() == ["13", "unknown", "unknown", "Paris"]


# -- files -----------------------------------------------------------------------------------------------------------


def test_every_team_goes_through_the_whole_file_in_an_order_of_its_own(file):
    questions = FromFile(file)
    assert questions.topics == ("sums", "places")
    dealt = [questions.deal(5, case, np.arange(40)) for case in range(6)]
    orders = {tuple(d.question[team] for d in dealt[:3]) for team in range(40)}
    assert len(orders) == 6
    for team in range(40):
        assert {d.question[team] for d in dealt[:3]} == {d.question[team] for d in dealt[3:]} == {q for q, _, _ in ROWS}
    for d in dealt:
        assert all((q, a, questions.topics[t]) in ROWS for q, a, t in zip(d.question, d.key, d.topic, strict=True))
    few = questions.deal(5, 4, np.array([7]))
    assert few.question[0] == dealt[4].question[7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question,reply\na,b\n", r"found the columns \['question', 'reply'\]; it lacks 'answer'"),
        ("question,answer\na,b\nc, \n", "row 2: 'answer' is empty"),
        ("question,answer\n", "holds no question"),
        ("", "it lacks 'question'"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(text, message, tmp_path):
    (tmp_path / "it.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        FromFile(str(tmp_path / "it.csv"))


def test_the_content_of_the_file_counts(tmp_path):
    """Another file under the same name is another run."""
    scenario = tmp_path / "it.yaml"
    scenario.write_text(
        "world: {kind: 'simworld.worlds.casework:Casework', source: csv, file: own.csv}\n"
        "roles: {member: {kind: 'simworld_agents.caseworker:LlmSolver', count: 3}}\nhorizon: 5\n"
    )
    with pytest.raises(ScenarioError, match=r"there is no file 'own\.csv'"):
        check(load(scenario))
    (tmp_path / "own.csv").write_text("question,answer\na,b\n")
    first = sources_of(load(scenario))
    (tmp_path / "own.csv").write_text("question,answer\na,c\n")
    assert first.keys() == sources_of(load(scenario)).keys() == {"own.csv"}
    assert first != sources_of(load(scenario))


class TestWords(WorldSuite):
    """Minds that play at random answer all with the same word."""

    horizon = 20

    @pytest.fixture(autouse=True)
    def _file(self, file):
        self.file = file

    def world(self):
        return Casework("csv", cases=3, file=self.file, expert_ticks=1)

    def counts(self):
        return {"member": 6, "expert": 1}


# -- generated tasks -------------------------------------------------------------------------------------------------


@pytest.fixture
def gym():
    return pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed: simworld[reasoning]")


def test_tasks_are_made_by_address(gym):
    world = Casework("reasoning")
    assert world.roles[0].obs[3].high == 2
    dealt = world._questions.deal(8, 2, np.arange(30))
    again = pickle.loads(pickle.dumps(world))._questions.deal(8, 2, np.arange(10, 12))
    assert again.question.tolist() == dealt.question[10:12].tolist()
    assert len(set(dealt.question.tolist())) > 28
    assert set(dealt.topic.tolist()) == {0, 1, 2}
    assert all(dealt.key)
    one_digit = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    made = Casework("reasoning", tasks={"chain_sum": one_digit})._questions.deal(1, 0, np.arange(20))
    for question, key in zip(made.question, made.key, strict=True):
        first, sign, second = re.search(r"(\d) ([-+]) (\d)", question).groups()
        assert int(key) == int(first) + int(sign + second), question


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "tasks: found none"),
        ({"countdown": {}}, "found 'countdown'; accepted, as they have one right answer: "),
        ({"chain_sum": {"min_terms": 5, "max_terms": 2}}, "tasks.chain_sum: "),
        ({"chain_sum": {"terms": 5}}, "tasks.chain_sum: .*unexpected keyword argument 'terms'"),
    ],
)
def test_tasks_that_cannot_be_had_are_refused(gym, tasks, message):
    with pytest.raises(ValueError, match=message):
        Casework("reasoning", tasks=tasks)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ValueError, match=r"pip install 'simworld\[reasoning\]'"):
        Casework("reasoning")
