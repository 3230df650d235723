"""A member that asks a model for its answers and follows a trained policy; the model sees what it was told before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from simworld.files import located
from simworld.kernel import Action, Seat, Value
from simworld.worlds.casework import NO_CLASS, NO_TEXT
from simworld_agents.caseworker import AskingMember, Candidates, FloatArray, IntArray, case_in_words, drawn
from simworld_agents.hila._policy import DeferencePolicy


@dataclass(eq=False)
class LlmHila(AskingMember):
    """A member who asks a model for its answers; a trained policy says when to copy, answer anew or ask (HILA).

    What the expert has answered it before, on the same topic, stands in the prompt: the paper's outer loop without
    training a model, as its code has it with stored hints.
    """

    checkpoint: str = ""
    """The policy, a file that ``simworld train`` has made with ``algo: hila``; by default all moves are alike to it."""
    greedy: bool = True
    """Do what the policy finds best; else draw from what it gives."""
    shown: Annotated[int, Ge(0)] = 4
    """How many of the expert's answers on the same topic are shown, the latest ones."""

    sees: ClassVar[tuple[str, ...]] = (*AskingMember.sees, "case", "reply")
    reads: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __post_init__(self) -> None:
        """Load the policy. Raises ValueError: there is no such file, or it holds something else."""
        self._follows = DeferencePolicy.load(located(self.checkpoint)) if self.checkpoint else DeferencePolicy()
        self._waits: tuple[int, int, str] | None = None
        self._told: list[tuple[int, int, str]] = []

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Answer or decide; then take note of what the expert has said, and of what it is asked now."""
        done = await super().act(seen, seat)
        self._told, self._waits = self._heard(seen), None
        moves = np.asarray(seen["moves"])
        if moves[-1] and done["move"] == len(moves) - 1:
            topic, case = (int(np.asarray(seen[name])) for name in ("topic", "case"))
            self._waits = topic, case, case_in_words(seen, seat.role)
        return done

    def chosen(self, options: Candidates, chance: FloatArray) -> IntArray:
        """As the policy has it."""
        if self.greedy:
            return self._follows.choose(options, chance)
        return drawn(self._follows.scores(options), options, chance)

    def examples(self, seen: Mapping[str, Value]) -> Sequence[str]:
        """What the expert has answered it on this topic, but about other cases."""
        here = int(np.asarray(seen["topic"])), int(np.asarray(seen["case"]))
        told = [line for topic, case, line in self._heard(seen) if topic == here[0] and case != here[1]]
        return told[max(0, len(told) - self.shown) :] if self.shown else ()

    def _heard(self, seen: Mapping[str, Value]) -> list[tuple[int, int, str]]:
        """Topic, case, and words of all that it was told, the last one included; of each case once."""
        reply = np.asarray(seen["reply"], dtype=object).item()
        if self._waits is None or reply in (NO_CLASS, NO_TEXT):
            return self._told
        topic, case, task = self._waits
        return [*(one for one in self._told if one[1] != case), (topic, case, f"{task} {reply}")]
