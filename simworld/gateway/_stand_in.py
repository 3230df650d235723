"""The stand-ins. The first: no language model, but a small optimiser that reads a prompt and learns from its history.

``stand-in/in-context`` needs no key and no network, and is a pure function of (messages, schema, seed). It knows
nothing of any world. From the text it takes

- the goal: the last line such as ``Goal: maximise utility``;
- records: lines that hold a value for what it is asked to decide and one for the goal, such as
  ``period 7: rates [10, 25], hours 42, utility 31,200``;
- the situation: a line that begins with ``Now:``; records whose other lists agree with it count, if there are any;
- whether to settle: a line that begins with ``Choose the best``.

These stand at the beginning of a line: what a persona says of goals and choices is not meant for it.

It then answers near the record that reached the goal best, at the vertex of a parabola through the best few where one
number is asked for, and tries something nearby unless it is told to settle. That is in-context optimisation by a fixed
rule: it shows what the plumbing does with answers that improve, and nothing about what a language model would say.

The second, ``stand-in/reciprocal``, is in a file of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simworld.gateway._reciprocal import NAME as RECIPROCAL
from simworld.gateway._reciprocal import reciprocal_text
from simworld.gateway._request import Completion, ModelFailure, Request
from simworld.gateway._shapes import Path, Wanted, chance, fill, wanted_in

NAME = "stand-in/in-context"
NAMES = frozenset({NAME, RECIPROCAL})
"""All stand-ins."""

_NUMBER = r"[-+]?\$?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-+]?\$?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_LIST = r"\[[^\[\]]*\]"
_GOAL = re.compile(
    r"^[ \t]*[Gg]oal:\s*(maximi[sz]e|minimi[sz]e)\s+(?:your\s+|the\s+)?([A-Za-z][A-Za-z _]*?)\s*(?=[,.;:\n(]|$)",
    re.MULTILINE,
)
_SETTLE = re.compile(r"^[ \t]*[Cc]hoose the best\b", re.MULTILINE)
_LISTS = re.compile(rf"([A-Za-z_][A-Za-z_ ]*?)\s*[:=]?\s*({_LIST})")
_FIRST_STEP = 0.1
"""Of the range: how far the first trials are from the best so far."""


@dataclass(frozen=True, slots=True)
class _Record:
    at: tuple[float, ...]
    score: float
    line: str


def stand_in(model: str, request: Request) -> Completion | ModelFailure:
    """What the stand-in says to a request; unknown names are rejected."""
    if model not in NAMES:
        return ModelFailure("rejected", f"no such stand-in; accepted: {', '.join(sorted(NAMES))}", retry=False)
    text = answer_text(request) if model == NAME else reciprocal_text(request)
    words = sum(len(m["content"]) for m in request.messages)
    return Completion(text, model, prompt_tokens=words // 4, completion_tokens=len(text) // 4)


def answer_text(request: Request) -> str:
    """The answer as text: JSON if a schema is asked for. A pure function of messages, schema and seed."""
    text = "\n".join(m["content"] for m in request.messages)
    if request.schema is None:
        return "I am a stand-in, not a language model."
    return json.dumps(_Answerer(text, request.seed).answer(request.schema))


class _Answerer:
    def __init__(self, text: str, seed: int) -> None:
        self._text, self._seed = text, seed
        goal = next(reversed(list(_GOAL.finditer(text))), None)
        self._sign = -1.0 if goal and goal[1].startswith("min") else 1.0
        self._goal = goal[2].strip() if goal else ""
        self._settle = bool(_SETTLE.search(text))
        self._lines = text.split("\n")

    def answer(self, schema: Mapping[str, Any]) -> Any:
        """A value that fits the schema."""
        decided, said = self._decided(wanted_in(schema))
        return fill(schema, decided, said, self._uniform)

    # -- numbers ---------------------------------------------------------------------------------------------------

    def _decided(self, wanted: Sequence[Wanted]) -> tuple[dict[Path, Any], str]:
        """The numbers that are asked for, by their place in the answer, and what there is to say about them."""
        if not wanted:
            return {}, "nothing to decide by numbers"
        low = [w.low for w in wanted for _ in range(w.count or 1)]
        high = [w.high for w in wanted for _ in range(w.count or 1)]
        records = self._records(wanted)
        at = self._next(records, low, high) if records else self._start(wanted, low, high)
        decided: dict[Path, Any] = {}
        rounded: list[float] = []
        for w in wanted:
            values = [w.nearest(x) for x in at[len(rounded) : len(rounded) + (w.count or 1)]]
            decided[w.path] = values[0] if w.count is None else values
            rounded += values
        if not records:
            return decided, f"nothing to learn from yet; I try {_short(rounded)}"
        best = max(records, key=lambda r: r.score)
        said = f"best so far {_short(best.at)}, {self._goal} {best.score * self._sign:,.0f}"
        if not self._settle:
            return decided, f"{said}; I try {_short(rounded)}"
        return decided, f"{said}; " + ("I stay with it" if rounded == list(best.at) else f"I choose {_short(rounded)}")

    def _records(self, wanted: Sequence[Wanted]) -> list[_Record]:
        if not self._goal:
            return []
        goal = re.compile(rf"\b{re.escape(self._goal)}\s*(?:[:=]|of|is|was)?\s*({_NUMBER})")
        found: list[_Record] = []
        for line in self._lines:
            score = goal.search(line)
            if score is None:
                continue
            at: tuple[float, ...] = ()
            for w in wanted:
                value = _read(w, line)
                if value is None:
                    break
                at += value
            else:
                found.append(_Record(at, self._sign * _value(score[1]), line))
        return self._of_now(found, {w.name for w in wanted})

    def _of_now(self, records: list[_Record], wanted: set[str]) -> list[_Record]:
        """Those records that were made in the situation of now, if there are any."""
        now = next((line for line in reversed(self._lines) if line.lstrip().startswith("Now:")), "")
        situation = {n.strip(): values for n, values in _LISTS.findall(now) if n.strip().split(" ")[-1] not in wanted}
        if not situation:
            return records
        alike = [r for r in records if all(values in r.line for values in situation.values())]
        return alike or []

    def _start(self, wanted: Sequence[Wanted], low: Sequence[float], high: Sequence[float]) -> list[float]:
        """Near what is in force now, else near the middle."""
        now = next((line for line in reversed(self._lines) if line.lstrip().startswith("Now:")), "")
        at: list[float] = []
        for w in wanted:
            middle = (w.low + w.high) / 2
            at += _read(w, now) or [middle] * (w.count or 1)
        steps = [(2 * self._uniform(f"start {i}") - 1) * _FIRST_STEP / 2 for i in range(len(at))]
        return [x + s * (h - lo) for x, s, lo, h in zip(at, steps, low, high, strict=True)]

    def _next(self, records: list[_Record], low: Sequence[float], high: Sequence[float]) -> list[float]:
        best = max(records, key=lambda r: r.score)
        if len(low) == 1:
            return [self._along(records, best, low[0], high[0])]
        return list(best.at) if self._settle else self._around(records, best, low, high)

    def _along(self, records: list[_Record], best: _Record, low: float, high: float) -> float:
        """One number: the vertex of a parabola, or a step beyond the best."""
        spread = high - low
        points = sorted({r.at[0]: r.score for r in records}.items())
        peak = _vertex(points, best.at[0])
        if peak is not None:
            tried = [x for x, _ in points]
            # A parabola is trusted no farther than one step beyond what was tried.
            peak = min(max(peak, tried[0] - _FIRST_STEP * spread), tried[-1] + _FIRST_STEP * spread)
            noise = 0.0 if self._settle else (2 * self._uniform("noise") - 1) * 0.02 * spread
            return peak + noise
        if self._settle:
            return best.at[0]
        others = [x for x, _ in points if x != best.at[0]]
        up = self._uniform("way") < 0.5 if not others else best.at[0] > min(others, key=lambda x: abs(x - best.at[0]))
        step = _FIRST_STEP * spread * (0.5 + self._uniform("step"))
        return best.at[0] + (step if up else -step)

    def _around(
        self, records: list[_Record], best: _Record, low: Sequence[float], high: Sequence[float]
    ) -> list[float]:
        """Several numbers: change one or two of the best, by less the more was tried."""
        size = _FIRST_STEP * 2 / (1 + len({r.at for r in records}) / 8)
        at = list(best.at)
        for turn in range(1 + (self._uniform("two") < 0.5)):
            place = int(self._uniform(f"place {turn}") * len(at))
            step = size * (high[place] - low[place]) * (0.5 + self._uniform(f"step {turn}"))
            at[place] += step if self._uniform(f"way {turn}") < 0.5 else -step
        return at

    def _uniform(self, what: str) -> float:
        return chance(self._text, self._seed, what)


def _read(wanted: Wanted, line: str) -> tuple[float, ...] | None:
    """The value of what is asked for in a line, or None."""
    shape = _LIST if wanted.count is not None else _NUMBER
    spoken = re.escape(wanted.name).replace("_", "[_ ]")
    found = re.search(rf"\b{spoken}\s*(?:[:=]|of|is|was|were)?\s*({shape})(?![\d\]])", line)
    if found is None:
        return None
    values = tuple(_value(n) for n in re.findall(_NUMBER, found[1]))
    return values if len(values) == (1 if wanted.count is None else wanted.count) else None


def _vertex(points: Sequence[tuple[float, float]], near: float) -> float | None:
    """Where a parabola through the best point and its neighbours is highest; None if it has no such place."""
    if len(points) < 3:
        return None
    place = [x for x, _ in points].index(near)
    start = min(max(place - 1, 0), len(points) - 3)
    (x0, y0), (x1, y1), (x2, y2) = points[start : start + 3]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)
    return None if bend >= 0 else (x0 + x1) / 2 - left / (2 * bend)


def _short(at: Sequence[float]) -> str:
    return ", ".join(f"{x:g}" for x in (round(x, 1) for x in at))


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("$", ""))
