"""A lean client for OpenAI-compatible servers: one POST, nothing in between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from simworld.gateway._request import Completion, ModelFailure, ModelSpec, Request

_KEY = "OPENAI_API_KEY"
_SHOWN = 300


class LeanClient:
    """Speaks ``/chat/completions`` to one server over kept-open connections."""

    def __init__(self, spec: ModelSpec, keys: Mapping[str, str], limit: int) -> None:
        self._spec, self._limit = spec, limit
        self._address = (spec.base_url or "https://api.openai.com/v1").rstrip("/") + "/chat/completions"
        key = keys.get(spec.api_key_env or _KEY, "")
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._session: aiohttp.ClientSession | None = None

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
                text = await response.text(errors="replace")
                if response.status != 200:
                    raise failure_of(response.status, text, response.headers.get("Retry-After"))
        except aiohttp.ClientConnectorError as error:
            raise ModelFailure("unreachable", f"{self._spec.base_url}: {error.strerror or error}") from error
        except aiohttp.ClientError as error:
            raise ModelFailure("unreachable", f"{self._spec.base_url}: {type(error).__name__}: {error}") from error
        try:
            return completion_of(json.loads(text), self._spec)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise ModelFailure("server_error", f"not a chat completion: {text[:_SHOWN]!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


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


def completion_of(data: Mapping[str, Any], spec: ModelSpec) -> Completion:
    """A chat completion as the protocol spells it."""
    choice = data["choices"][0]
    message, usage = choice["message"], data.get("usage") or {}
    prompt, answer = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    return Completion(
        text=message.get("content") or "",
        model=str(data.get("model") or spec.model),
        fingerprint=str(data.get("system_fingerprint") or ""),
        prompt_tokens=prompt,
        completion_tokens=answer,
        usd=price(spec, prompt, answer),
        finish=str(choice.get("finish_reason") or "stop"),
        refusal=str(message.get("refusal") or ""),
    )


def price(spec: ModelSpec, prompt: int, answer: int) -> float | None:
    """What so many tokens cost at the scenario's own prices; None without any."""
    if spec.usd_per_million_input is None and spec.usd_per_million_output is None:
        return None
    return (prompt * (spec.usd_per_million_input or 0.0) + answer * (spec.usd_per_million_output or 0.0)) / 1e6


def failure_of(status: int, text: str, retry_after: str | None) -> ModelFailure:
    """What an HTTP status means for us."""
    detail = f"HTTP {status}: {' '.join(_said(text).split())[:_SHOWN]}"
    if status == 429:
        return ModelFailure("rate_limited", detail, after=_seconds(retry_after))
    if status in (401, 403, 404):
        return ModelFailure("rejected", detail, retry=False)
    if status in (408, 409) or status >= 500:
        return ModelFailure("timeout" if status == 408 else "server_error", detail, after=_seconds(retry_after))
    return ModelFailure("bad_request", detail, retry=False)


def _said(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return None
