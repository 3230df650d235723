"""The desk against a server that misbehaves in every way there is, through both clients."""

from __future__ import annotations

import json
import logging
import threading
import time

import pytest

from simworld.errors import AskError, BudgetError, ModelError, StoppedError
from simworld.gateway import Budget, Desk, Manner, ModelSpec, OwnMeter, Redactor
from simworld.gateway._lean import failure_of
from simworld.kernel import Ask

SCHEMA = {
    "type": "object",
    "properties": {"hours": {"type": "number", "minimum": 0, "maximum": 100}},
    "required": ["hours"],
    "additionalProperties": False,
}
GOOD = '{"hours": 42}'
SECRET = "sk-planted-secret-1234567890"
KEYS = {"OPENAI_API_KEY": SECRET, "MY_KEY": SECRET}
QUICK = Manner(limit=8, timeout=0.5, retries=1)
PATIENT = Manner(limit=8, timeout=20.0, retries=1)
"""Where nothing goes wrong a machine that is busy is no reason to ask twice."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # litellm's own


@pytest.fixture(params=["lean", "litellm"])
def client(request):
    return request.param


@pytest.fixture
def desk(monkeypatch):
    monkeypatch.setattr("simworld.gateway._line._FIRST_WAIT", 0.01)
    monkeypatch.setattr("simworld.gateway._line._FIRST_CALL", 1.0)
    opened = []

    def open_desk(manner=QUICK, budget=None, keys=KEYS, stopping=bool):
        opened.append(Desk(manner, OwnMeter(budget), keys, stopping))
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
    (answer,) = answers(desk(PATIENT), server, client)
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
    monkeypatch.setattr("simworld.gateway._line._FIRST_WAIT", 0.3)
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


# -- odd bodies -----------------------------------------------------------------------------------------------------

DEEP = '{"choices": [{"message": {"content": ' + "[" * 100_000 + "]" * 100_000 + "}}]}"


@pytest.mark.parametrize(
    "says",
    [
        {"content": 42},
        {"content": {"hours": 42}},
        {"raw": "[]"},
        {"raw": '{"choices": []}'},
        {"raw": "null"},
        {"raw": DEEP},
        {"raw": DEEP, "status": 400},
        {"raw": '{"choices": [{"message": {"content": 1e999}}]}'},
    ],
    ids=range(8),
)
def test_an_odd_body_is_a_call_that_failed_and_never_an_exception(serve, said, desk, client, says):
    (answer,) = answers(desk(), serve(lambda body, n: said(**says)), client)
    assert (answer.value, answer.source) == ({"hours": 40.0}, "fallback")
    assert answer.fault in {"server_error", "bad_request", "unreachable", "invalid"}


def test_an_answer_in_parts_is_put_together(serve, said, desk):
    parts = [{"type": "text", "text": '{"hours"'}, {"type": "text", "text": ": 42}"}]
    (answer,) = answers(desk(), serve(lambda body, n: said(parts)), "lean")
    assert answer.value == {"hours": 42.0}


def test_halves_of_characters_are_left_behind(serve, said, desk, client):
    text = r'{"hours": 42, "t\ud800": "\ud800"}'
    schema = {**SCHEMA, "additionalProperties": True}
    (answer,) = answers(desk(), serve(lambda body, n: said(text, model="m\ud800")), client, schema=schema)
    assert answer.value == {"hours": 42.0, "t?": "?"}
    assert answer.source == "m?"


def test_one_endless_answer_does_not_hold_up_the_others(serve, said, desk):
    server = serve(lambda body, n: said("{" * 900_000 if n == 0 else GOOD))
    begun = time.monotonic()
    found = answers(desk(Manner(limit=30, timeout=5, retries=0)), server, "lean", count=30)
    assert {a.fault for a in found} <= {"", "mended"}
    assert time.monotonic() - begun < 5


# -- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "says",
    [
        {"content": json.dumps({"hours": 42, f"Bearer {SECRET}": 1})},
        {"content": "x" * 290 + SECRET, "status": 500},
        {"content": f"{{}} {'x' * 40}{SECRET}"},
        {"content": json.dumps({"hours": "x" * 55 + SECRET})},
        {"raw": '{"error": {"message": "key sk-planted\\u002dsecret-1234567890"}}', "status": 500},
    ],
)
def test_no_part_of_a_secret_is_quoted(serve, said, desk, client, says):
    schema = {**SCHEMA, "additionalProperties": True}
    (answer,) = answers(desk(), serve(lambda body, n: said(**says)), client, schema=schema)
    assert SECRET[:8] not in repr(answer)


def test_escaped_secrets_are_found_too():
    redact = Redactor(["a/b c+d"])
    for text in ("a/b c+d", r"a\/b c+d", "a%2Fb%20c%2Bd", "a%2Fb+c%2Bd"):
        assert redact(f"<{text}>") == "<[secret]>"


def test_openais_key_goes_to_openai_only(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD))
    spec = ModelSpec("openai/scripted", base_url=server.url, client=client)
    answers(desk(), server, client, spec=spec)
    assert SECRET not in str(server.headers)
    assert server.headers[0].get("Authorization", "Bearer none") == "Bearer none"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, "the environment variable MY_KEY with its key is not set"),
        ({"MY_KEY": " "}, "the environment variable MY_KEY with its key is not set"),
        ({"MY_KEY": "sk\nX-Evil: 1"}, "the key in MY_KEY holds signs that no key has"),
    ],
)
def test_a_key_that_is_none_ends_the_run_in_one_line(serve, said, desk, client, keys, why):
    server = serve(lambda body, n: said(GOOD))
    with pytest.raises(ModelError, match=f"^model 'openai/scripted': {why}$"):
        answers(desk(keys=keys), server, client)
    assert server.requests == []


def test_a_key_with_a_line_end_is_the_key(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD))
    answers(desk(keys={"MY_KEY": SECRET + "\n"}), server, client)
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("openai/gpt-4o-mini", "the environment variable OPENAI_API_KEY with its key is not set"),
        ("anthropic/claude-sonnet-4-5", "the environment variable ANTHROPIC_API_KEY with its key is not set"),
        ("gemini/gemini-2.0-flash", "GOOGLE_API_KEY or GEMINI_API_KEY with its key is not set"),
        ("nonsense/foo", "litellm knows no such provider"),
    ],
)
def test_a_provider_without_a_key_or_a_name_ends_the_run_in_one_line(desk, model, why):
    with pytest.raises(ModelError, match=why):
        post(desk(keys={}), {"default": ModelSpec(model)}, {"prompt": "x"})


def test_a_log_call_that_is_wrong_is_not_made_worse(desk, caplog):
    desk().redact.guard_logs()
    record = logging.getLogRecordFactory()("x", logging.WARNING, "f", 1, "%d %d " + SECRET, ("x",), None)
    assert SECRET not in str(record.msg)


# -- stopping and waiting ---------------------------------------------------------------------------------------------


def test_when_the_run_stops_nothing_more_is_sent(serve, said, desk, client):
    stop = threading.Event()

    def script(body, n):
        stop.set()
        return said("boom", status=500)

    server = serve(script)
    one = desk(Manner(limit=1, timeout=20, retries=50), stopping=stop.is_set)
    spec = ModelSpec("openai/scripted", base_url=server.url, client=client)
    futures = one.gateway({"default": spec}, seed=7).post(asks(5))
    for future in futures:
        with pytest.raises(StoppedError):
            future.result(30)
    assert len(server.requests) == 1
    assert one.meter.spent().asks == 1, "what was never sent was never asked"
    assert one.meter.spent().tokens == 0


def test_whoever_answers_again_has_all_of_its_retries_again(serve, said, desk, client):
    says = [{"hang": True}, {"hang": True}, {"content": "slow", "status": 429}, {"content": GOOD}]
    server = serve(lambda body, n: said(**says[n]))
    one = desk(Manner(limit=8, timeout=1.0, retries=1))
    (first,) = answers(one, server, client)
    assert first.fault == "timeout"
    (second,) = answers(one, server, client)
    assert second.value == {"hours": 42.0}
    assert second.telemetry["attempts"] == 2


def test_how_long_a_server_asks_us_to_wait():
    date = {"Date": "Tue, 24 Nov 2026 10:00:00 GMT"}
    for headers, seconds in (
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": "-3"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({**date, "Retry-After": "Tue, 24 Nov 2026 10:01:30 GMT"}, 90.0),
        ({"Retry-After": "Tue, 24 Nov 2026 10:01:30 GMT"}, None),  # by whose clock?
    ):
        assert failure_of(429, "slow", headers).after == seconds


@pytest.mark.parametrize("status", [403, 404])
def test_a_model_that_has_answered_is_there(serve, said, desk, client, status):
    server = serve(lambda body, n: said(GOOD) if n == 0 else said("not this", status=status))
    one = desk()
    assert answers(one, server, client)[0].fault == ""
    (answer,) = answers(one, server, client)
    assert (answer.fault, answer.value) == ("rejected", {"hours": 40.0})


# -- budgets ----------------------------------------------------------------------------------------------------------


def test_a_budget_of_money_needs_a_price(serve, said, desk, client):
    server = serve(lambda body, n: said(GOOD))
    with pytest.raises(ModelError, match=r"nobody knows its price, so budget\.usd cannot be held"):
        answers(desk(budget=Budget(usd=1.0)), server, client)


def test_prices_that_litellm_knows_are_set_aside(serve, said, desk):
    server = serve(lambda body, n: said(GOOD))
    spec = ModelSpec("openai/gpt-4o-mini", base_url=server.url, client="litellm")
    one = desk(budget=Budget(usd=0.0001))
    with pytest.raises(BudgetError, match="usd"):
        answers(one, server, "litellm", count=50, spec=spec)
    assert server.requests == []


def test_a_repair_must_fit_the_budget_too(serve, said, desk, client):
    server = serve(lambda body, n: said("no", usage={"prompt_tokens": 100, "completion_tokens": 400}))
    one = desk(budget=Budget(tokens=900))
    with pytest.raises(BudgetError, match="tokens"):
        answers(one, server, client)
    assert len(server.requests) == 1
    assert one.meter.spent().tokens == 500


def test_what_was_turned_away_costs_nothing(serve, said, desk, client):
    server = serve(lambda body, n: said("bad key", status=401))
    one = desk(Manner(limit=2, timeout=20))
    spec = ModelSpec("openai/scripted", base_url=server.url, client=client)
    for future in one.gateway({"default": spec}, seed=7).post(asks(20)):
        with pytest.raises(ModelError):
            future.result(30)
    assert one.meter.spent().tokens == 0


def test_a_call_that_was_given_up_may_have_cost_all_it_could(serve, said, desk, client):
    server = serve(lambda body, n: said(hang=True))
    one = desk(Manner(limit=2, timeout=0.3, retries=1))
    answers(one, server, client)
    assert one.meter.spent().tokens == 2 * (len("How many hours?") // 3 + 500)


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -5, "completion_tokens": 10**30}, {"prompt_tokens": "many"}])
def test_where_the_server_does_not_count_we_do(serve, said, desk, usage):
    server = serve(lambda body, n: said(GOOD, usage=usage))
    one = desk()
    answers(one, server, "lean")
    assert one.meter.spent().tokens == len("How many hours?") // 3 + len(GOOD) // 3


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
