"""Whoever answers, a page or a tape of it, the same answers come to the same; and what is withdrawn is gone from all."""

from __future__ import annotations

import pytest

from simworld.errors import ScenarioError
from simworld.execution import Change, Order, execute, forked, replay_run, withdraw
from simworld.execution._taped import _names
from simworld.people import Participants
from simworld.scenario import load
from simworld_analysis import Run, open_run
from simworld_analysis.report import render_report

DIFFER = ["episode", "cell", "source", "answer_digest", "chain"]


def participants(run) -> list[str]:
    return run.table("telemetry").query("key == 'participant' and role == 'doctor'")["text"].tolist()


def test_who_answers_makes_no_difference_to_what_comes_of_it(ward):
    going = ward(horizon=2)
    guest = going.guest()
    guest.come()
    guest.answer(1, 2)
    assert going.over().status == "success"

    def other(people: str) -> Run:
        block = f"people.default={{{people}}}"
        return open_run(execute(Order(load(going.study, [block]), going.study.parent / "others")).run)

    web, scripted = open_run(going.run), other("kind: scripted, answers: [5, 10]")
    taped = [
        other(f"kind: tape, run: {run.path}, match: {match}")
        for run in (web, scripted)
        for match in ("question", "seat")
    ]
    for run in (scripted, *taped):
        for table in ("decisions.doctor", "measures", "agents", "faults", "asks", "episodes"):
            # Of whoever is another, the cell is, and so the episode's name; that apart, source and telemetry differ.
            one, two = (r.table(table).drop(columns=DIFFER, errors="ignore") for r in (web, run))
            assert one.equals(two), table
            assert len(one) or table == "faults"
        assert replay_run(run.path).identical
    assert [sorted({*run.table("asks")["source"]}) for run in (web, scripted, *taped)] == [
        ["web"], ["scripted"], *[["tape"]] * 4,
    ]  # fmt: skip
    assert "answered from the tape of an earlier run, by nobody in this one" in render_report(taped[0])


def test_two_runs_may_have_the_same_pseudonym_and_not_the_same_person(ward):
    runs = []
    for number in range(2):
        going = ward(count=2, horizon=1, people=f"consent: study {number}")
        guest = going.guest()
        assert guest.come() == "p-001"
        guest.answer(1, 1)
        assert going.over().status == "success"
        runs.append(going.run.rename(going.study.parent / f"session-{number}"))
    tapes = [f"people.{name}={{kind: tape, run: {run}, match: seat}}" for name, run in zip("ab", runs, strict=True)]
    minds = 'roles.doctor=[{kind: "ward:Defers", person: a}, {kind: "ward:Defers", person: b}]'
    both = execute(Order(load(going.study, [minds, *tapes]), going.study.parent / "both")).run
    names = [f"p-001@{run.name}" for run in runs]
    assert [one.name for one in Participants(both).all()] == names
    assert participants(open_run(both)) == names
    withdraw(both, names[0])
    asks = open_run(both).table("asks")
    assert asks["fault"].astype(object).fillna("").tolist() == ["redacted", ""]
    # Runs of one name in two folders are told apart by where they are.
    for number, run in enumerate(runs):
        (going.study.parent / f"place-{number}").mkdir()
        runs[number] = run.rename(going.study.parent / f"place-{number}" / "session")
    tapes = [f"people.{name}={{kind: tape, run: {run}, match: seat}}" for name, run in zip("ab", runs, strict=True)]
    alike = execute(Order(load(going.study, [minds, *tapes]), going.study.parent / "alike")).run
    assert [one.name for one in Participants(alike).all()] == [f"p-001@{run}" for run in runs]
    # However often one of them is named, and however it is written: it is one person.
    first, second = runs
    assert list(_names({"here": first, f"{first}/": first / ".", "there": second}).values()) == [
        str(first),
        str(first),
        str(second),
    ]
    # Named twice, it is one run, and nobody needs to be told from anybody.
    one = [
        f"people.a={{kind: tape, run: {runs[0]}, match: seat}}",
        f"people.b={{kind: tape, run: {runs[0]}/, match: seat}}",
    ]
    same = execute(Order(load(going.study, [minds, *one]), going.study.parent / "same")).run
    assert participants(open_run(same)) == ["p-001", "p-001"]


def test_what_was_withdrawn_is_served_by_no_tape_and_is_withdrawn_wherever_it_is(ward):
    going = ward(count=2, horizon=2)
    guests = [going.guest(), going.guest()]
    names, before = [guest.come() for guest in guests], set()
    for _ in range(2):
        view = guests[0].until(lambda view: len({q["id"] for q in view["questions"]} - before) == 2)
        for guest, question in zip(guests, sorted(view["questions"], key=lambda q: q["who"]), strict=True):
            assert guest.post(question, "answer", option=2).status_code == 200
            before.add(question["id"])
    assert going.over().status == "success"
    order = Order(load(going.study, [f"people.default={{kind: tape, run: {going.run}}}"]), going.study.parent / "later")
    one = execute(order)
    assert open_run(one.run).table("asks")["source"].tolist() == ["tape"] * 4
    assert participants(open_run(one.run)) == names * 2
    with forked(going.run, Change(1, without={"doctor": [1]})) as scenario:
        fork = execute(Order(scenario, going.run.parent, reuse=True))
    assert fork.status == "success"

    withdraw(going.run, names[0])
    # Another tape, so another run; and there is nothing of theirs on it.
    two = execute(order)
    assert two.run != one.run
    asks = open_run(two.run).table("asks")
    assert asks["source"].tolist() == ["fallback", "tape"] * 2
    assert asks["fault"].tolist()[0] == "missing"
    assert open_run(two.run).table("decisions.doctor").query("end.isna()")["act.dose"].tolist() == [1.0, 10.0] * 2
    # What other runs have of it they withdraw there: two answers, and in the fork those of both its arms.
    assert withdraw(one.run, names[0]).answers == 2
    assert open_run(one.run).table("decisions.doctor").query("end.isna()")["fault"].tolist()[0] == "redacted"
    assert withdraw(fork.run, names[0]).answers == 4
    # Where all have withdrawn, there is nothing to serve.
    withdraw(going.run, names[1])
    with pytest.raises(ScenarioError, match="nobody has answered a question in it, or all who did have withdrawn"):
        execute(order)
