"""The desk against a server that misbehaves in every way there is, through both clients."""

from __future__ import annotations

import json
import logging
import time

import pytest

from simworld.errors import AskError, BudgetError, ModelError
from simworld.gateway import Budget, Desk, Manner, ModelSpec, OwnMeter
from simworld.kernel import Ask

SCHEMA = {
    "type": "object",
    "properties": {"hours": {"type": "number", "minimum": 0, "maximum": 100}},
    "required": ["hours"],
    "additionalProperties": False,
}
GOOD = '{"hours": 42}'
SECRET = "sk-planted-secret-1234567890"
QUICK = Manner(limit=8, timeout=0.5, retries=1)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # litellm's own


@pytest.fixture(params=["lean", "litellm"])
def client(request):
    return request.param


@pytest.fixture
def desk(monkeypatch):
    monkeypatch.setattr("simworld.gateway._desk._FIRST_WAIT", 0.01)
    monkeypatch.setattr("simworld.gateway._desk._FIRST_CALL", 1.0)
    opened = []

    def open_desk(manner=QUICK, budget=None):
        opened.append(Desk(manner, OwnMeter(budget), {"OPENAI_API_KEY": SECRET, "MY_KEY": SECRET}))
        return opened[-1]

    yield open_desk
    for one in opened:
        one.close()


def asks(count, **more):
    content = {"prompt": "How many hours?", "schema": SCHEMA, "fallback": {"hours": 40.0}, **more}
    return [Ask(("worker", i, 0, 0), "model", content) for i in range(count)]


def answers(desk, server, client, count=1, spec=None, **more):
    spec = spec or ModelSpec(
        "openai/scripted", base_url=server.url, client=client, api_key_env="MY_KEY", temperature=0.5
    )
    futures = desk.gateway({"default": spec}, seed=7).post(asks(count, **more))
    return [f.result(30) for f in futures]


def test_a_proper_answer_is_what_the_model_said_with_its_name(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD))
    (answer,) = answers(desk(), server, client)
    assert (answer.value, answer.fault, answer.detail) == ({"hours": 42.0}, "", "")
    assert answer.source == "scripted-2026-01-01"
    assert answer.telemetry["fingerprint"] == "fp_scripted"
    assert (answer.telemetry["prompt_tokens"], answer.telemetry["completion_tokens"]) == (100, 10)
    assert answer.telemetry["attempts"] == 1
    assert 0 < answer.telemetry["seconds"] < 30
    body, headers = server.requests[0], server.headers[0]
    assert body["model"] == "scripted"
    assert body["messages"] == [{"role": "user", "content": "How many hours?"}]
    assert (body["temperature"], body["max_tokens"]) == (0.5, 500)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert headers["Authorization"] == f"Bearer {SECRET}"


def test_every_ask_has_a_seed_of_its_own_and_always_the_same(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD))
    one = desk()
    answers(one, server, client, count=5)
    answers(one, server, client, count=5)
    seeds = [body["seed"] for body in server.requests]
    assert len(set(seeds)) == 5
    assert sorted(seeds[:5]) == sorted(seeds[5:])


MENDED = {
    "code fence": (f"```json\n{GOOD}\n```", "a code fence"),
    "thinking block": (f"<think>hm, 99?</think>{GOOD}", "a thinking block"),
    "number in a string": ('{"hours": "42"}', "a number in text"),
    "words around it": (f"I would say {GOOD}, if I may.", "words around it"),
}


@pytest.mark.parametrize("case", MENDED)
def test_odd_packaging_is_mended_flagged_and_the_models_own(serve, said, desk, client, case):
    text, why = MENDED[case]
    (answer,) = answers(desk(), server := serve(lambda body, n: said(text)), client)
    if (client, case) == ("litellm", "thinking block"):
        why = ""  # litellm takes it out by itself
    assert (answer.value, answer.fault, answer.detail) == ({"hours": 42.0}, "mended" if why else "", why)
    assert len(server.requests) == 1


BAD = {
    "prose": ({"content": "I will not tell."}, "invalid", "it holds no JSON object"),
    "refusal": ({"content": "", "refusal": "I cannot help with that."}, "refused", "I cannot help"),
    "filter": ({"content": "", "finish": "content_filter"}, "refused", "filtered"),
    "nan": ({"content": '{"hours": NaN}'}, "invalid", "hours"),
    "huge": ({"content": '{"hours": 1e9}'}, "invalid", "less than or equal to 100"),
    "truncated": ({"content": '{"hours": ', "finish": "length"}, "truncated", "cut off"),
    "empty": ({"content": ""}, "invalid", "no JSON"),
    "null": ({"content": None}, "invalid", "no JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_gets_one_repair_prompt_then_the_fallback(serve, said, desk, client, case):
    says, kind, why = BAD[case]
    (answer,) = answers(desk(), server := serve(lambda body, n: said(**says)), client)
    assert (answer.value, answer.fault, answer.source) == ({"hours": 40.0}, kind, "fallback")
    assert why in answer.detail
    first, second = server.requests  # one repair, no more
    assert second["messages"][0] == first["messages"][0]
    assert second["messages"][1]["role"] == "assistant"
    assert "That answer cannot be used: " in second["messages"][2]["content"]
    assert why in second["messages"][2]["content"]
    assert second["seed"] == first["seed"] + 1


def test_a_repaired_answer_is_the_models_own_and_says_what_was_wrong(serve, said, desk, client):
    server = serve(lambda body, n: said('{"hours": 1e9}' if n == 0 else GOOD))
    (answer,) = answers(desk(), server, client)
    assert (answer.value, answer.fault, answer.source) == ({"hours": 42.0}, "mended", "scripted-2026-01-01")
    assert answer.detail.startswith("asked again: hours: Input should be less than or equal to 100")
    assert answer.telemetry["repaired"] == 1
    assert answer.telemetry["prompt_tokens"] == 200


@pytest.mark.parametrize(
    ("says", "kind", "requests"),
    [
        ({"status": 500, "content": "boom"}, "server_error", 2),
        ({"status": 503, "raw": "<html>busy</html>"}, "server_error", 2),
        ({"status": 429, "content": "slow down"}, "rate_limited", 2),
        ({"status": 400, "content": "context length exceeded"}, "bad_request", 1),
        ({"raw": "not json at all"}, "server_error", 2),
        ({"hang": True}, "timeout", 2),
    ],
)
def test_a_call_that_fails_is_tried_again_if_that_may_help_then_the_fallback(
    serve, said, desk, client, says, kind, requests
):
    server = serve(lambda body, n: said(**says))
    (answer,) = answers(desk(), server, client)
    assert (answer.value, answer.source) == ({"hours": 40.0}, "fallback")
    assert answer.fault == kind
    assert answer.detail
    assert len(server.requests) == requests == answer.telemetry["attempts"]


def test_a_fault_that_passes_leaves_no_trace_but_in_telemetry(serve, said, desk, client):
    server = serve(lambda body, n: said("boom", status=500) if n == 0 else said(GOOD))
    (answer,) = answers(desk(), server, client)
    assert (answer.value, answer.fault) == ({"hours": 42.0}, "")
    assert answer.telemetry["attempts"] == 2


def test_retry_after_is_waited_for(serve, said, desk, client):
    server = serve(lambda body, n: said("later", status=429, headers={"Retry-After": "0.7"}) if n == 0 else said(GOOD))
    begun = time.monotonic()
    (answer,) = answers(desk(), server, client)
    assert answer.value == {"hours": 42.0}
    assert time.monotonic() - begun > 0.7


def test_nobody_there_is_noticed_once_and_not_waited_for_again(serve, said, desk, client, monkeypatch):
    monkeypatch.setattr("simworld.gateway._desk._FIRST_WAIT", 0.3)
    server = serve(lambda body, n: said(GOOD))
    spec = ModelSpec("openai/x", base_url=f"http://127.0.0.1:{_free_port()}/v1", client=client)
    one = desk()
    (first,) = answers(one, server, client, spec=spec)
    assert (first.fault, first.value) == ("unreachable", {"hours": 40.0})
    begun = time.monotonic()
    assert {a.fault for a in answers(one, server, client, count=30, spec=spec)} == {"unreachable"}
    assert time.monotonic() - begun < 3


def _free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_other_ask_would_change_ends_the_run_in_one_line(serve, said, desk, client, status):
    server = serve(lambda body, n: said(f"bad key {SECRET}", status=status))
    with pytest.raises(ModelError, match=rf"model 'openai/scripted': .*{status}.*bad key \[secret\]"):
        answers(desk(), server, client)


def test_calls_go_out_together_up_to_the_limit(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD, delay=0.1))
    found = answers(desk(Manner(limit=8, timeout=20)), server, client, count=32)
    assert {json.dumps(a.value) for a in found} == {'{"hours": 42.0}'}
    assert server.most_at_once == 8


def test_secrets_are_in_no_answer_error_or_log(serve, said, desk, client, caplog):
    caplog.set_level(logging.DEBUG)
    echo = f'{{"hours": 42, "thought": "{SECRET}"}}'
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "thought": {"type": "string"}}}
    one = desk()
    (answer,) = answers(one, serve(lambda body, n: said(echo)), client, schema=schema)
    assert answer.value == {"hours": 42, "thought": "[secret]"}
    (answer,) = answers(one, serve(lambda body, n: said(f"500 {SECRET}", status=500)), client)
    assert "[secret]" in answer.detail
    logging.getLogger("anything").debug("key is %s", SECRET)
    logging.getLogger("anything").error("oops", exc_info=ValueError(SECRET))
    assert "[secret]" in caplog.text
    everything = caplog.text + repr(answer) + str(caplog.records)
    assert SECRET not in everything


# -- what needs no server --------------------------------------------------------------------------------------------


def post(desk, models, *content):
    made = [Ask(("worker", i, 0, 0), "model", c) for i, c in enumerate(content)]
    return [f.result() for f in desk.gateway(models, 7).post(made)]


STAND_IN = {"default": ModelSpec("stand-in/in-context")}


def test_the_stand_in_answers_at_once_and_says_what_it_is(desk):
    one = desk()
    (answer,) = post(one, STAND_IN, {"prompt": "How many?", "schema": SCHEMA})
    assert answer.source == "stand-in/in-context"
    assert answer.fault == ""
    assert one.meter.spent().asks == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "accepted: messages or prompt"),
        ({"prompt": "x", "messages": []}, "accepted: messages or prompt"),
        ({"prompt": "x", "shema": {}}, "accepted: messages or prompt"),
        ({"messages": []}, "messages are a list"),
        ({"messages": [{"role": "user"}]}, "messages are a list"),
        ({"prompt": 3}, "messages are a list"),
        ({"prompt": "x", "schema": []}, "schema is a JSON schema"),
        ({"prompt": "x", "model": "other"}, "the scenario has no model 'other'; it has default"),
    ],
)
def test_a_malformed_ask_is_named(desk, content, why):
    with pytest.raises(AskError, match=why):
        post(desk(), STAND_IN, content)


def test_the_budget_is_hard_and_lets_through_what_it_allows(desk):
    one = desk(budget=Budget(asks=3))
    content = {"prompt": "How many?", "schema": SCHEMA}
    post(one, STAND_IN, content, content)
    with pytest.raises(BudgetError, match="the budget of 3 asks does not allow the next asks"):
        post(one, STAND_IN, content, content)
    post(one, STAND_IN, content)
    assert one.meter.spent().asks == 3


def test_tokens_are_set_aside_before_and_corrected_after(desk):
    one = desk(budget=Budget(tokens=700))
    content = {"prompt": "x" * 200, "schema": SCHEMA}
    for _ in range(3):  # 50 + 500 are set aside each time, and few are used
        post(one, STAND_IN, content)
    assert one.meter.spent().tokens < 200
    with pytest.raises(BudgetError, match="tokens"):
        post(one, STAND_IN, {"prompt": "x" * 2000})


def test_money_is_counted_at_the_scenarios_prices(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD))
    spec = ModelSpec(
        "openai/x",
        base_url=server.url,
        client=client,
        usd_per_million_input=10.0,
        usd_per_million_output=100.0,
        max_tokens=20,
    )
    one = desk(budget=Budget(usd=0.006))
    (answer,) = answers(one, server, client, spec=spec)
    assert answer.telemetry["usd"] == pytest.approx(0.002)
    assert one.meter.spent().usd == pytest.approx(0.002)
    answers(one, server, client, spec=spec)
    with pytest.raises(BudgetError, match="usd"):
        answers(one, server, client, count=2, spec=spec)
