"""What was run, in the order of the ODD protocol (Grimm et al. 2020): Overview, Design concepts, Details."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simworld_analysis._open import OpenError, Run
from simworld_analysis.report._facts import Happened
from simworld_analysis.report._parameters import entries, scenario_arms
from simworld_analysis.report._words import count, listed, number

if TYPE_CHECKING:
    import pandas as pd

_WORDS = {"year", "month", "week", "day", "hour", "minute", "second", "round"}
"""Units of time that take a plural."""
_SCHEDULING = """\
Time is discrete and event-driven. Members wake at ticks that the world schedules; all who are awake at a moment observe
the state as it was before it, decide, and the world applies what they decided and wakes them again. Events at the same
tick are ordered by priority, then by when they were scheduled."""
_CHANCE = """\
Every draw comes from a stream that is addressed by the seed, the member and the purpose: the same seed gives the same
episode, and a further member changes nobody else's draws."""
_OBSERVATION = """\
Decisions, measures, faults and questions are recorded as they happen, in tables whose columns are declared with units.
The unit of analysis is the episode: a stock's value is its last sample and a flow's the mean of its samples, unless a
claim says otherwise. Intervals of means are 95 % Student t below 50 episodes and bias-corrected bootstrap from 50 on;
differences are paired by seed; the intervals of claims are widened together (Holm)."""

_PEOPLE = {
    "web": "answered by people at a web page",
    "terminal": "answered by somebody at a terminal",
    "scripted": "answered by a script, which is no person",
    "tape": "answered from the tape of an earlier run, by nobody in this one",
    "fallback": "answered by nobody in time, or not as was asked, so that a fallback stood in",
}
"""Who may have answered a question to people."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the protocol."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A role: who plays it, and how many."""

    role: str
    members: str
    minds: str


@dataclass(frozen=True, slots=True)
class Methods:
    """The methods text."""

    overview: tuple[Element, ...]
    entities: tuple[Entity, ...]
    concepts: tuple[Element, ...]
    details: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    run: Run
    manifest: Mapping[str, Any]
    scenario: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]]
    happened: Happened
    codebook: pd.DataFrame

    def fields(self, role: str, prefix: str) -> list[str]:
        book = self.codebook
        mine = book[(book["table"] == f"decisions.{role}") & book["column"].str.startswith(prefix)]
        return [_with_unit(c.removeprefix(prefix), u) for c, u in zip(mine["column"], mine["unit"], strict=True)]


def methods_of(
    run: Run, manifest: Mapping[str, Any], scenario: Mapping[str, Any], done: Happened, codebook: pd.DataFrame
) -> Methods:
    """The methods text of a run, from its resolved scenario and what its tables declare."""
    known = _Known(run, manifest, scenario, scenario_arms(scenario), done, codebook)
    return Methods(
        overview=(
            Element("Purpose", (_purpose(known),)),
            Element("Entities, state variables and scales", (_scales(known),)),
            Element("Process overview and scheduling", tuple(_process(known))),
        ),
        entities=tuple(_entities(known)),
        concepts=tuple(_concepts(known)),
        details=tuple(_details(known)),
    )


def _purpose(known: _Known) -> str:
    said = str(known.manifest.get("description") or "").strip().rstrip(".")
    arms = [name for name in known.arms if name]
    told = f"{said}." if said else "The scenario does not say what it is about."
    if arms:
        told += f" It compares {count(len(arms), 'arm')} ({listed(arms, 20)}); all share their seeds, so that they meet"
        told += " the same populations and are compared pair by pair."
    claims = len(known.manifest.get("claims") or ())
    return told + (f" It states {count(claims, 'claim')} beforehand." if claims else "")


def _entities(known: _Known) -> list[Entity]:
    found = []
    for role in dict.fromkeys(r for arm in known.arms.values() for r in arm.get("roles") or {}):
        minds: dict[str, list[str]] = {}
        members: dict[str, None] = {}
        for name, arm in known.arms.items():
            mine = entries(arm, role)
            members[f"{sum(int(e.get('count', 1)) for e in mine):,}"] = None
            minds.setdefault(" + ".join(str(e.get("kind", "?")) for e in mine), []).append(name)
        several = len(minds) > 1
        told = [kind + (f" ({listed(arms, 4)})" if several and any(arms) else "") for kind, arms in minds.items()]
        found.append(Entity(role, " or ".join(members), "; ".join(told)))
    return found


def _scales(known: _Known) -> str:
    world = (known.scenario.get("world") or {}).get("kind", "")
    horizon = known.scenario.get("horizon")
    told = f"The world is “{world}”." if world else "The world is not named in this directory."
    if horizon is not None:
        told += f" An episode spans {int(horizon):,} ticks{_length(known, int(horizon))}."
    told += " The roles and who plays them stand in the table below"
    recorded = any(table.startswith("decisions.") for table in known.run.tables)
    return told + ("; what members see, do and are is in the codebook." if recorded else ".")


def _length(known: _Known, horizon: int) -> str:
    try:
        unit = known.run.units("measures").get("time", "")
        if not unit:
            return ""
        first = known.run.table("measures", ["tick", "time"])
    except OpenError:
        return ""
    first = first[first["tick"] > 0].head(1)
    if not len(first):
        return ""
    each = float(first["time"].iloc[0]) / int(first["tick"].iloc[0])
    return f", {number(horizon * each)} {unit}{'s' if unit in _WORDS and horizon * each != 1.0 else ''}"


def _process(known: _Known) -> list[str]:
    told = [_SCHEDULING]
    try:
        episodes = known.run.table("episodes", ["moments", "decisions", "status"])
    except OpenError:
        return told
    episodes = episodes[episodes["status"] == "success"]
    if len(episodes):
        moments, decisions = _range(episodes["moments"]), _range(episodes["decisions"])
        told.append(f"A successful episode had {moments} moments and {decisions} decisions.")
    return told


def _concepts(known: _Known) -> list[Element]:
    roles = [t.removeprefix("decisions.") for t in known.run.tables if t.startswith("decisions.")]
    sees = [f"Members of role “{role}” see {listed(known.fields(role, 'obs.'), 24)}." for role in roles]
    does = [f"Members of role “{role}” decide {listed(known.fields(role, 'act.'), 24)}." for role in roles]
    measures = [str(m) for m in known.manifest.get("measures") or ()]
    shown = f" The scenario looks at {listed(measures, 12)}." if measures else ""
    emerges = f"Whatever is measured arises from the decisions of the members; no measure is imposed.{shown}"
    return [
        Element("Emergence", (emerges,)),
        Element("Sensing", tuple(sees) or ("No decision was recorded.",)),
        Element("Adaptation and objectives", tuple(does) or ("No decision was recorded.",)),
        Element("Learning and prediction", (_asked(known),)),
        Element("Stochasticity", (f"{_CHANCE} {_seeds(known)}".strip(),)),
        Element("Observation", (_OBSERVATION,)),
    ]


def _asked(known: _Known) -> str:
    models, people = known.happened.cost.models, _people(known)
    if not models:
        return people or "No language model was asked: all minds compute what they do."
    told = []
    for name, model, stand_in in models:
        what = (
            "a stand-in, not a language model: its answers come from a fixed rule" if stand_in else "a language model"
        )
        told.append(f"“{name}” is {model}, {what}")
    return f"Some minds ask a model. {'; '.join(told)}. Answers are recorded before they are used. {people}".strip()


def _people(known: _Known) -> str:
    """Who answered for people: nobody else is ever called one."""
    try:
        asks = known.run.table("asks", ["kind", "source", "fault"])
        noted = known.run.table("telemetry", ["key", "text"])
    except OpenError:
        return ""
    asked = asks[asks["kind"] == "person"]
    if not len(asked):
        return ""
    counts = asked["source"].astype(str).value_counts()
    who = noted[noted["key"] == "participant"]["text"].nunique()
    words = {source: words for source, words in _PEOPLE.items() if source in counts.index}
    told = [f"{counts[source]:,} {words[source]}" for source in words]
    told += [f"{times:,} by {source!r}" for source, times in counts.items() if source not in words]
    several = f" ({count(who, 'participant')})" if who else ""
    gone = sum(int(n) for n in (known.manifest.get("redacted") or {}).values())
    were = "was" if gone == 1 else "were"
    redacted = f" {count(gone, 'answer')} {were} withdrawn afterwards by whoever gave them." if gone else ""
    return f"Some minds ask people: of {count(len(asked), 'question')}, {listed(told, 6)}{several}.{redacted}"


def _seeds(known: _Known) -> str:
    seeds = [int(seed) for seed in known.manifest.get("seeds") or ()]
    if not seeds:
        return ""
    if seeds == list(range(seeds[0], seeds[0] + len(seeds))) and len(seeds) > 1:
        return f"Seeds were {seeds[0]} to {seeds[-1]}."
    return f"Seeds were {listed([str(s) for s in seeds], 12)}."


def _details(known: _Known) -> list[Element]:
    sources = list(known.manifest.get("sources") or {})
    prompts = list(known.manifest.get("prompts") or {})
    kinds = {str(e.get("kind")) for arm in known.arms.values() for r in arm.get("roles") or {} for e in entries(arm, r)}
    data = f"Code beside the scenario that it was run with: {listed(sources, 12)}." if sources else "None from outside."
    if prompts:
        data += f" Minds asked with {count(len(prompts), 'text')}, whose digests are under “How to reproduce it”."
    world = (known.scenario.get("world") or {}).get("kind", "")
    named = [f"the world “{world}”"] if world else []
    named += [f"the mind “{kind}”" for kind in sorted(kinds)]
    return [
        Element(
            "Initialization", ("The world's parameters stand below. What is drawn at the start is drawn by the seed.",)
        ),
        Element("Input data", (data,)),
        Element(
            "Submodels",
            (
                f"{listed(named, 40)[:1].upper()}{listed(named, 40)[1:]}; “simworld list NAME” describes each with its"
                " parameters, units and sources."
                if named
                else "Not named in this directory.",
            ),
        ),
    ]


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _range(values: pd.Series[int]) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
