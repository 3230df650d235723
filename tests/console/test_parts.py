"""What the page is made of: holds that end, colours that can be read, and the command that serves it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import simworld.console
from simworld.console import is_loopback
from simworld.console._holds import Holds

PAGE = Path(simworld.console.__file__).parent / "page"
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]


def simworld_(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_hold_lasts_as_long_as_the_page_is_heard_of():
    clock = Clock()
    holds = Holds(30, clock)
    assert holds.take("q", "p-001")
    assert not holds.take("q", "p-002")
    clock.now = 20
    assert holds.take("q", "p-001")  # heard of again
    clock.now = 49
    assert holds.of("q").who == "p-001"
    assert holds.held_for("q") == 49
    clock.now = 51
    assert holds.of("q") is None
    assert holds.take("q", "p-002")
    holds.let_go("q", "p-001")  # not theirs any more
    assert holds.of("q").who == "p-002"
    holds.let_go("q", "p-002")
    assert holds.held_for("q") is None


def test_everybody_holds_one_at_a_time():
    holds = Holds()
    assert holds.take("a", "p-001")
    assert holds.take("b", "p-001")
    assert holds.take("a", "p-002")
    holds.leave("p-002")
    assert holds.of("a") is None
    assert holds.of("b").who == "p-001"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_can_be_read(dark):
    css = (PAGE / "page.css").read_text()
    light, of_dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light))
    colours |= dict(re.findall(r"--([\w-]+): (#\w{6})", of_dark)) if dark else {}

    def light_of(name: str) -> float:
        parts = [int(colours[name][i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((light_of(one), light_of(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for ink in ("ink", "muted", "bad", "accent"):
        for paper in ("paper", "soft"):
            assert contrast(ink, paper) >= 4.5, (ink, paper)
    assert contrast("ink", "soft-accent") >= 4.5
    assert contrast("on-accent", "accent") >= 4.5
    for edge in ("edge", "hue0", "hue1", "hue2", "hue3"):
        assert contrast(edge, "paper") >= 3, edge


def test_pages_load_nothing_from_anywhere_else():
    for path in PAGE.iterdir():
        found = re.findall(r"https?://[^\s\"']+", path.read_text())
        assert set(found) <= {"http://www.w3.org/2000/svg"}, path


@pytest.mark.parametrize(
    ("host", "alone"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)]
)
def test_which_addresses_are_those_of_this_machine(host, alone):
    assert is_loopback(host) == alone


# -- the command -----------------------------------------------------------------------------------------------------


def test_a_page_is_served_until_ctrl_c_and_by_one_process(ward):
    going = ward()
    command = [*PROGRAM, "human", "latest"]
    together = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=going.study.parent, text=True, **together) as page:
        try:
            said = [page.stdout.readline() for _ in range(3)]
            assert said[0] == f"people answer runs/{going.run.name} at\n"
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=\S{32}\n", said[1])
            guest = going.guest(said[1].strip())
            assert guest.come() == "p-001"
            second = simworld_("human", str(going.run), cwd=going.run)
            assert second.returncode == 2
            assert second.stderr == f"error: {going.run} has a page already, served by another process\n"
            page.send_signal(signal.SIGINT)
            assert page.wait(20) == 0
            assert page.stdout.read() == ""
            # Nobody's address, or browser, is kept anywhere.
            for path in going.run.rglob("*"):
                assert not path.is_file() or not re.search(rb"127\.0\.0\.1|python-httpx", path.read_bytes()), path
        finally:
            page.kill()


def test_who_withdraws_from_the_command_line(ward):
    going = ward(horizon=1)
    guest = going.guest()
    guest.come()
    assert guest.post(guest.asked()[0], "answer", option=2, reason="so").status_code == 200
    assert going.over().status == "success"
    wrong = simworld_("human", str(going.run), "--withdraw", "p-009", cwd=going.run)
    assert (wrong.returncode, wrong.stderr) == (2, f"error: {going.run}: no participant 'p-009'; it has p-001\n")
    none = simworld_("human", "latest", "--withdraw", "p-001", cwd=going.run)
    assert (none.returncode, none.stderr) == (2, "error: runs: no run in which people are asked at a page\n")
    # The latest is the newest that asks people, though it is over.
    done = simworld_("human", "latest", "--withdraw", "p-001", cwd=going.run.parent.parent)
    name = f"runs/{going.run.name}"
    assert (done.returncode, done.stdout) == (0, f"{name}: p-001 has withdrawn; 1 answer was taken out\n")
    replayed = simworld_("replay", str(going.run), cwd=going.run)
    assert (replayed.returncode, replayed.stdout.split(";")[0]) == (3, "redacted: 1 answer withdrawn by p-001")
    shown = simworld_("show", str(going.run), "--agent", "doctor:0", cwd=going.run)
    assert "answered null by web (redacted: withdrawn by the person who gave it)" in shown.stdout


def test_a_run_that_asks_nobody_has_no_page(tmp_path):
    (tmp_path / "it.yaml").write_text(
        "world: {kind: repeated_game}\nroles: {player: [{kind: always}, {kind: tit_for_tat}]}\nhorizon: 3\n"
    )
    assert simworld_("run", "it.yaml", "--display", "none", cwd=tmp_path).returncode == 0
    (run,) = (tmp_path / "runs").iterdir()
    for arguments in (["human", str(run)], ["human", str(tmp_path)]):
        refused = simworld_(*arguments, cwd=tmp_path)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
    assert "nobody is asked at a page" in simworld_("human", str(run), cwd=tmp_path).stderr
    assert not (run / "people").exists()


def test_a_page_belongs_to_a_run(tmp_path):
    learner = Path(__file__).parents[2] / "docs" / "examples" / "learner" / "climb.py"
    (tmp_path / "climb.py").write_text(learner.read_text())
    (tmp_path / "it.yaml").write_text(
        "world: {kind: repeated_game}\nroles: {player: [{kind: person}, {kind: tit_for_tat}]}\n"
        "people: {default: {kind: web}}\nhorizon: 3\ntrain: {algo: 'climb:Climb', learners: [player.1], steps: 10}\n"
    )
    done = simworld_("train", "it.yaml", "--jobs", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("a web page belongs to a run; accepted here: scripted, tape, terminal")
