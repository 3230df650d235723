"""Members and experts who are asked: a language model, or a person."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from annotated_types import Gt

from simworld.kernel import Action, Agent, Array, Field, Json, Role, Seat, Value
from simworld.worlds.casework import NO_CLASS, NO_TEXT
from simworld_agents.caseworker._cues import NEEDS, Candidates, FloatArray, IntArray, candidates
from simworld_agents.caseworker._members import Share, rounds_of, stage_of
from simworld_agents.caseworker._policies import PolicyName, by_support, named
from simworld_agents.prompts import Prompt

_FOLDER = Path(__file__).parent / "prompts"
SYSTEM = Prompt(_FOLDER / "member_system.j2", ("who", "size", "persona", "asked", "rounds", "costs", "goal"))
SOLVE = Prompt(_FOLDER / "solve.j2", ("task", "examples", "own", "others", "form"))
DECIDE = Prompt(_FOLDER / "decide.j2", ("task", "own", "others", "cues", "options", "form"))
EXPERT_SYSTEM = Prompt(_FOLDER / "expert_system.j2", ("persona", "goal"))
EXPERT = Prompt(_FOLDER / "expert.j2", ("task", "others", "form"))

ANEW, ASK, STAY = "answer anew", "ask the expert", "stay with your answer"
"""What moves are called beside that of taking over somebody's answer."""
_LONGEST_THOUGHT = 300
_THOUGHT = Field("thought", "str", meaning="what it said that it thinks, in its own words")


@dataclass(eq=False)
class AskingMember(Agent, ABC):
    """A member who asks a model for its answers; what it does with answers is open.

    Without a usable answer it has none at first, and keeps its own later on; that is flagged.
    """

    model: str = "default"
    """Which of the scenario's models it asks."""
    persona: str = ""
    """Who it is, in a sentence or two of the prompt."""
    goal: str = "be right at the end, at the least cost"
    """What it is asked to reach."""

    sees: ClassVar[tuple[str, ...]] = ("topic", "answers", "answer", *NEEDS)
    does: ClassVar[tuple[str, ...]] = ("move", "answer", "confidence")
    asks: ClassVar[tuple[Literal["model", "person"], ...]] = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (_THOUGHT,)
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (SYSTEM, SOLVE)}

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Answer alone; later decide, and answer anew if that is what is decided."""
        one = {name: np.asarray(seen[name])[None] for name in NEEDS}
        options = candidates(one, rounds_of(seat.role))
        if seen["round"] == 0:
            return await self._solve(seen, seat, options)
        return await self._decided(seen, seat, options)

    async def _decided(self, seen: Mapping[str, Value], seat: Seat, options: Candidates) -> Action:
        """Do what the policy says."""
        chance = seat.draw("policy", width=(options.size + 2,))
        move = int(self.chosen(options, chance[None])[0])
        if move == options.create:
            return await self._solve(seen, seat, options)
        return {"move": move, "answer": _none(seat.role)}

    @abstractmethod
    def chosen(self, options: Candidates, chance: FloatArray) -> IntArray:
        """The move of this one member, shape (1,).

        Args:
            options: Its moves.
            chance: A number from 0 to 1 for each, shape (1, size + 2).
        """

    def _decides(self) -> bool:
        """Whether the model is asked for decisions, too, and told what they cost."""
        return False

    def examples(self, seen: Mapping[str, Value]) -> Sequence[str]:  # noqa: ARG002
        """What it is told of earlier cases, in lines; by default nothing."""
        return ()

    async def _solve(self, seen: Mapping[str, Value], seat: Seat, options: Candidates) -> Action:
        """Ask for an answer."""
        first = seen["round"] == 0
        own = "" if first else _said(seen["answer"])
        user = SOLVE.render(
            task=case_in_words(seen, seat.role),
            examples=list(self.examples(seen)),
            own=own,
            others=[] if first else _others(seen),
            form=_form(seat.role),
        )
        # Who cannot answer anew keeps what it has.
        fallback = {"thought": "", "answer": _plain(seen["answer"]), "confidence": float(options.confidence[0])}
        said = await self._asked(seat, self._content(seen, seat, user, {}, fallback))
        return {"move": options.create, "answer": said["answer"], "confidence": float(said["confidence"])}

    async def _asked(self, seat: Seat, content: Mapping[str, Json]) -> Mapping[str, Any]:
        answer = await seat.ask.model(content)
        said = cast("Mapping[str, Any]", answer.value)
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        return said

    def _content(
        self,
        seen: Mapping[str, Value],
        seat: Seat,
        user: str,
        wanted: Mapping[str, Json],
        fallback: Mapping[str, Json],
    ) -> Mapping[str, Json]:
        costs = [(ANEW, f"{seen['cost_create']:g}"), (ASK, f"{seen['cost_defer']:g}")]
        system = SYSTEM.render(
            who=f"member {int(cast('int', seen['place'])) + 1}",
            size=len(cast("Array", seen["answers"])),
            persona=self.persona,
            asked=self._decides(),
            rounds=rounds_of(seat.role),
            costs=costs,
            goal=self.goal,
        )
        return _ask(self.model, (SYSTEM.digest, system), user, _schema(seat.role, wanted), fallback)


@dataclass(eq=False)
class LlmSolver(AskingMember):
    """A member who asks a model for its answers, and in each round what to do; or does the latter by a fixed policy.

    With a policy the model is asked for answers alone. Without a usable answer it has none at first, and keeps its own
    later on; without a usable decision it takes over the answer that most hold. Both are flagged.
    """

    policy: Literal["asked"] | PolicyName = "asked"
    """Who decides what to make of its answers: the model, too (asked), or a fixed policy."""
    threshold: Share = 0.5
    """With the policy of that name: it asks the expert if it is less sure."""
    share: Share = 0.25
    """With the policy lot: how often it asks."""

    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (SYSTEM, SOLVE, DECIDE)}

    def chosen(self, options: Candidates, chance: FloatArray) -> IntArray:
        """As the policy has it."""
        assert self.policy != "asked"
        return named(self.policy, self.threshold, self.share).choose(options, chance)

    def _decides(self) -> bool:
        """If no policy does."""
        return self.policy == "asked"

    async def _decided(self, seen: Mapping[str, Value], seat: Seat, options: Candidates) -> Action:
        """Ask what to do, and for an answer beside it that counts if it is to answer anew; or as the policy has it."""
        if self.policy != "asked":
            return await super()._decided(seen, seat, options)
        moves = _called(options, int(cast("int", seen["place"])))
        allowed = [move for move in moves.values() if options.allowed[0, move]]
        lot = seat.draw("order", width=(options.size + 2,))
        # A model may like what stands first: no move always does.
        names = sorted((n for n, m in moves.items() if m in allowed), key=lambda name: float(lot[moves[name]]))
        scores = np.where(options.allowed, by_support(options), -np.inf)[0]
        best = next(name for name in names if moves[name] == int(scores.argmax()))
        user = DECIDE.render(
            task=case_in_words(seen, seat.role),
            own=_said(seen["answer"]),
            others=_others(seen),
            cues=_cues(seen),
            options=names,
            form=_form(seat.role, "one of the above"),
        )
        fallback = {"thought": "", "move": best, "answer": _none(seat.role), "confidence": 0.0}
        said = await self._asked(seat, self._content(seen, seat, user, {"move": {"enum": list(names)}}, fallback))
        move = moves[str(said["move"])]
        if move == options.create:
            return {"move": move, "answer": said["answer"], "confidence": float(said["confidence"])}
        return {"move": move, "answer": _none(seat.role)}


@dataclass(eq=False)
class LlmExpert(Agent):
    """An expert who asks a model. Without a usable answer it refuses, and the decision is flagged."""

    model: str = "default"
    """Which of the scenario's models it asks."""
    persona: str = "You are an expert in what they ask."
    """Who it is, in a sentence or two of the prompt."""
    goal: str = "be right"
    """What it is asked to reach."""

    sees = ("topic", "answers", "load")
    does = ("answer", "confidence")
    asks = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (_THOUGHT,)
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (EXPERT_SYSTEM, EXPERT)}

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask for an answer."""
        system = EXPERT_SYSTEM.render(persona=self.persona, goal=self.goal)
        user = EXPERT.render(task=case_in_words(seen, seat.role), others=_everybody(seen), form=_form(seat.role))
        fallback: dict[str, Json] = {"thought": "", "answer": _none(seat.role), "confidence": 0.0}
        content = _ask(self.model, (EXPERT_SYSTEM.digest, system), user, _schema(seat.role, {}), fallback)
        answer = await seat.ask.model(content)
        said = cast("Mapping[str, Any]", answer.value)
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        return {"answer": said["answer"], "confidence": float(said["confidence"])}


@dataclass(eq=False)
class PersonExpert(Agent):
    """An expert who is a person. Without an answer in time it refuses: whoever asked keeps an answer of its own."""

    person: str = "default"
    """Which of the scenario's people it asks."""
    deadline: Annotated[float, Gt(0)] | None = None
    """Seconds to answer; without one it is waited for ever."""

    sees = ("topic", "answers", "load")
    does = ("answer",)
    asks = ("person",)

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask the person."""
        classes = stage_of(seat.role).classes
        content: dict[str, Json] = {
            "question": case_in_words(seen, seat.role),
            "context": {
                "their answers": "; ".join(_everybody(seen)) or "none yet",
                "waiting": int(cast("int", seen["load"])) - 1,
            },
            "person": self.person,
            "fallback": _none(seat.role),
        }
        if classes:
            content["options"] = list(range(classes))
        if self.deadline is not None:
            content["deadline"] = self.deadline
        answer = await seat.ask.person(content)
        # What is not an answer at all, such as null, refuses too.
        return {"answer": _none(seat.role) if answer.value is None else cast("Value", answer.value)}


# -- cases and answers in words ----------------------------------------------------------------------------------------


def _ask(
    model: str, system: tuple[str, str], user: str, schema: Json, fallback: Mapping[str, Json]
) -> Mapping[str, Json]:
    digest, text = system
    return {
        "model": model,
        "messages": [{"role": "system", "content": text}, {"role": "user", "content": user}],
        "schema": schema,
        "fallback": fallback,
        "about": {"prompts": [digest[:12]]},
    }


def _schema(role: Role, more: Mapping[str, Json]) -> Json:
    """What is wanted: a thought, whatever more, an answer, and how sure it is."""
    classes = stage_of(role).classes
    answer: Json = {"enum": list(range(classes))} if classes else {"type": "string", "maxLength": 2000}
    sure: Json = {"type": "number", "minimum": 0, "maximum": 1}
    wanted: dict[str, Json] = {"thought": {"type": "string"}, **more, "answer": answer, "confidence": sure}
    return {"type": "object", "properties": wanted, "required": list(wanted), "additionalProperties": False}


def _form(role: Role, move: str = "") -> str:
    """The same in words."""
    classes = stage_of(role).classes
    answer = f"a number from 0 to {classes - 1}" if classes else '"the answer alone"'
    moves = f'"move": "{move}", ' if move else ""
    return f'{{"thought": "a few short sentences", {moves}"answer": {answer}, "confidence": a number from 0 to 1}}'


def case_in_words(seen: Mapping[str, Value], role: Role) -> str:
    """The case in words."""
    if "question" in seen:
        return str(seen["question"])
    told = ", ".join(f"{x:.3f}" for x in np.asarray(seen["features"]).tolist())
    last = stage_of(role).classes - 1
    return f"A case of topic {seen['topic']}: {told}. Which of the regions 0 to {last} hides the target?"


def _none(role: Role) -> str | int:
    """No answer."""
    return NO_CLASS if stage_of(role).classes else NO_TEXT


def _plain(answer: Value) -> str | int:
    """One answer, as plain data."""
    found = np.asarray(answer, dtype=object).item()
    return found if isinstance(found, str) else int(found)


def _said(answer: Value) -> str:
    """An answer in words, empty if there is none."""
    found = _plain(answer)
    return "" if found in (NO_CLASS, NO_TEXT) else str(found)


def _everybody(seen: Mapping[str, Value]) -> Sequence[str]:
    """What each member of the team has answered."""
    answers = cast("Array", seen["answers"]).tolist()
    sure = cast("Array", seen["confidences"]).tolist()
    return [
        f"member {place + 1}: {_said(answer)}" + ("" if np.isnan(how) else f" (sure by {how:.2f})")
        for place, (answer, how) in enumerate(zip(answers, sure, strict=True))
        if _said(answer)
    ]


def _others(seen: Mapping[str, Value]) -> Sequence[str]:
    """What each other member has answered."""
    own = f"member {int(cast('int', seen['place'])) + 1}: "
    return [line for line in _everybody(seen) if not line.startswith(own)]


def _cues(seen: Mapping[str, Value]) -> Sequence[str]:
    """How far the team agrees, in words."""
    size = len(cast("Array", seen["answers"]))
    place = int(cast("int", seen["place"]))
    support = int(cast("Array", seen["support"])[place])
    margin = int(cast("int", seen["margin"]))
    alike = "full" if support == size else "isolated" if seen["isolated"] else "none" if not support else "partial"
    stood = "is" if seen["same"] else "is not"
    return [
        f"agreement with your answer: {support} of {size} ({alike})",
        f"different answers: {int(cast('int', seen['distinct']))}",
        f"lead of the answer of most: {('none', 'weak', 'strong')[min(margin, 2)]}",
        f"your answer {stood} the same as a round before",
        *(["the expert has answered this case already"] if seen["told"] else []),
    ]


def _called(options: Candidates, own: int) -> Mapping[str, int]:
    """Moves by what they are called."""
    moves = {f"copy member {place + 1}": place for place in range(options.size) if place != own}
    return moves | {ANEW: options.create, ASK: options.defer, STAY: own}
