"""Whatever a mind raises is its episode's own failure, told in the same words every time, and not too many of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from simworld_analysis import open_run

RAISES = '''
import asyncio

from simworld.kernel import Agent, Field, Role, World


class Place(World):
    """Somebody who acts every tick."""

    roles = (Role("a", act=(Field("x"),)),)

    def reset(self, turn):
        turn.wake("a", turn.join("a", 1), 0)

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        turn.wake("a", moment.acts["a"].members, turn.tick + 1)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Own(BaseException):
    pass


def noted(notes):
    error = ValueError("noted")
    error.__notes__ = notes
    return error


def a(n):
    return b(n + 1)


def b(n):
    return c(n + 1)


def c(n):
    return sorted([n], key=a)


ERRORS = {
    "mute": Mute,
    "numbers": lambda: noted([1, 2]),
    "nothing": lambda: noted(None),
    "cancelled": asyncio.CancelledError,
    "closed": GeneratorExit,
    "own": lambda: Own("its own"),
    "long": lambda: ValueError("y" * 3_000_000),
}


class Raises(Agent):
    """Raises at tick 3."""

    def __init__(self, how: str = ""):
        self.how = how

    def act(self, seen, seat):
        if seat.tick == 3:
            if self.how == "deep":
                a(0)
            if self.how:
                raise ERRORS[self.how]()
        return {"x": 0.0}


class Recovers(Raises):
    """Has a fallback."""

    fallback = {"x": 1.0}
'''
KINDS = ("mute", "numbers", "nothing", "cancelled", "closed", "own", "long", "deep")
SCENARIO = """
world: {kind: "raises:Place"}
roles: {a: {kind: "raises:%s"}}
horizon: 6
arms:
  good: {}
"""
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]


@pytest.fixture
def runs(tmp_path):
    """Every kind of failure in this process, and in two others; the runs."""

    def of(mind: str):
        (tmp_path / "raises.py").write_text(RAISES)
        arms = "".join(f"  {how}: {{roles.a.how: {how}}}\n" for how in KINDS)
        (tmp_path / "raises.yaml").write_text(SCENARIO % mind + arms)
        for jobs in ("1", "2"):
            command = [*PROGRAM, "run", "raises.yaml", "--display", "none", "--jobs", jobs, "--out", jobs]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
            assert "Traceback" not in done.stderr
            yield next((tmp_path / jobs).iterdir())

    return of


def tables(run):
    return {p.relative_to(run): p.read_bytes() for p in run.glob("t*/**/*.arrow") if p.parent.name != "telemetry"}


def test_whatever_a_mind_raises_is_told_in_the_same_words_everywhere(runs, tmp_path):
    alone, together = runs("Raises")
    rows = open_run(alone).table("episodes").set_index("arm")
    assert rows.loc["good", "status"] == "success"
    assert (rows.drop("good")["status"] == "failed").all()
    errors = rows["error"]
    where = "raises.py:71 in act"
    assert (
        errors["mute"]
        == f"Mute: (no text: its __str__ raised RuntimeError) ({where}; in Raises.act of a 0; seed 0, tick 3)"
    )
    assert errors["nothing"] == f"ValueError: noted ({where}; seed 0, tick 3)"
    assert errors["cancelled"].startswith(f"CancelledError:  ({where};") or errors["cancelled"].startswith(
        "CancelledError: "
    )
    assert errors["own"].startswith(f"Own: its own ({where};")
    assert errors["deep"] == (
        "RecursionError: maximum recursion depth exceeded (raises.py:69 in act; in Raises.act of a 0; seed 0, tick 3)"
    )
    assert len(errors["long"]) < 2_100
    assert "(3,000,000 characters in all)" in errors["long"]
    assert errors["long"].endswith("seed 0, tick 3)")
    assert (alone / "run.json").stat().st_size < 20_000
    assert max(map(len, open_run(alone).table("telemetry")["text"].dropna())) < 21_000
    assert tables(alone) == tables(together)
    replayed = subprocess.run(
        [*PROGRAM, "replay", str(alone)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert replayed.stdout.startswith("identical: 9 episodes")


def test_a_fallback_stands_in_for_any_of_them_in_the_same_words(runs):
    alone, together = runs("Recovers")
    assert set(open_run(alone).table("episodes")["status"]) == {"success"}
    arms = open_run(alone).table("episodes").set_index("episode")["arm"]
    details = open_run(alone).table("faults").assign(arm=lambda t: t["episode"].map(arms)).set_index("arm")["detail"]
    assert set(details.index) == set(KINDS)
    assert details["deep"] == "RecursionError: maximum recursion depth exceeded (raises.py:69)"
    assert max(map(len, details)) < 2_100
    assert tables(alone) == tables(together)
