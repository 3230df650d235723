"""An OpenAI-compatible server on loopback that does exactly what a test tells it, and keeps a log of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Said:
    """What the server does with one request."""

    content: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish: str = "stop"
    refusal: str | None = None
    delay: float = 0.0
    hang: bool = False
    usage: dict[str, Any] | None = field(default_factory=lambda: {"prompt_tokens": 100, "completion_tokens": 10})
    model: str = ""
    raw: str | None = None
    """The whole body, instead of a chat completion."""


class ScriptedServer:
    """A context manager; ``script(body, number)`` says what to do with the n-th request."""

    def __init__(self, script: Callable[[dict[str, Any], int], Said]) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        """Bodies of all requests, in order."""
        self.headers: list[dict[str, str]] = []
        self.answered: list[dict[str, Any]] = []
        """Bodies of those that were answered with a completion that went out whole."""
        self.most_at_once = 0
        self._under_way = 0
        self._ready = threading.Event()

    def __enter__(self) -> ScriptedServer:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = len(self.requests)
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            said = self.script(body, number)
            await asyncio.sleep(3600 if said.hang else said.delay)
            if said.raw is not None or said.status != 200:
                text = said.raw if said.raw is not None else json.dumps({"error": {"message": said.content}})
                return web.Response(
                    status=said.status, text=text, headers=said.headers, content_type="application/json"
                )
            message = {"role": "assistant", "content": said.content, "refusal": said.refusal}
            data = {
                "id": f"chatcmpl-{number}",
                "object": "chat.completion",
                "created": 0,
                "model": said.model or f"{body['model']}-2026-01-01",
                "system_fingerprint": "fp_scripted",
                "choices": [{"index": 0, "message": message, "finish_reason": said.finish}],
                **({} if said.usage is None else {"usage": {"total_tokens": 110, **said.usage}}),
            }
            self.answered.append(body)
            return web.json_response(data)
        finally:
            self._under_way -= 1
