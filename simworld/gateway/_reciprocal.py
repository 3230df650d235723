"""A stand-in for players: not a language model, but generous tit for tat, read from a prompt.

``stand-in/reciprocal`` needs no key and no network, and is a pure function of (messages, schema, seed). It knows no
game. For each option or number that it is asked for it looks in the text for what somebody else decided last: the last
``the other's NAME VALUE``, as in ``round 7: your choice J, the other's choice F``. It answers with the same, and with
its best where there is nothing to answer: the first option, or the largest number. One time in ten it forgives, and
gives its best all the same. ``40 % J`` is answered by J four times in ten.

So it shows what the plumbing does with answers that listen, and nothing about what a language model would say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from simworld.gateway._request import Request
from simworld.gateway._shapes import Path, chance, fill, wanted_in

NAME = "stand-in/reciprocal"

_FORGIVES = 0.1
"""How often it gives its best whatever the other did."""
_NUMBER = r"[-+]?\d+(?:\.\d+)?"


def reciprocal_text(request: Request) -> str:
    """The answer as text: JSON if a schema is asked for. A pure function of messages, schema and seed."""
    if request.schema is None:
        return "I am a stand-in, not a language model."
    text = "\n".join(m["content"] for m in request.messages)
    return json.dumps(_Answerer(text, request.seed).answer(request.schema))


class _Answerer:
    def __init__(self, text: str, seed: int) -> None:
        self._text, self._seed = text, seed

    def answer(self, schema: Mapping[str, Any]) -> Any:
        """A value that fits the schema."""
        decided: dict[Path, Any] = {}
        said = "nothing to answer yet; I give my best"
        for name, options in _choices(schema):
            decided[(name,)], said = self._option(name, options)
        for number in wanted_in(schema):
            if number.count is None:
                theirs = self._last(number.name, _NUMBER)
                value, said = self._given(theirs, number.high if theirs is None else float(theirs), number.high)
                decided[number.path] = number.nearest(min(max(value, number.low), number.high))
        return fill(schema, decided, said, self._uniform)

    def _option(self, name: str, options: Sequence[str]) -> tuple[str, str]:
        words = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
        theirs = self._last(name, rf"(?:{_NUMBER} % )?(?:{words})")
        done = theirs or options[0]
        share, _, option = done.rpartition(" % ")
        if share:
            # Whoever mixes is answered by a mixture.
            others = [o for o in options if o != option] or [option]
            done = option if 100 * self._uniform(f"{name} share") < float(share) else others[0]
        return self._given(theirs, done, options[0])

    def _given(self, theirs: str | None, same: Any, best: Any) -> tuple[Any, str]:
        """What it answers, and what there is to say about it."""
        if theirs is None:
            return best, "nothing to answer yet; I give my best"
        if same != best and self._uniform("forgive") < _FORGIVES:
            return best, f"the other did {theirs}; I forgive it"
        return same, f"the other did {theirs}; I do the same"

    def _last(self, name: str, value: str) -> str | None:
        """What the other did last; None if the text does not tell."""
        spoken = re.escape(name).replace("_", "[_ ]")
        found = re.findall(rf"\bthe other's {spoken}\s*(?:[:=]|is|was)?\s*({value})(?!\w)", self._text)
        return str(found[-1]) if found else None

    def _uniform(self, what: str) -> float:
        return chance(self._text, self._seed, what)


def _choices(schema: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What an answer chooses among words, by name."""
    inner = schema.get("properties", {})
    named = {name: kind["enum"] for name, kind in inner.items() if "enum" in kind}
    return [(name, options) for name, options in named.items() if all(isinstance(o, str) for o in options)]
