"""People answer at the page of a run, in real browsers, by their keyboards."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack

import pytest

from simworld_analysis import open_run

SIMWORLD = [sys.executable, "-c", "from simworld.cli import main; main()"]
DEFERS = """

class Defers(Agent):
    asks = ("person",)

    def __init__(self, deadline: float = 120.0):
        self.deadline = deadline

    async def act(self, seen, seat):
        content = {"question": "Treat?", "options": ["yes", "no"], "context": dict(seen), "fallback": "no"}
        answer = await seat.ask.person(content | {"deadline": self.deadline})
        return {"treat": answer.value == "yes"}
"""
STUDY = """
name: ward
description: A doctor asks whether to treat.
world: {{kind: "ward_page:Ward"}}
roles: {{doctor: {{kind: "ward_page:Defers", deadline: {deadline}}}}}
horizon: {horizon}
people: {{default: {{kind: web}}}}
faults: {{most: 1}}
"""
CARD = "document.querySelector('#form, #next')"
FORM = "document.querySelector('#form')"


@pytest.fixture
def page(tmp_path, ward_world):
    """``page(horizon=, deadline=)``: a run that asks and its page, each in a process; gives the run, and the address."""
    with ExitStack() as stack:

        def start(*arguments):
            process = subprocess.Popen([*SIMWORLD, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        def go(horizon: int = 2, deadline: float = 120.0):
            treats = ward_world('Field("treat", "bool")', 'Field("treated", unit="patients")', 38.5)
            (tmp_path / "ward_page.py").write_text(treats + DEFERS)
            (tmp_path / "ward.yaml").write_text(STUDY.format(horizon=horizon, deadline=deadline))
            human = start("human", "latest")  # before there is anything to answer
            run = start("run", "ward.yaml", "--display", "none")
            said = human.stdout.readline() + human.stdout.readline()
            return run, re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", said)[0], tmp_path

        yield go


def comes(browser, address):
    """Somebody opens the address and agrees, by the keyboard."""
    tab = browser()
    tab.open(address)
    tab.until("document.querySelector('button[value=agree]') === document.activeElement")
    tab.press("Enter")
    tab.until(CARD)
    return tab


def test_a_question_appears_is_answered_and_the_society_goes_on(browser, page, artefacts):
    run, address, folder = page(horizon=2)
    tab = comes(browser, address)
    assert "token" not in tab.see("location.href")
    assert "doctor 0 asks" in tab.text()
    assert "p-001" in tab.text()
    tab.press("Enter")  # takes it
    tab.until(FORM)
    assert "38.5" in tab.text()
    assert "2 minutes left" in tab.text()
    tab.press("1")
    assert tab.see("document.querySelector('input:checked').parentElement.innerText").split() == ["1", "yes"]
    tab.see("document.querySelector('#reason').focus()")
    tab.press("a high fever")
    for width, dark in [(1280, False), (390, True)]:
        tab.picture(artefacts / f"console-{width}.png", width, 900, dark)
        assert tab.see("document.documentElement.scrollWidth") <= width
    nameless = "[...document.querySelectorAll('input, textarea, button')].filter(e => !(e.labels && e.labels.length)"
    assert tab.see(f"{nameless} && !e.textContent && !e.ariaLabel).length") == 0
    # A hold that has lapsed, and that nobody else took, is taken up again: what was typed is still there.
    before = tab.see("sent")
    assert tab.see("fetch(`/questions/${shown.id}/let-go`, {method: 'POST'}).then(r => r.status)") == 200
    tab.until(f"sent > {before} && view.questions[0].held === 'you'")
    assert tab.see("document.querySelector('#reason').value") == "a high fever"
    tab.see("document.querySelector('input:checked').focus()")
    tab.press("Enter")  # sends it
    # The next question of the same seat is taken up by itself, with the society as it has become beside it.
    tab.until(f"{FORM} && document.querySelector('#society').innerText.includes('1 patients')")
    assert ", 1 answered" in tab.text()
    assert "tick 0 of 2" in tab.text()
    tab.press("2", "Enter")
    assert run.wait(30) == 0
    tab.until("document.querySelector('#run').innerText.includes('success')")
    assert "nothing is asked" in tab.text()
    (path,) = (folder / "runs").iterdir()
    opened = open_run(path)
    assert opened.table("asks")["source"].tolist() == ["web", "web"]
    assert opened.table("decisions.doctor").query("end.isna()")["act.treat"].tolist() == [True, False]
    noted = opened.table("telemetry").query("role == 'doctor'")
    assert (noted.query("key == 'seconds'")["value"] > 0).sum() == 2
    assert noted.query("key == 'rationale'")["text"].tolist() == ["a high fever"]
    replayed = subprocess.run([*SIMWORLD, "replay", str(path)], capture_output=True, text=True, check=False)
    assert replayed.stdout.startswith("identical: 1 episode"), replayed.stderr


def test_two_browsers_do_not_answer_twice(browser, page):
    run, address, folder = page(horizon=1)
    one, two = comes(browser, address), comes(browser, address)
    assert "p-002" in two.text()
    one.press("Enter")
    one.until(FORM)
    two.until("document.querySelector('#others button:disabled')")  # somebody else has it
    assert "Others are answering what is open." in two.text()
    question = one.see("view.questions[0].id")
    post = f"fetch('/questions/{question}/answer', {{method: 'POST', body: '{{\"option\": 1}}'}}).then(r => r.status)"
    assert two.see(post) == 409
    one.press("Escape")  # gives it back
    two.until("document.querySelector('#next') === document.activeElement")
    two.press("Enter")
    two.until(FORM)
    one.until("document.querySelector('#others button:disabled')")
    two.press("2", "Enter")
    assert run.wait(30) == 0
    assert one.see(post) in {409, 410}
    opened = open_run(*(folder / "runs").iterdir())
    assert len(opened.table("asks")) == 1
    assert opened.table("telemetry").query("key == 'participant'")["text"].tolist() == ["p-002"]


def test_without_an_answer_in_time_the_fallback_stands_in(browser, page):
    run, address, folder = page(horizon=1, deadline=12)
    tab = comes(browser, address)
    tab.press("Enter")
    tab.until("document.querySelector('#clock.soon')")
    assert "then a fallback stands in" in tab.text()
    tab.press("1")
    tab.until("document.querySelector('#warn').innerText.includes('its time is over')")
    assert run.wait(30) == 0
    rows = open_run(*(folder / "runs").iterdir()).table("decisions.doctor").query("end.isna()")
    assert (rows["act.treat"].tolist(), rows["fault"].tolist()) == ([False], ["timeout"])


def test_without_the_token_there_is_nothing_to_see(browser, page):
    _, address, _ = page()
    tab = browser()
    tab.open(address.partition("?")[0])
    assert tab.see("performance.getEntriesByType('navigation')[0].responseStatus") == 401
    assert "This page is closed" in tab.text()
    assert tab.see("fetch('/events').then(r => r.status)") == 401


def test_who_withdraws_is_asked_no_more(browser, page):
    run, address, folder = page(horizon=1)
    tab = comes(browser, address)
    tab.press("Enter")
    tab.until(FORM)
    tab.press("1", "Enter")
    assert run.wait(30) == 0
    tab.see("document.querySelector('#leave').focus()")
    tab.press("Enter")
    tab.until("document.querySelector('#farewell').open")
    tab.press("Enter")
    tab.until("document.title === 'You have withdrawn'")
    assert "1 answer" in tab.text()
    (path,) = (folder / "runs").iterdir()
    replayed = subprocess.run([*SIMWORLD, "replay", str(path)], capture_output=True, text=True, check=False)
    assert (replayed.returncode, replayed.stdout[:29]) == (3, "redacted: 1 answer withdrawn ")
    tab.open(address)
    tab.until("document.title.startsWith('Take part')")
