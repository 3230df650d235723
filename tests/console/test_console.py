"""The page of a run over HTTP: who may come in, what is asked, who answers, and what becomes of it."""

from __future__ import annotations

import json

import httpx
import pytest

from simworld.execution import ask_of_run, replay_run, withdraw
from simworld.kernel import read_tape
from simworld_analysis import open_run
from simworld_analysis.report import render_report


def notes(run, key: str) -> list:
    rows = run.table("telemetry").query(f"key == '{key}' and role == 'doctor'")
    return [text if isinstance(text, str) else value for value, text in zip(rows["value"], rows["text"], strict=True)]


def test_without_the_token_nobody_comes_in(ward):
    guest = ward().guest()
    for method, path in [
        ("GET", "/"),
        ("GET", "/?token=wrong"),
        ("GET", "/events"),
        ("POST", "/consent"),
        ("POST", "/withdraw"),
        ("POST", "/questions/any/answer"),
    ]:
        assert guest.http.request(method, path).status_code == 401, path
    came = guest.http.get("/", params={"token": guest.token})
    assert (came.status_code, came.headers["location"]) == (303, "/")  # the token is not kept in the address
    for cookie in came.headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
    assert guest.http.get("/").status_code == 200
    bearer = httpx.get(guest.http.base_url, headers={"Authorization": f"Bearer {guest.token}"})
    assert bearer.status_code == 200


def test_whoever_does_not_agree_is_asked_nothing_and_leaves_nothing(ward):
    going = ward(people="consent: 'We study doctors.'")
    guest = going.guest()
    page = guest.http.get("/", params={"token": guest.token}, follow_redirects=True).text
    assert "We study doctors." in page
    assert "A ward whose doctors ask what to give." in page
    assert guest.http.get("/events").status_code == 403
    assert "Nothing was stored" in guest.http.post("/consent", data={"answer": "decline"}).text
    assert guest.http.get("/events").status_code == 403
    assert not (going.run / "people" / "participants.json").exists()


def test_a_question_is_shown_with_all_that_belongs_to_it_and_answered(ward):
    going = ward(horizon=2)
    guest = going.guest()
    assert guest.come() == "p-001"
    (question,) = guest.asked()
    assert question["who"] == "doctor 0"
    assert question["question"] == "How much?"
    assert question["context"] == [["fever", "37"], ["past", "1.5, yes"]]
    assert (question["form"], question["options"], question["cost"]) == ("options", ["0", "5", "10"], "0.3")
    assert question["closes"] == pytest.approx(question["asked"] + 60)
    assert guest.post(question, "take").status_code == 200
    assert guest.asked()[0]["held"] == "you"
    assert guest.post(question, "answer", option=1, reason=" it is low ").status_code == 200
    # The society goes on, and is seen beside the next question.
    view = guest.until(lambda view: view["society"] and view["questions"])
    assert view["questions"][0]["id"] != question["id"]
    assert view["society"]["measures"] == [{"name": "given", "last": "5 mg", "series": [5.0]}]
    assert view["you"] == {"name": "p-001", "answered": 1}
    assert guest.post(view["questions"][0], "answer", option=2).status_code == 200
    assert going.over().status == "success"
    run = open_run(going.run)
    asks = run.table("asks")
    assert set(asks["source"]) == {"web"}
    assert asks["fault"].isna().all()
    assert run.table("decisions.doctor").query("end.isna()")["act.dose"].tolist() == [5.0, 10.0]
    assert notes(run, "participant") == ["p-001"] * 2
    assert notes(run, "rationale") == ["it is low"]
    (thought, none), took = notes(run, "seconds_thought"), notes(run, "seconds")
    assert 0 < thought <= took[0], (thought, took)
    assert 0 <= none < took[1]  # answered without taking it up before
    assert replay_run(going.run).identical
    # On tape is all of it, and nowhere else: nothing is left in the box.
    assert sorted(path.name for path in (going.run / "people").iterdir()) == ["participants.json", "participants.lock"]


def test_two_do_not_answer_twice(ward):
    going = ward(horizon=1)
    one, two = going.guest(), going.guest()
    assert (one.come(), two.come()) == ("p-001", "p-002")
    (question,) = two.asked()
    assert one.post(question, "take").status_code == 200
    assert two.asked()[0]["held"] == "other"
    for verb, what in [("take", {}), ("answer", {"option": 0})]:
        refused = two.post(question, verb, **what)
        assert (refused.status_code, refused.json()["error"]) == (409, "somebody else is answering it")
    # Given back, it is anybody's.
    assert one.post(question, "let-go").status_code == 200
    assert two.post(question, "answer", option=0).status_code == 200
    late = one.post(question, "answer", option=2)
    assert late.status_code in {409, 410}  # answered, or answered and the run is over
    assert going.over().status == "success"
    assert notes(open_run(going.run), "participant") == ["p-002"]


def test_several_are_asked_side_by_side(ward):
    going = ward(count=3, horizon=1)
    guests = [going.guest() for _ in range(3)]
    names = [guest.come() for guest in guests]
    for guest, question in zip(guests, sorted(guests[0].asked(3), key=lambda q: q["who"]), strict=True):
        assert guest.post(question, "take").status_code == 200
    for place, guest in enumerate(guests):
        (mine,) = [q for q in guest.asked() if q["held"] == "you"]
        assert guest.post(mine, "answer", option=place).status_code == 200
    assert going.over().status == "success"
    run = open_run(going.run)
    assert run.table("decisions.doctor").query("end.isna()")["act.dose"].tolist() == [0.0, 5.0, 10.0]
    assert sorted(notes(run, "participant")) == names


def test_without_an_answer_in_time_the_fallback_stands_in(ward):
    going = ward(horizon=1, more="deadline: 5")
    guest = going.guest()
    guest.come()
    (question,) = guest.asked()
    assert guest.post(question, "take").status_code == 200  # to take it stops no clock
    assert going.over().status == "success"
    late = guest.post(question, "answer", option=1)
    assert late.status_code == 410
    run = open_run(going.run)
    rows = run.table("decisions.doctor").query("end.isna()")
    assert (rows["act.dose"].tolist(), rows["fault"].tolist()) == ([1.0], ["timeout"])
    assert run.table("asks")["source"].tolist() == ["fallback"]
    assert replay_run(going.run).identical


@pytest.mark.parametrize(
    ("form", "wrong", "given", "done"),
    [("number", ["11", "two", " "], "2.5", 2.5), ("whole", ["2.5", "-1"], "7", 7.0)],
)
def test_what_is_typed_is_checked(ward, form, wrong, given, done):
    going = ward(horizon=1, more=f"form: {form}")
    guest = going.guest()
    guest.come()
    (question,) = guest.asked()
    accepted = f"{'a whole number' if form == 'whole' else 'a number'} from 0 to 10"
    assert (question["form"], question["accepted"]) == (form, accepted)
    for text in wrong:
        refused = guest.post(question, "answer", text=text)
        assert refused.status_code == 422
        assert refused.json()["error"] in {f"accepted: {accepted}", "it is empty"}
    assert guest.post(question, "answer", text=given).status_code == 200
    assert going.over().status == "success"
    assert open_run(going.run).table("decisions.doctor")["act.dose"].tolist()[0] == done


def test_what_no_page_of_ours_would_send_is_refused(ward):
    guest = ward().guest()
    guest.come()
    (question,) = guest.asked()
    other = {"Origin": "http://127.0.0.1:9"}
    assert guest.http.post(f"/questions/{question['id']}/take", headers=other).status_code == 403
    for what in ({}, {"option": True}, {"option": 3}, {"option": -1}, {"text": "yes"}, {"option": 1, "reason": 2}):
        assert guest.post(question, "answer", **what).status_code == 422, what
    # Half of a surrogate pair is JSON, and can be written to no file.
    half = (b'{"text": "\\ud83d"}', b'{"option": 1, "reason": "\\ud83d"}')
    for content in (b"not json", b"[" * 60_000, *half):
        assert guest.http.post(f"/questions/{question['id']}/answer", content=content).status_code == 422
    assert guest.http.post(f"/questions/{question['id']}/answer", content=b"x" * 70_000).status_code == 413
    assert guest.post(question, "keep").status_code == 404
    for name in ("none", "..%2F..%2Frun", ".hidden"):
        assert guest.post(name, "answer", option=1).status_code in {404, 410}
    assert guest.asked()[0]["held"] == ""


def test_a_run_stops_while_it_asks_and_asks_again(ward):
    going = ward(horizon=2)
    guest = going.guest()
    guest.come()
    first = guest.asked()[0]
    assert guest.post(first, "answer", option=1).status_code == 200
    second = guest.after(first)
    ask_of_run(going.run, "stop")
    assert going.over(10).status == "interrupted"
    view = guest.until(lambda view: view["run"]["state"] == "interrupted")
    assert view["questions"] == []
    assert guest.post(second, "answer", option=1).status_code == 410
    going.go()
    assert [q["id"] for q in guest.asked()] == [second["id"]]  # the first is on tape
    assert guest.post(second, "answer", option=2).status_code == 200
    assert going.over().status == "success"
    assert open_run(going.run).table("decisions.doctor").query("end.isna()")["act.dose"].tolist() == [5.0, 10.0]


def test_a_scenario_may_hide_the_society(ward):
    going = ward(horizon=2, people="society: false")
    guest = going.guest()
    guest.come()
    assert "The society" not in guest.http.get("/").text
    guest.post(guest.asked()[0], "answer", option=1)
    view = guest.until(lambda view: view["you"]["answered"] == 1 and view["questions"])
    assert view["society"] is None


def test_worker_processes_ask_in_the_same_place(ward):
    going = ward(horizon=1, jobs=2)  # an episode each
    guest = going.guest()
    guest.come()
    questions = guest.asked(2)
    assert {question["where"] for question in questions} == {"episode 1", "episode 2"}
    for question in questions:
        assert guest.post(question, "answer", option=1).status_code == 200
    assert going.over(60).status == "success"
    assert replay_run(going.run).identical


def test_workers_that_do_not_see_the_run_ask_by_way_of_the_driver(ward):
    going = ward(horizon=2, more="deadline: 60", far=True)
    guest = going.guest()
    guest.come()
    first = guest.until(lambda view: view["questions"], 60)["questions"][0]
    assert guest.post(first, "answer", option=1, reason="from afar").status_code == 200
    second = guest.after(first)
    assert guest.post(second, "answer", option=2).status_code == 200
    going.over(60)
    run = open_run(going.run)
    assert run.status == "success"
    assert run.table("decisions.doctor").query("end.isna()")["act.dose"].tolist() == [5.0, 10.0]
    assert notes(run, "rationale") == ["from afar"]
    assert replay_run(going.run).identical


# -- withdrawal ------------------------------------------------------------------------------------------------------


def answered_by_two(ward):
    going = ward(count=2, horizon=2)
    one, two = going.guest(), going.guest()
    one.come()
    two.come()
    for tick in range(2):
        view = one.until(lambda v, end=f".{tick}.0": sum(q["id"].endswith(end) for q in v["questions"]) == 2)
        for guest, question in zip((one, two), sorted(view["questions"], key=lambda q: q["id"]), strict=True):
            assert guest.post(question, "answer", option=1, reason="because I say so").status_code == 200
    return going, one, two


def test_what_was_withdrawn_is_gone_and_replay_says_redacted(ward):
    going, _, two = answered_by_two(ward)
    assert going.over().status == "success"
    assert replay_run(going.run).identical
    before = open_run(going.run).table("decisions.doctor")
    page = two.http.post("/withdraw")
    assert "2 answers" in page.text
    assert two.http.get("/events").status_code == 403
    run = open_run(going.run)
    assert run.manifest["redacted"] == {"p-002": 2}
    told = "of 4 questions, 4 answered by people at a web page (2 participants). 2 answers were withdrawn afterwards"
    assert told in render_report(run)
    replay = replay_run(going.run)
    assert (replay.identical, replay.redacted, replay.same) == (False, True, True)
    (line,) = replay.lines()
    assert line.startswith("redacted: 2 answers withdrawn by p-002; 0 of 1 episode identical to the end")
    after = run.table("decisions.doctor")
    theirs = (after["agent"] == 1) & after["end"].isna()
    for column in ("act.dose", "mind.trust"):
        assert after[column][theirs].isna().all()
        assert after[column][~theirs].equals(before[column][~theirs])  # those of the other are as they were
    assert set(after["fault"][theirs]) == {"redacted"}
    asks = run.table("asks")
    assert asks[asks["agent"] == 1]["answer_digest"].isna().all()
    assert asks[asks["agent"] == 0]["answer_digest"].notna().all()
    noted = run.table("telemetry").query("agent == 1")
    assert noted["value"].isna().all()
    assert set(noted["text"].dropna()) == {"p-002"}
    for path in (going.run / "tape").glob("*.tape"):
        answers = {ask.key: answer for ask, answer in read_tape(path)}
        assert [a.value for k, a in sorted(answers.items()) if k[1] == 1] == [None, None]
        assert [a.value for k, a in sorted(answers.items()) if k[1] == 0] == [5, 5]
    # Twice is as good as once, and nobody else is touched by it.
    assert withdraw(going.run, "p-002").answers == 0


def test_what_others_answered_stays_as_it_is(ward):
    going = ward(horizon=1, episodes=3)
    one, two = going.guest(), going.guest()
    one.come()
    two.come()
    for number, guest in enumerate((one, two, one), 1):
        view = guest.until(lambda v, w=f"episode {number}": v["questions"] and v["questions"][0]["where"] == w)
        assert guest.post(view["questions"][0], "answer", option=1).status_code == 200
    assert going.over().status == "success"
    assert len([*(going.run / "tables" / "asks").iterdir()]) == 1  # all episodes lie in one file
    before = open_run(going.run).table("decisions.doctor")
    assert withdraw(going.run, "p-001").answers == 2
    after = open_run(going.run).table("decisions.doctor")
    middle = after["episode"] == after["episode"].unique()[1]
    for column in after:
        assert after[column][middle].astype(object).equals(before[column][middle].astype(object)), column
    assert after.query("end.isna()")["fault"].tolist()[::2] == ["redacted"] * 2
    replay = replay_run(going.run)
    assert (replay.damaged, [bool(e.redacted) for e in replay.episodes]) == ({}, [True, False, True])
    assert "1 of 3 episodes identical to the end" in replay.lines()[0]


def test_who_withdraws_while_the_run_goes_on_is_redacted_at_its_end(ward):
    going = ward(count=1, horizon=2)
    one, two = going.guest(), going.guest()
    one.come()
    two.come()
    first = one.asked()[0]
    assert one.post(first, "answer", option=1, reason="secret reason").status_code == 200
    second = two.after(first)
    assert "as soon as the run has stopped or ended" in one.http.post("/withdraw").text
    assert two.post(second, "answer", option=2).status_code == 200
    assert going.over().status == "success"
    run = open_run(going.run)
    assert run.manifest["redacted"] == {"p-001": 1}
    rows = run.table("decisions.doctor").query("end.isna()")
    assert rows["act.dose"].isna().tolist() == [True, False]
    assert replay_run(going.run).redacted
    for path in going.run.rglob("*"):
        assert not path.is_file() or b"secret reason" not in path.read_bytes()


def test_a_run_that_was_stopped_cannot_go_on_from_what_was_withdrawn(ward):
    going = ward(horizon=2)
    guest = going.guest()
    guest.come()
    assert guest.post(guest.asked()[0], "answer", option=1).status_code == 200
    guest.until(lambda view: view["you"]["answered"] == 1 and view["questions"])
    ask_of_run(going.run, "stop")
    assert going.over(10).status == "interrupted"
    assert "1 answer" in guest.http.post("/withdraw").text
    going.go()
    outcome = going.over()
    assert outcome.status == "error"
    assert "the answer was withdrawn by the person who gave it" in outcome.reason
    assert json.loads((going.run / "people" / "participants.json").read_text())[0]["withdrawn"]
