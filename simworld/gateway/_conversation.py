"""What is said to a model about one ask: the question, one repair if its answer cannot be used, then the fallback.

No input or output happens here: a conversation is a generator that yields requests and is sent completions, so that
models that answer at once and models behind a network are driven alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from typing import Any, TypeAlias, cast

from simworld.errors import AskError
from simworld.gateway._reading import AnswerError, read_answer
from simworld.gateway._request import Completion, Message, ModelFailure, Request
from simworld.gateway._schema import check_schema
from simworld.kernel import MENDED, Answer, Ask, Json

Conversation: TypeAlias = Generator[Request, "Completion | ModelFailure", Answer]
"""Yields requests, is sent what came of each, and returns the answer."""

_MORE = {"schema", "fallback", "model", "about"}
_QUOTED = 2_000
"""So much of an answer that cannot be used is shown to the model again."""


def request_of(ask: Ask, seed: int) -> Request:
    """The request that an ask makes.

    Its content holds ``messages`` (or ``prompt``, a single user message), and may hold ``schema`` (JSON schema of the
    answer), ``fallback`` (what stands in for an answer that cannot be used), ``model`` (which of the scenario's
    models) and ``about`` (anything that the asker wants on tape).

    Raises:
        AskError: The content is something else.
    """
    content = ask.content
    unknown = set(content) - _MORE - {"messages", "prompt"}
    if unknown or ("messages" in content) == ("prompt" in content):
        raise AskError(f"{ask}: found {sorted(content)}; accepted: messages or prompt, and {', '.join(sorted(_MORE))}")
    messages = [{"role": "user", "content": content["prompt"]}] if "prompt" in content else content["messages"]
    if not isinstance(messages, list) or not all(_is_message(m) for m in messages) or not messages:
        raise AskError(f"{ask}: messages are a list of {{role, content}} with texts")
    schema = content.get("schema")
    if schema is not None:
        if not isinstance(schema, Mapping):
            raise AskError(f"{ask}: schema is a JSON schema")
        check_schema(schema)
    return Request(cast("list[Message]", messages), schema, ask_seed(seed, ask))


def ask_seed(seed: int, ask: Ask) -> int:
    """Seed of an ask's sampling: by its place alone, so that arms and twins of a fork share it."""
    text = "\0".join(map(str, (seed, *ask.key)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def converse(ask: Ask, request: Request) -> Conversation:
    """Ask, ask once more with the reason if the answer cannot be used, then fall back."""
    telemetry: dict[str, Json] = {}
    outcome = yield request
    _count(telemetry, outcome)
    read = _read(outcome, request)
    if isinstance(read, _Bad) and read.again and isinstance(outcome, Completion):
        first = read
        repair = (
            f"That answer cannot be used: {first.why}. Answer again, with JSON that fits the schema and nothing else."
        )
        again = request.plus(
            {"role": "assistant", "content": outcome.text[:_QUOTED]}, {"role": "user", "content": repair}
        )
        outcome = yield again
        _count(telemetry, outcome)
        read = _read(outcome, request)
        telemetry["repaired"] = 1
        if not isinstance(read, _Bad):
            read = (read[0], (f"asked again: {first.why}", *read[1]))
    if isinstance(read, _Bad):
        return Answer(ask.content.get("fallback"), read.kind, read.why, "fallback", telemetry)
    value, mends = read
    source = outcome.model if isinstance(outcome, Completion) else ""
    return Answer(value, MENDED if mends else "", "; ".join(mends), source, telemetry)


class _Bad:
    """Why an outcome is no answer."""

    def __init__(self, kind: str, why: str, again: bool) -> None:
        self.kind, self.why, self.again = kind, why, again


def _read(outcome: Completion | ModelFailure, request: Request) -> tuple[Json, tuple[str, ...]] | _Bad:
    if isinstance(outcome, ModelFailure):
        return _Bad(outcome.kind, outcome.detail, again=False)
    if outcome.refusal or outcome.finish == "content_filter":
        return _Bad("refused", outcome.refusal or "the provider filtered the answer", again=True)
    if request.schema is None:
        return (outcome.text, ()) if outcome.text else _Bad("invalid", "it is empty", again=True)
    try:
        return read_answer(outcome.text, request.schema)
    except AnswerError as error:
        if outcome.finish == "length":
            return _Bad("truncated", "it was cut off at the most tokens allowed: be brief", again=True)
        return _Bad("invalid", str(error), again=True)


def _count(telemetry: dict[str, Any], outcome: Completion | ModelFailure) -> None:
    if isinstance(outcome, ModelFailure):
        return
    telemetry["prompt_tokens"] = telemetry.get("prompt_tokens", 0) + outcome.prompt_tokens
    telemetry["completion_tokens"] = telemetry.get("completion_tokens", 0) + outcome.completion_tokens
    if outcome.usd is not None:
        telemetry["usd"] = telemetry.get("usd", 0.0) + outcome.usd
    if outcome.fingerprint:
        telemetry["fingerprint"] = outcome.fingerprint


def _is_message(message: object) -> bool:
    return (
        isinstance(message, Mapping)
        and set(message) == {"role", "content"}
        and all(isinstance(text, str) for text in message.values())
    )
