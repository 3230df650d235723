"""A worker process that dies takes nothing with it but its own episode."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from simworld.execution._lost import Lost
from simworld.execution._plan import specs_of
from simworld.scenario import load
from simworld_analysis import open_run

STREET = '''
import os
import time

from simworld.kernel import Agent, Field, Role, World


class Street(World):
    """Somebody who looks every tick."""

    roles = (Role("person", act=(Field("look"),)),)

    def reset(self, turn):
        turn.wake("person", turn.join("person", 1), 0)

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        turn.wake("person", moment.acts["person"].members, turn.tick + 1)


class Looks(Agent):
    """Ends its process at a tick, if it is asked to, or has a child that stays behind."""

    def __init__(self, dies: int = -1, child: bool = False, pause: float = 0.0):
        self.dies, self.child, self.pause = dies, child, pause

    def act(self, seen, seat):
        time.sleep(self.pause)
        if seat.tick == self.dies:
            if self.child and os.fork() == 0:
                open(f"child-{os.getpid()}", "w").close()
                time.sleep(60)
            os._exit(0)
        return {"look": 1.0}
'''
ARMS = """
world: {kind: "street:Street"}
roles: {person: {kind: "street:Looks", pause: 0.05}}
horizon: 120
arms:
  innocent: {}
  killer: {roles.person.dies: 30}
"""
COMMAND = [sys.executable, "-c", "from simworld.cli import main; main()", "run", "arms.yaml", "--display", "json"]


def _status(folder, text, *more):
    (folder / "street.py").write_text(STREET)
    (folder / "arms.yaml").write_text(text)
    # Into files: the end of a pipe would be waited for until whatever holds it is gone, too.
    out, err = folder / "out", folder / "err"
    with out.open("w") as to, err.open("w") as other:
        done = subprocess.run([*COMMAND, *more], cwd=folder, stdout=to, stderr=other, check=False, timeout=120)
    assert done.returncode == 1, err.read_text()
    rows = open_run(folder / json.loads(out.read_text().splitlines()[0])["run"]).table("episodes")
    return rows.groupby("arm", observed=True)["status"].unique().map(list).to_dict(), rows


def test_an_episode_beside_one_that_kills_its_workers_is_none_the_worse(tmp_path):
    status, rows = _status(tmp_path, ARMS, "--jobs", "2")
    assert status == {"killer": ["failed"], "innocent": ["success"]}
    told = rows[rows["arm"] == "killer"]["error"].item()
    assert told == "its worker process died 3 times (out of memory, or killed)"


def test_a_dead_worker_is_noticed_though_a_child_of_it_holds_its_pipe(tmp_path):
    text = ARMS.replace("dies: 30", "dies: 30, roles.person.child: true")
    assert _status(tmp_path, text, "--jobs", "2")[0] == {"killer": ["failed"], "innocent": ["success"]}
    children = [int(path.name.removeprefix("child-")) for path in tmp_path.glob("child-*")]
    assert len(children) == 3
    for child in children:
        os.kill(child, signal.SIGKILL)  # it is still there


def test_only_deaths_of_episodes_by_themselves_count(tmp_path):
    (tmp_path / "street.py").write_text(STREET)
    (tmp_path / "arms.yaml").write_text(ARMS)
    (tmp_path / "tables" / "episodes").mkdir(parents=True)
    specs, lost = specs_of(load(tmp_path / "arms.yaml"), tmp_path), Lost()
    for _ in range(5):
        assert lost.sort(specs) == (specs, [])
    assert lost.alone == {spec.id for spec in specs}
    for _ in range(2):
        assert lost.sort(specs[1:]) == (specs[1:], [])
    ((again, (over,)), other) = lost.sort(specs[1:]), lost.sort(specs[:1])
    assert (again, over.id, over.status) == ([], specs[1].id, "failed")
    assert other == (specs[:1], [])
