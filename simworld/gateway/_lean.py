"""A lean client for OpenAI-compatible servers: one POST, nothing in between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from simworld.errors import ModelError
from simworld.gateway._redact import Redactor
from simworld.gateway._request import Completion, ModelFailure, ModelSpec, Request

OPENAI = "https://api.openai.com/v1"
_KEY = "OPENAI_API_KEY"
_SHOWN = 300
_MOST_TOKENS = 10**9


class LeanClient:
    """Speaks ``/chat/completions`` to one server over kept-open connections."""

    def __init__(self, spec: ModelSpec, keys: Mapping[str, str], limit: int, redact: Redactor) -> None:
        self._spec, self._limit, self._redact = spec, limit, redact
        self._address = (spec.base_url or OPENAI).rstrip("/") + "/chat/completions"
        key = key_of(spec, keys)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._session: aiohttp.ClientSession | None = None

    @property
    def prices(self) -> tuple[float, float] | None:
        """The scenario's own."""
        return own_prices(self._spec)

    async def complete(self, request: Request) -> Completion:
        """Make one call. Raises ModelFailure."""
        if self._session is None:
            # The desk keeps the time, and its limit bounds connections.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), connector=aiohttp.TCPConnector(limit=self._limit)
            )
        body = json.dumps(body_of(self._spec, request)).encode()
        try:
            async with self._session.post(self._address, data=body, headers=self._headers) as response:
                data = await response.read()
        except aiohttp.ClientConnectorError as error:
            raise ModelFailure("unreachable", f"{self._spec.base_url}: {error.strerror or error}") from error
        except aiohttp.ClientError as error:
            raise ModelFailure("unreachable", f"{self._spec.base_url}: {type(error).__name__}: {error}") from error
        # Before anything is cut, quoted or parsed: a server may echo what it was sent.
        text = self._redact(data.decode(errors="replace"))
        if not 200 <= response.status < 300:
            raise failure_of(response.status, text, response.headers)
        try:
            return completion_of(json.loads(text), self._spec, request)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFailure("server_error", f"not a chat completion: {text[:_SHOWN]!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def key_of(spec: ModelSpec, keys: Mapping[str, str]) -> str:
    """The key for a model: OpenAI's goes to OpenAI only, any other server gets the one that was named for it.

    Raises:
        ModelError: It is missing, or cannot stand in a header.
    """
    name = spec.api_key_env
    if not name and spec.base_url and urlsplit(spec.base_url).hostname != urlsplit(OPENAI).hostname:
        return ""
    key = keys.get(name or _KEY, "").strip()
    if not key:
        raise ModelError(f"model {spec.model!r}: the environment variable {name or _KEY} with its key is not set")
    if not key.isprintable() or not key.isascii():
        raise ModelError(f"model {spec.model!r}: the key in {name or _KEY} holds signs that no key has")
    return key


def body_of(spec: ModelSpec, request: Request) -> dict[str, Any]:
    """The body of a chat-completions call."""
    body: dict[str, Any] = {
        "model": spec.model.removeprefix("openai/"),
        "messages": list(request.messages),
        "max_tokens": spec.max_tokens,
        "seed": request.seed,
    }
    if spec.temperature is not None:
        body["temperature"] = spec.temperature
    form = response_format(spec, request)
    return body if form is None else {**body, "response_format": form}


def response_format(spec: ModelSpec, request: Request) -> dict[str, Any] | None:
    """How the answer's form is enforced, in OpenAI's words."""
    if request.schema is None or spec.json == "none":
        return None
    if spec.json == "object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(request.schema)}}


def completion_of(data: Mapping[str, Any], spec: ModelSpec, request: Request) -> Completion:
    """A chat completion as the protocol spells it. Raises what odd data make Python raise."""
    choice = data["choices"][0]
    message, usage = choice["message"], data.get("usage") or {}
    text = _text(message.get("content"))
    prompt = _count(usage.get("prompt_tokens"), "".join(m["content"] for m in request.messages))
    answer = _count(usage.get("completion_tokens"), text)
    prices = own_prices(spec)
    return Completion(
        text=text,
        model=str(data.get("model") or spec.model),
        fingerprint=str(data.get("system_fingerprint") or ""),
        prompt_tokens=prompt,
        completion_tokens=answer,
        usd=None if prices is None else prompt * prices[0] + answer * prices[1],
        finish=str(choice.get("finish_reason") or "stop"),
        refusal=str(message.get("refusal") or ""),
    )


def own_prices(spec: ModelSpec) -> tuple[float, float] | None:
    """USD per token of prompt and answer at the scenario's own prices; None without any."""
    if spec.usd_per_million_input is None and spec.usd_per_million_output is None:
        return None
    return (spec.usd_per_million_input or 0.0) / 1e6, (spec.usd_per_million_output or 0.0) / 1e6


def failure_of(status: int, text: str, headers: Mapping[str, str]) -> ModelFailure:
    """What an HTTP status means for us."""
    detail = f"HTTP {status}: {' '.join(_said(text).split())[:_SHOWN]}"
    if status == 429:
        return ModelFailure("rate_limited", detail, after=_seconds(headers))
    if status in (401, 402):
        return ModelFailure("rejected", detail, retry=False, fatal="always")
    if status in (403, 404):
        return ModelFailure("rejected", detail, retry=False, fatal="at_first")
    if status in (408, 409) or status >= 500:
        return ModelFailure("timeout" if status == 408 else "server_error", detail, after=_seconds(headers))
    return ModelFailure("bad_request", detail, retry=False)


def _text(content: object) -> str:
    """What a message says: a text, or the texts of its parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type", "text") in ("text", "output_text"))
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content is a {type(content).__name__}")
    return content or ""


def _count(tokens: object, text: str) -> int:
    """A count of tokens as the server gives it; where it gives none, or nonsense, about what it must be."""
    if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= _MOST_TOKENS:
        return tokens
    return len(text.encode(errors="replace")) // 3


def _said(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def _seconds(headers: Mapping[str, str]) -> float | None:
    """How long the server asks us to wait: in seconds, or until a time by its own clock."""
    asked = headers.get("Retry-After") or headers.get("retry-after") or ""
    try:
        seconds = float(asked)
        return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124  nan
    except ValueError:
        pass
    try:
        now = parsedate_to_datetime(headers.get("Date") or headers.get("date") or "")
        return max(0.0, (parsedate_to_datetime(asked) - now).total_seconds())
    except (ValueError, TypeError):
        return None
