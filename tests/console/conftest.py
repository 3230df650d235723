"""A run that asks people, its page, and guests who come there: all in this process, over real sockets."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from simworld.console import Hall
from simworld.console._app import make_app
from simworld.execution import Order, Outcome, ask_of_run, execute
from simworld.scenario import load

DEFERS = '''

class Defers(Agent):
    """Asks a person what to give."""

    asks = ("person",)
    mind = (Field("trust"),)

    def __init__(self, deadline: float = 60.0, form: str = "options", person: str = "default"):
        self.deadline, self.form, self.person = deadline, form, person

    async def act(self, seen, seat):
        forms = {
            "options": {"options": [0, 5, 10]},
            "number": {"low": 0, "high": 10},
            "whole": {"low": 0, "high": 10, "form": "whole"},
        }
        answer = await seat.ask.person(
            {
                "question": "How much?",
                "context": {"fever": seen["fever"], "past": [1.5, True]},
                "deadline": self.deadline,
                "fallback": 1.0,
                "cost": 0.3,
                "person": self.person,
                **forms[self.form],
            }
        )
        seat.show(trust=float(answer.value))
        return {"dose": float(answer.value)}
'''
STUDY = """
name: ward
description: A ward whose doctors ask what to give.
world: {{kind: "ward:Ward"}}
roles: {{doctor: {{kind: "ward:Defers", count: {count}{more}}}}}
horizon: {horizon}
episodes: {episodes}
people: {{default: {{kind: web{people}}}}}
faults: {{most: 1.0}}
measures: [given]
"""

# On a cluster whose workers do not see the run directory: what they ask goes by way of the driver.
FAR = """
from pathlib import Path
from simworld.execution import Cluster, Order, execute
from simworld.scenario import load
if __name__ == "__main__":
    execute(Order(load(Path("ward.yaml")), Path("runs"), 1, cluster=Cluster(anywhere=True)))
"""


class Guest:
    """Somebody with a browser, as the page's server sees them."""

    def __init__(self, address: str) -> None:
        base, _, self.token = address.partition("?token=")
        self.http = httpx.Client(base_url=base, timeout=20)

    def come(self) -> str:
        """Open the address, agree, and say by which name one goes."""
        assert self.http.get("/", params={"token": self.token}, follow_redirects=True).status_code == 200
        assert self.http.post("/consent", data={"answer": "agree"}).status_code == 303
        return self.until(lambda view: True)["you"]["name"]

    def until(self, true: Callable[[dict], bool], seconds: float = 20) -> dict:
        """What the page shows when something is true of it."""
        deadline, view = time.monotonic() + seconds, {}
        with self.http.stream("GET", "/events") as stream:
            assert stream.status_code == 200
            for line in stream.iter_lines():
                assert time.monotonic() < deadline, view
                if line:
                    view = json.loads(line.removeprefix("data: "))["view"]
                    if true(view):
                        return view
        raise AssertionError("the stream has ended")

    def asked(self, number: int = 1) -> list[dict]:
        """The questions, when there are so many."""
        return self.until(lambda view: len(view["questions"]) >= number)["questions"]

    def after(self, question: dict) -> dict:
        """The question that comes after this one."""
        return self.until(lambda view: view["questions"] and view["questions"][0]["id"] != question["id"])["questions"][
            0
        ]

    def answer(self, *options: int) -> None:
        """Answer one question after the other, each by the number of an option."""
        question = None
        for option in options:
            question = self.asked()[0] if question is None else self.after(question)
            assert self.post(question, "answer", option=option).status_code == 200

    def post(self, question: dict | str, verb: str, **what) -> httpx.Response:
        name = question if isinstance(question, str) else question["id"]
        return self.http.post(f"/questions/{name}/{verb}", json=what)


class Going:
    """A run under way in a thread, with its page."""

    def __init__(self, study: Path, jobs: int, far: bool) -> None:
        self.study, self.jobs, self.far, self.outcome = study, jobs, far, None
        self._guests: list[Guest] = []
        self._server: uvicorn.Server | None = None
        self.go()

    def go(self) -> None:
        self._thread = threading.Thread(target=self._execute, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 60
        while self._thread.is_alive() and not [*self.study.parent.glob("runs/*/board.json")]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (self.run,) = (path.parent for path in self.study.parent.glob("runs/*/run.json"))

    def _execute(self) -> None:
        if self.far:
            subprocess.run([sys.executable, "-c", FAR], cwd=self.study.parent, check=True, capture_output=True)
            return
        self.outcome = execute(Order(load(self.study), self.study.parent / "runs", self.jobs))

    def over(self, seconds: float = 20) -> Outcome:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the run does not end"
        return self.outcome

    def guest(self, address: str = "") -> Guest:
        """Another guest, who has the address; that of the page which is served here, without a word."""
        if address:
            self._guests.append(Guest(address))
            return self._guests[-1]
        if self._server is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(
                make_app(Hall(self.run), "the-token"),
                log_config=None,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=1,
            )
            self._server = uvicorn.Server(config)
            self._serving = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
            self._serving.start()
        return self.guest(f"http://127.0.0.1:{self._listener.getsockname()[1]}?token=the-token")

    def close(self) -> None:
        for guest in self._guests:
            guest.http.close()
        if self._server is not None:
            self._server.should_exit = True
            self._serving.join(10)
            self._listener.close()
        if self._thread.is_alive():
            ask_of_run(self.run, "stop")
            self.over()


@pytest.fixture
def ward(tmp_path, ward_world) -> Iterator[Callable[..., Going]]:
    """``ward(count=, horizon=, more=, people=, jobs=, episodes=, far=)``: a run whose doctors ask people; ends with the test."""

    @contextmanager
    def started(study: Path, jobs: int, far: bool) -> Iterator[Going]:
        going = Going(study, jobs, far)
        try:
            yield going
        finally:
            going.close()

    with ExitStack() as stack:

        def start(
            count: int = 1,
            horizon: int = 2,
            more: str = "",
            people: str = "",
            jobs: int = 1,
            episodes: int = 0,
            far: bool = False,
        ) -> Going:
            gives = ward_world('Field("dose", low=0, high=10)', 'Field("given", unit="mg")')
            (tmp_path / "ward.py").write_text(gives + DEFERS)
            (tmp_path / "ward.yaml").write_text(
                STUDY.format(
                    count=count,
                    horizon=horizon,
                    episodes=episodes or jobs,
                    more=more and f", {more}",
                    people=people and f", {people}",
                )
            )
            return stack.enter_context(started(tmp_path / "ward.yaml", jobs, far))

        yield start
