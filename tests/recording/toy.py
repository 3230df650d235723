"""A small society: walkers on clocks of their own, who come and go, and a king whose decisions pay late.

As a program it records episodes: ``toy.py <run> <flush rows> <episode> ...``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from simworld.kernel import Cohort, Field, Group, Kernel, Role, World
from simworld.recording import EpisodeKey, EpisodeRecorder, EpisodeTables


class Village(World):
    """Seven walkers who wake at their own times; walker 2 leaves at tick 8, another one joins at tick 5."""

    roles = (
        Role(
            "walker",
            obs=(
                Field("x", unit="m", meaning="place on the road"),
                Field("word", "str"),
                Field("wind", shape=(2,), unit="m/s", shared=True),
                Field("map", shape=(2, 3)),
            ),
            act=(
                Field("step", "int64", unit="m"),
                Field("call", "str", default="ho"),
                Field("up", "bool", default=False),
            ),
            traits=(Field("size", unit="m", meaning="height"), Field("gait", shape=(2,))),
        ),
        Role("king", obs=(Field("walkers", "int64"),), act=(Field("tax"),), credit="explicit"),
    )
    measures = (Field("mean_x", unit="m", meaning="mean place"), Field("crowd"))
    tick_length = 0.5
    tick_unit = "h"

    def reset(self, turn):
        self.x = np.zeros(0)
        self._join(turn, turn.seats("walker"))
        turn.join("king")
        turn.wake("king", np.array([0]), 0, priority=-1)
        turn.call(5, "newcomer")

    def _join(self, turn, count):
        new = turn.join("walker", count, size=np.arange(count) + 1.5, gait=np.ones((count, 2)))
        self.x = np.concatenate([self.x, np.zeros(len(new))])
        turn.wake("walker", new, turn.tick + new % 3 + 1)

    def observe(self, role, members):
        if role == "king":
            return {"walkers": np.full(len(members), len(self.x))}
        return {
            "x": self.x[members],
            "word": np.array([f"walker {m}" for m in members], dtype=object),
            "wind": np.array([self.x.sum(), -1.0]),
            "map": np.arange(6.0).reshape(2, 3) + members[:, None, None],
        }

    def step(self, moment, turn):
        walked = moment.acts.get("walker")
        if walked is not None:
            self.x[walked.members] += walked["step"]
            turn.reward("walker", walked.members, walked["step"] * 1.0)
            gone = walked.members[(walked.members == 2) & (turn.tick >= 8)]
            turn.leave("walker", gone)
            stay = walked.members[~np.isin(walked.members, gone)]
            turn.wake("walker", stay, turn.tick + stay % 4 + 1)
            turn.emit(mean_x=float(self.x.mean()))
        ruled = moment.acts.get("king")
        if ruled is not None:
            turn.emit(crowd=float(len(self.x)))
            turn.wake("king", ruled.members, turn.tick + 4, priority=-1)
            if turn.tick >= 4:
                turn.reward("king", ruled.members, np.array([turn.tick * 1.0]), ruled.decisions - 1)

    def on_event(self, name, payload, turn):
        self._join(turn, 1)


class Strollers(Cohort):
    """Walk a little, and say how they feel."""

    mind = (Field("mood", unit="points", meaning="how it feels"), Field("thought", "str"))

    def act(self, seen, seats):
        seats.show(mood=seen["x"] / 2, thought=np.array(["on" for _ in seats.members], dtype=object))
        late = np.flatnonzero((seats.members == 1) & (seats.decisions == 2))
        for place in late:
            seats.fault(int(place), "tired", "sat down")
        return {"step": (seats.draw("step") * 5).astype(np.int64), "up": seats.members % 2 == 0}


class Plodders(Cohort):
    """Walk as they always do."""

    def act(self, seen, seats):
        return {"step": np.ones(len(seats.members), dtype=np.int64)}


class King(Cohort):
    """Takes a tenth."""

    def act(self, seen, seats):
        return {"tax": seen["walkers"] / 10}


SEATING = {
    "walker": [Group(Strollers(), 4, "stroller"), Group(Plodders(), 3, "plodder")],
    "king": [Group(King(), 1, "king")],
}


def tables(episode, seed=1, record=None, parameters=None):
    key = EpisodeKey(episode, "c0ffee", "plain", seed, parameters or {})
    return EpisodeTables.of(key, Village(), SEATING, record)


def record_episode(run, episode, seed=1, record=None, horizon=30, **how):
    Path(run).mkdir(exist_ok=True)
    recorder = EpisodeRecorder(run, tables(episode, seed, record), **how)
    kernel = Kernel(Village(), SEATING, seed, horizon)
    kernel.attach(recorder)
    kernel.run()
    recorder.finish("success", kernel.moments, kernel.tick)
    return kernel


if __name__ == "__main__":
    run, rows, *episodes = sys.argv[1:]
    for name in episodes:
        record_episode(Path(run), name, seed=int(name[1:]), flush_rows=int(rows), flush_seconds=0.0)
