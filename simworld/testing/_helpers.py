"""A listener that keeps everything, a mind that plays at random, and a gateway that answers from a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from simworld.kernel import (
    Acts,
    Answer,
    Array,
    Ask,
    Broker,
    Cohort,
    Field,
    Group,
    Kernel,
    Members,
    Recorder,
    Seats,
    Tape,
    World,
    read_tape,
)


@dataclass
class Listener:
    """A recorder that keeps everything in lists."""

    links: list[tuple[int, int, bytes]] = field(default_factory=list)
    """(tick, priority, link) of every moment."""
    rows: list[dict[str, object]] = field(default_factory=list)
    """One decision each: role, tick, since, member, decision, seen, done, mind, fault; plain values, or arrays where a
    field has a shape."""
    rewards: list[tuple[str, int, float]] = field(default_factory=list)
    closings: list[tuple[str, int, int, str]] = field(default_factory=list)
    """(role, tick, member, end)."""
    samples: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    asks: list[tuple[int, Ask, Answer | None]] = field(default_factory=list)
    faults: list[tuple[int, str, int, int, str, str]] = field(default_factory=list)
    """(tick, role, member, decision, kind, detail)."""
    born: list[tuple[str, int, int]] = field(default_factory=list)
    gone: list[tuple[str, int, int]] = field(default_factory=list)

    def joined(self, role: str, tick: int, members: Members, groups: Members, traits: Mapping[str, Array]) -> None:  # noqa: ARG002
        """Keep."""
        self.born += [(role, tick, m) for m in members.tolist()]

    def left(self, role: str, tick: int, members: Members) -> None:
        """Keep."""
        self.gone += [(role, tick, m) for m in members.tolist()]

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Keep, one row for each member."""
        ndim = {f.name: len(f.shape) for f in acts.role.obs}
        since = np.broadcast_to(acts.since, len(acts))
        for i, member in enumerate(acts.members.tolist()):
            row: dict[str, object] = {"role": role, "tick": tick, "since": int(since[i]), "member": member}
            row["decision"] = int(acts.decisions[i])
            # A shared field comes with one row each where decisions of several moments meet.
            row["seen"] = {k: _plain(v if v.ndim == ndim[k] else v[i]) for k, v in acts.seen.items()}
            row["done"] = {k: _plain(v[i]) for k, v in acts.done.items()}
            row["mind"] = {k: _plain(v[i]) for k, v in acts.mind.items()}
            row["fault"] = acts.faults.get(i)
            self.rows.append(row)

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:  # noqa: ARG002
        """Keep."""
        self.rewards += [(role, m, a) for m, a in zip(members.tolist(), amounts.tolist(), strict=True)]

    def closed(self, role: str, tick: int, members: Members, seen: Mapping[str, Array], end: str) -> None:  # noqa: ARG002
        """Keep."""
        self.closings += [(role, tick, m, end) for m in members.tolist()]

    def sampled(self, tick: int, values: Mapping[str, float]) -> None:
        """Keep."""
        self.samples.append((tick, dict(values)))

    def asked(self, tick: int, ask: Ask, answer: Answer | None, since: int) -> None:  # noqa: ARG002
        """Keep."""
        self.asks.append((tick, ask, answer))

    def faulted(self, tick: int, role: str, member: int, decision: int, fault: tuple[str, str]) -> None:
        """Keep."""
        self.faults.append((tick, role, member, decision, *fault))

    def linked(self, tick: int, priority: int, link: bytes) -> None:
        """Keep."""
        self.links.append((tick, priority, link))


def _plain(value: object) -> object:
    """A copy: what was seen must not change with the world."""
    return value.copy() if isinstance(value, np.ndarray) and value.ndim else np.asarray(value).item()


class ScriptedGateway:
    """Answers asks from a function, at once, and counts them."""

    def __init__(self, answer: Callable[[Ask], Answer]) -> None:
        self._answer = answer
        self.asked: list[Ask] = []
        """Every ask that was posted, in order."""

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Answer."""
        futures = []
        for ask in asks:
            self.asked.append(ask)
            future: Future[Answer] = Future()
            future.set_result(self._answer(ask))
            futures.append(future)
        return futures


def rewrite_tape(path: Path, to: Path, change: Callable[[int, Ask, Answer], tuple[Ask, Answer] | None]) -> None:
    """Write a changed copy of a tape: from place, ask and answer to those that shall stand there, None for none."""
    copy = Tape(to)
    for place, (ask, answer) in enumerate(read_tape(path)):
        changed = change(place, ask, answer)
        if changed is not None:
            copy.put(*changed)
    copy.close()


def tear_tape(path: Path, to: Path, answers: int, torn: int = 0) -> None:
    """Write a tape as a killed process leaves it: some whole answers, and at most so many bytes of the next one."""
    sizes = []
    for count in (answers, answers + 1):
        to.unlink(missing_ok=True)
        rewrite_tape(path, to, lambda place, ask, answer, n=count: (ask, answer) if place < n else None)  # type: ignore[misc]
        sizes.append(to.stat().st_size if to.exists() else 0)
    to.write_bytes(path.read_bytes()[: sizes[0] + max(0, min(torn, sizes[1] - sizes[0] - 1))])


class RandomMind(Cohort):
    """Plays uniformly within the declared bounds; unbounded numbers are standard normal."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """Addressed draws, one stream for each field."""
        return {f.name: _any(f, seats) for f in seats.role.act if f.default is None}


def _any(wanted: Field, seats: Seats) -> Array:
    width = tuple(int(d) for d in wanted.shape)
    if wanted.dtype == "str":
        return np.full((len(seats.members), *width), "x", dtype=object)
    if wanted.low is None or wanted.high is None:
        drawn = seats.draw(f"random.{wanted.name}", "normal", width)
        drawn = np.clip(drawn, wanted.low, wanted.high) if wanted.bounded else drawn
    else:
        spread = wanted.high - wanted.low + (1 if wanted.dtype == "int64" else 0)
        drawn = wanted.low + spread * seats.draw(f"random.{wanted.name}", "uniform", width)
    if wanted.dtype == "bool":
        return drawn > 0
    return np.floor(drawn).astype(np.int64) if wanted.dtype == "int64" else drawn


@dataclass(frozen=True)
class Episode:
    """An episode that was played."""

    kernel: Kernel
    heard: Listener

    @property
    def links(self) -> list[tuple[int, int, bytes]]:
        """(tick, priority, link) of every moment."""
        return self.heard.links


def play(
    world: World,
    seating: Mapping[str, Sequence[Group]],
    seed: int = 0,
    horizon: int = 20,
    broker: Broker | None = None,
    absent: Mapping[str, Members] | None = None,
) -> Episode:
    """Play one episode to its end, and keep all that was heard."""
    kernel = Kernel(world, seating, seed, horizon, absent)
    heard = Listener()
    recorder: Recorder = heard
    kernel.attach(recorder, broker)
    kernel.run()
    return Episode(kernel, heard)
