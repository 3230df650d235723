"""Asking: the stand-in's own cost, what we add to litellm, a moment of a thousand asks, prompts that do not grow."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from aiohttp import web

from benchmarks.measure import Line
from simworld.execution import Order, execute
from simworld.gateway import STAND_IN, Desk, Manner, ModelSpec
from simworld.gateway._litellm import load_litellm
from simworld.kernel import Answer, Ask, Broker, Group, Individuals, Json, Kernel
from simworld.scenario import load
from simworld.testing import ScriptedGateway
from simworld.worlds.economy import Economy
from simworld_agents.economist import FixedPlanner, LlmWorker

ASKS, LIMIT, LATENCY = 1_000, 64, 0.05
SCHEMA: dict[str, Json] = {"type": "object", "properties": {"hours": {"type": "number"}}, "required": ["hours"]}
STUDY = """
name: bench
world: {kind: economy, tax_year: 6}
roles:
  worker: {kind: llm_worker, count: 100}
  planner: {kind: llm_planner}
horizon: 40
"""


def stand_in_cost() -> float:
    """Milliseconds of process time per ask: world, prompts, stand-in, tape, tables and all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(STUDY, encoding="utf-8")
        scenario = load(path)
        begun = time.process_time()
        execute(Order(scenario, Path(folder) / "runs"))
        return (time.process_time() - begun) / (40 * 100 + 7) * 1e3


def _serve(pipe: Connection, latency: float) -> None:
    async def chat(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(latency)
        message = {"role": "assistant", "content": '{"hours": 42}'}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
        body = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "bench",
            "choices": [choice],
            "usage": usage,
        }
        return web.json_response(body)

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]
        while not pipe.poll():
            await asyncio.sleep(0.1)

    asyncio.run(main())


@contextmanager
def server(latency: float) -> Iterator[str]:
    """A server in a process of its own: what it does must not count."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, latency), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        ours.send("end")
        process.join(5)


def asks(count: int) -> list[Ask]:
    content: dict[str, Json] = {"prompt": "How many hours?", "schema": SCHEMA, "fallback": {"hours": 40.0}}
    return [Ask(("worker", i, 0, 0), "model", content) for i in range(count)]


def moment(url: str, client: str, count: int = ASKS) -> tuple[float, float]:
    """Wall and process seconds of one moment's asks, on a desk that was used before."""
    spec = ModelSpec("openai/bench", base_url=url, client=client)  # type: ignore[arg-type]
    desk = Desk(Manner(limit=LIMIT, timeout=30), keys={})
    try:
        gateway = desk.gateway({"default": spec}, seed=1)
        [f.result() for f in gateway.post(asks(LIMIT))]
        wall, own = time.perf_counter(), time.process_time()
        answers = [f.result() for f in gateway.post(asks(count))]
        assert all(a.value == {"hours": 42} for a in answers)
        return time.perf_counter() - wall, time.process_time() - own
    finally:
        desk.close()


def bare_litellm(url: str, count: int = 300) -> float:
    """Process seconds of as many bare calls, as many at once."""
    litellm = load_litellm()

    async def one(slots: asyncio.Semaphore) -> None:
        async with slots:
            await litellm.acompletion(
                model="openai/bench",
                messages=[{"role": "user", "content": "How many hours?"}],
                api_base=url,
                api_key="none",
                max_retries=0,
                response_format={"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": SCHEMA}},
            )

    async def main() -> float:
        slots = asyncio.Semaphore(LIMIT)
        await asyncio.gather(*(one(slots) for _ in range(LIMIT)))
        own = time.process_time()
        await asyncio.gather(*(one(slots) for _ in range(count)))
        return time.process_time() - own

    return asyncio.run(main())


def prompt_lengths(ticks: tuple[int, ...]) -> list[float]:
    """Mean characters of a worker's prompt at these ticks, with hours that never settle."""
    lengths: dict[int, list[int]] = {}

    def answer(ask: Ask) -> Answer:
        tick = ask.key[2]
        lengths.setdefault(tick, []).append(len(json.dumps(ask.content["messages"])))
        return Answer({"thought": "", "hours": float((37 * tick + 11 * ask.key[1]) % 1000) / 10})

    seating = {
        "worker": [Group(Individuals(LlmWorker), 3)],
        "planner": [Group(Individuals(lambda: FixedPlanner("us_2024")), 1)],
    }
    kernel = Kernel(Economy(tax_year=12), seating, seed=1, horizon=max(ticks) + 1)
    kernel.attach(None, Broker(ScriptedGateway(answer)))
    kernel.run()
    return [float(np.mean(lengths[tick])) for tick in ticks]


def lines() -> list[Line]:
    own = min(stand_in_cost() for _ in range(3))
    with server(0.0) as url:
        bare = min(bare_litellm(url) for _ in range(2)) / 300 * 1e3
        ours = min(moment(url, "litellm", 300)[1] for _ in range(2)) / 300 * 1e3
        lean_own = min(moment(url, "lean", 300)[1] for _ in range(2)) / 300 * 1e3
    ideal = -(-ASKS // LIMIT) * LATENCY
    with server(LATENCY) as url:
        lean = min(moment(url, "lean")[0] for _ in range(3))
        through = min(moment(url, "litellm")[0] for _ in range(2))
    early, late = prompt_lengths((50, 5_000))
    return [
        Line(f"{STAND_IN}: own time per ask, tape and tables included", own, "ms", at_most=1.0),
        Line("lean client: own time per ask", lean_own, "ms"),
        Line("bare litellm call: own time", bare, "ms"),
        Line("an ask through litellm, above the bare call", ours - bare, "ms", at_most=1.0),
        Line(f"1,000 asks, 50 ms each, {LIMIT} at once: lean / ideal", lean / ideal, "x", at_most=1.3),
        Line("the same through litellm / ideal", through / ideal, "x"),
        Line("a worker's prompt at tick 5,000 / at tick 50", late / early, "x", at_most=1.02),
    ]
