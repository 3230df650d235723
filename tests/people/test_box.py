"""Questions to people at a page, in the run's directory: laid open, closed once, and found again when a run goes on."""

from __future__ import annotations

import json
import threading
import time

import pytest

from simworld.errors import RedactedError, RunError, StoppedError
from simworld.kernel import Answer, Ask, Tape, TwinTape, read_tape, redact_tape
from simworld.people import Closing, Participants, PeopleDesk, PersonRequest, RunBox, Web, person_request


def ask(decision: int = 0, **content) -> Ask:
    return Ask(("doctor", 3, decision, 0), "person", {"question": "Treat?", "options": ["yes", "no"], **content})


def request(decision: int = 0, **content) -> PersonRequest:
    return person_request(ask(decision, **content), "e-1")


def lying(box: RunBox, seconds: float = 5.0) -> PersonRequest:
    """The question that somebody has laid open."""
    deadline = time.monotonic() + seconds
    while not box.lying():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return box.lying()[0].request


def test_a_question_lies_open_until_it_is_closed(tmp_path):
    box, one = RunBox(tmp_path), request(context={"fever": 39.5}, cost=2, deadline=60)
    assert box.lying() == []
    box.put(one)
    (found,) = box.lying()
    assert found.request == one
    assert found.since == pytest.approx(time.time(), abs=60)
    assert found.request.id == "e-1.doctor.3.0.0"
    assert box.find(one.id) == found
    closing = Closing(one.digest, "yes", participant="p-001")
    assert box.close(one, closing) is closing
    assert box.lying() == []
    assert box.look(one) == closing


def test_whoever_comes_second_closes_nothing(tmp_path):
    box, one = RunBox(tmp_path), request()
    box.put(one)
    first = [Closing(one.digest, "yes", participant=f"p-{n}") for n in range(16)]
    closed: list[Closing] = []
    threads = [threading.Thread(target=lambda c=c: closed.append(box.close(one, c))) for c in first]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({c.participant for c in closed}) == 1  # all sixteen are told of the same
    assert box.look(one) == closed[0]
    assert box.close(one, Closing(one.digest, late=True)) == closed[0]
    assert not [*tmp_path.rglob("*.tmp")]


def test_another_question_under_the_same_name_is_another_one(tmp_path):
    box, old, new = RunBox(tmp_path), request(), request(context={"fever": 40})
    box.put(old)
    box.close(old, Closing(old.digest, "yes"))
    box.put(new)
    assert box.look(new) is None
    assert box.lying()[0].request == new
    assert box.close(new, Closing(new.digest, "no")).value == "no"
    assert box.look(new).value == "no"


@pytest.mark.parametrize("name", ["../run", "", ".hidden", "a/b", "x" * 300])
def test_no_name_leads_out_of_the_box(tmp_path, name):
    (tmp_path / "run.json").write_text("{}")
    box = RunBox(tmp_path)
    assert box.find(name) is None
    assert box.closed(name) is None


def test_what_is_no_question_is_passed_over(tmp_path):
    box = RunBox(tmp_path)
    box.put(request())
    for name, text in [("torn", '{"who": '), ("list", "[]"), ("other", '{"a": 1}')]:
        (tmp_path / "people" / "open" / f"{name}.json").write_text(text)
    assert len(box.lying()) == 1
    box.clear(answers=True)
    assert not (tmp_path / "people" / "open").exists()


def test_a_box_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "people").write_text("a file")
    with pytest.raises(RunError, match="cannot ask a person"):
        RunBox(tmp_path).put(request())
    with pytest.raises(RunError, match="letters, digits"):
        RunBox(tmp_path).put(PersonRequest("a/b 0", "?"))


def test_a_desk_waits_for_what_is_answered_at_the_page(tmp_path):
    box = RunBox(tmp_path)
    desk = PeopleDesk({"default": Web(box)})
    (future,) = desk.gateway("e-1").post([ask()])
    one = lying(box)
    box.close(one, Closing(one.digest, "no", rationale="why not", participant="p-001", thought=0.5))
    answer = future.result(5)
    assert (answer.value, answer.source, answer.fault) == ("no", "web", "")
    seconds = answer.telemetry["seconds"]
    assert 0 < seconds < 5
    assert answer.telemetry == {
        "seconds": seconds, "seconds_thought": 0.5, "participant": "p-001", "rationale": "why not",
    }  # fmt: skip
    assert box.lying() == []
    desk.close()


def test_an_answer_from_before_is_taken_when_it_is_asked_again(tmp_path):
    box, one = RunBox(tmp_path), request()
    box.put(one)
    box.close(one, Closing(one.digest, "yes"))  # whoever had asked has died
    assert Web(box).reply(one).value == "yes"
    late = request(1)
    box.close(late, Closing(late.digest, late=True))
    assert Web(box).reply(late) is None


def test_nobody_is_asked_when_the_run_is_to_stop(tmp_path):
    box, stopping = RunBox(tmp_path), threading.Event()
    raised: list[StoppedError] = []

    def wait() -> None:
        with pytest.raises(StoppedError) as caught:
            Web(box, stopping.is_set).reply(request())
        raised.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    lying(box)
    stopping.set()
    thread.join(5)
    assert raised
    assert box.lying() == []


def test_an_answer_that_is_none_of_those_accepted_is_flagged(tmp_path):
    box, one = RunBox(tmp_path), request(fallback="no")
    box.close(one, Closing(one.digest, "perhaps"))
    (future,) = PeopleDesk({"default": Web(box)}).gateway("e-1").post([ask(fallback="no")])
    assert (future.result(5).value, future.result(5).fault) == ("no", "invalid")


# -- participants and what they withdraw -----------------------------------------------------------------------------


def test_participants_are_known_by_what_they_show(tmp_path):
    them = Participants(tmp_path)
    assert them.all() == []
    one = them.agree("secret-1", "2026-11-29T12:00:00Z", "the text")
    two = them.agree("secret-2", "2026-11-29T12:01:00Z", "the text", taken=["p-007"])
    assert (one.name, two.name) == ("p-001", "p-008")
    assert Participants(tmp_path).known("secret-1") == one
    assert them.known("other") is None
    kept = (tmp_path / "people" / "participants.json").read_text()
    assert "secret" not in kept.replace('"secret": ', "")  # a digest of it, and of the text
    assert (tmp_path / "people" / "participants.json").stat().st_mode & 0o077 == 0
    assert them.withdraw("p-001", "2026-11-29T13:00:00Z").withdrawn
    assert them.withdraw("p-001", "2026-11-29T14:00:00Z").withdrawn == "2026-11-29T13:00:00Z"
    with pytest.raises(RunError, match=r"no participant 'p-009'; it has p-001, p-008"):
        them.withdraw("p-009", "")
    (tmp_path / "people" / "participants.json").write_text("{")
    with pytest.raises(RunError, match="not readable"):
        them.all()


def test_a_tape_without_what_was_withdrawn_says_so_at_its_place(tmp_path):
    path = tmp_path / "e.tape"
    tape = Tape(path)
    for number, who in enumerate(["p-001", "p-002", "p-001"]):
        told = {"participant": who, "rationale": f"reason {number}" * 20, "seconds": 3.0}
        tape.put(ask(number), Answer("yes", source="web", telemetry=told))
    tape.put(ask(3), Answer("no", source="scripted"))
    tape.close()
    gone = redact_tape(path, lambda _, answer: answer.telemetry.get("participant") == "p-001")
    assert [a.key[2] for a in gone] == [0, 2]
    kept = [answer for _, answer in read_tape(path)]
    assert [answer.value for answer in kept] == [None, "yes", None, "no"]
    assert kept[0].telemetry == {"participant": "p-001"}
    assert (kept[0].fault, kept[0].source) == ("redacted", "web")
    again = Tape(path)
    assert again.get(ask(1)).value == "yes"
    with pytest.raises(RedactedError, match=r"ask\.person of doctor 3 \(decision 0, ask 0\): the answer was withdrawn"):
        again.get(ask(0))
    # A second time there is nothing to take out; a fork meets the gap, too, and knows whose the others were.
    assert redact_tape(path, lambda _, answer: answer.telemetry.get("participant") == "p-001") == []
    twin = TwinTape(tmp_path / "fork.tape", path)
    assert twin.get(ask(1)).telemetry == {"taken": True, "participant": "p-002"}
    with pytest.raises(RedactedError):
        twin.get(ask(2))
    assert json.loads(json.dumps(twin.get(ask(3)).telemetry)) == {"taken": True}
