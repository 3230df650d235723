"""Runs whose minds ask: every fault ends in a complete run, nothing is asked twice, and nothing secret is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simworld.execution import replay_run
from simworld.kernel import read_tape
from simworld_analysis import open_run

SECRET = "sk-planted-secret-1234567890"
STUDY = """
name: asking
world: {{kind: economy, brackets: three, tax_year: 3, start_rate: 0.2}}
roles:
  worker: {{kind: llm_worker, count: 4}}
  planner: {{kind: llm_planner}}
horizon: 6
episodes: 2
models:
  default: {{model: openai/scripted, base_url: "{url}", temperature: 0.7, api_key_env: OPENAI_API_KEY}}
asking: {{timeout: 0.4, retries: 1, limit: {limit}}}
"""


def good(body) -> str:
    """A proper answer: what the schema of the request asks for."""
    asked = body["response_format"]["json_schema"]["schema"]["properties"]
    every = {"thought": "fine", "hours": 41, "rates": [10, 20, 30]}
    return json.dumps({name: every[name] for name in asked})


def simworld(here: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    code = "from simworld.cli import main; main()"
    environment = {**os.environ, "OPENAI_API_KEY": SECRET, **more}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=here, check=False, env=environment
    )


@contextmanager
def started(here: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process group of its own, while it runs."""
    code = "from simworld.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "OPENAI_API_KEY": SECRET},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not so() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert so()


@pytest.fixture
def study(tmp_path):
    def write(url: str, more: str = "", limit: int = 8) -> Path:
        (tmp_path / "asking.yaml").write_text(STUDY.format(url=url, limit=limit) + more)
        return tmp_path

    return write


def run_of(here: Path) -> Path:
    return max((here / "runs").iterdir())


FAULTS = {
    "prose": ({"content": "I would rather not say."}, {"invalid"}),
    "refusal": ({"content": "", "refusal": "I cannot help with that."}, {"refused"}),
    "nan": ({"content": '{"thought": "", "hours": NaN, "rates": [NaN, 1, 2]}'}, {"invalid"}),
    "huge": ({"content": '{"thought": "", "hours": 1e9, "rates": [1e9, 1, 2]}'}, {"invalid"}),
    "number in a string": (
        lambda body: {"content": good(body).replace("41", '"41"').replace("10", '"10"')},
        {"mended"},
    ),
    "code fence": (lambda body: {"content": f"```json\n{good(body)}\n```"}, {"mended"}),
    "thinking block": (lambda body: {"content": f"<think>hm</think>{good(body)}"}, {"mended"}),
    "truncated": ({"content": '{"thought": "I', "finish": "length"}, {"truncated"}),
    "429": ({"status": 429, "content": "slow down", "headers": {"Retry-After": "0.01"}}, {"rate_limited"}),
    "500": ({"status": 500, "content": "boom"}, {"server_error"}),
    "hang": ({"hang": True}, {"timeout"}),
}


@pytest.mark.parametrize("case", FAULTS)
def test_every_fault_ends_in_a_complete_run_with_flagged_rows(case, serve, said, study):
    says, kinds = FAULTS[case]
    server = serve(lambda body, n: said(**(says(body) if callable(says) else says)))
    # two episodes of six periods with four workers, and two tax years of a planner
    here = study(server.url, "faults: {most: 0.5}\n" if case == "hang" else "")
    ran = simworld(here, "run", "asking.yaml", *(["--set", "horizon=3"] if case == "hang" else []))
    run = open_run(run_of(here))
    decisions = sum(len(run.table(f"decisions.{r}").query("end.isna()")) for r in ("worker", "planner"))
    assert len(run.table("episodes").query("status == 'success'")) == 2
    assert set(run.table("faults")["kind"]) == kinds
    assert len(run.table("faults")) == decisions
    workers = run.table("decisions.worker").query("end.isna()")
    assert set(workers["fault"]) == kinds
    assert set(run.table("asks")["fault"]) == kinds
    if kinds == {"mended"}:
        assert (ran.returncode, run.status) == (0, "success")
        assert (workers["act.hours"] == 41).all()
        assert set(run.table("asks")["source"]) == {"scripted-2026-01-01"}
    else:
        assert (ran.returncode, run.status) == (1, "partial")
        assert f"{decisions} faults in {decisions} decisions" in run.manifest["reason"]
        assert (workers["act.hours"] == 40).all()  # the fallback: hours stay as they are
        assert set(run.table("asks")["source"]) == {"fallback"}


def test_a_refused_connection_ends_in_a_complete_run_too(study):
    here = study("http://127.0.0.1:9/v1")
    begun = time.monotonic()
    ran = simworld(here, "run", "asking.yaml")
    assert ran.returncode == 1, ran.stderr
    assert time.monotonic() - begun < 20
    run = open_run(run_of(here))
    assert run.status == "partial"
    assert set(run.table("faults")["kind"]) == {"unreachable"}


def test_faults_within_the_threshold_are_a_success(serve, said, study):
    def script(body, n):
        system, user = body["messages"][0]["content"], body["messages"][1]["content"]
        bad = "You are worker 2" in system and "last periods" not in user  # its first decision, in each episode
        return said("no" if bad else good(body))

    server = serve(script)
    here = study(server.url, "faults: {most: 0.05}\n")
    ran = simworld(here, "run", "asking.yaml")
    assert ran.returncode == 0, ran.stdout
    faults = open_run(run_of(here)).table("faults")
    assert faults[["tick", "agent", "kind"]].to_numpy().tolist() == [[0, 2, "invalid"]] * 2


def test_a_run_replays_with_the_server_gone(serve, said, study):
    server = serve(lambda body, n: said(good(body)))
    here = study(server.url)
    assert simworld(here, "run", "asking.yaml").returncode == 0
    asked = len(server.requests)
    server.__exit__()
    replayed = simworld(here, "replay", str(run_of(here)), OPENAI_API_KEY="")
    assert replayed.stdout.startswith("identical: 2 episodes")
    assert asked == 2 * (6 * 4 + 2) == len(server.requests)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_after_a_kill_no_answered_ask_is_asked_again(serve, said, study, jobs):
    stop = 30
    # From the 30th on the server answers nobody: whatever was answered before has been taped when the kill comes.
    server = serve(lambda body, n: said(hang=True) if n >= stop else said(good(body)))
    here = study(server.url.replace("scripted", "scripted"), limit=2)
    text = (here / "asking.yaml").read_text()
    (here / "asking.yaml").write_text(text.replace("timeout: 0.4", "timeout: 60"))
    with started(here, "run", "asking.yaml", "--jobs", jobs) as process:
        wait_until(lambda: len(server.requests) > stop)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGKILL)
    assert json.loads((run_of(here) / "run.json").read_text())["status"] == "running"
    server.script = lambda body, n: said(good(body))
    resumed = simworld(here, "run", "asking.yaml", "--jobs", jobs)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert len(list((here / "runs").iterdir())) == 1
    # the server's own log: an ask is known by its prompt and its seed
    answered = Counter(json.dumps([body["messages"], body["seed"]]) for body in server.answered)
    assert len(answered) == 2 * (6 * 4 + 2)
    assert set(answered.values()) == {1}
    assert replay_run(run_of(here)).identical


def test_no_secret_is_in_any_file_or_output(serve, said, study):
    def script(body, n):
        # a server that tells everything it was told: in an answer, in an error, in a bad answer that is quoted back
        echo = good(body).replace("fine", f"my key is {SECRET}")
        return [said(echo), said(f"bad key {SECRET}", status=500), said(f"no json but {SECRET}")][n % 3]

    server = serve(script)
    here = study(server.url, "faults: {most: 1.0}\n")
    for client in ("lean", "litellm"):
        ran = simworld(
            here, "run", "asking.yaml", "--new", "--set", f"models.default.client={client}", LITELLM_LOG="DEBUG"
        )
        assert ran.returncode == 0, ran.stderr
        assert {h["Authorization"] for h in server.headers} == {f"Bearer {SECRET}"}
        assert SECRET not in ran.stdout + ran.stderr
        tape = next((run_of(here) / "tape").glob("*.tape"))
        assert "[secret]" in json.dumps([answer.value for _, answer in read_tape(tape)])
        shown = simworld(here, "show", str(run_of(here)), "--agent", "worker:0").stdout
        assert SECRET not in shown
        for path in run_of(here).rglob("*"):
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes(), path
        for table in open_run(run_of(here)).tables:
            assert SECRET not in open_run(run_of(here)).table(table).to_csv(), table
        for path in (run_of(here) / "tape").glob("*.tape"):
            assert SECRET not in repr(list(read_tape(path)))


def test_a_wrong_key_ends_the_run_in_one_line_without_the_key(serve, said, study):
    server = serve(lambda body, n: said(f"Incorrect API key provided: {SECRET}", status=401))
    here = study(server.url)
    ran = simworld(here, "run", "asking.yaml")
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "model 'openai/scripted': HTTP 401: Incorrect API key provided: [secret]" in ran.stderr
    assert json.loads((run_of(here) / "run.json").read_text())["status"] == "error"
    # with the right key, the same command goes on
    server.script = lambda body, n: said(good(body))
    assert simworld(here, "run", "asking.yaml").returncode == 0
    assert len(list((here / "runs").iterdir())) == 1


def test_a_budget_ends_the_run_cleanly_and_a_larger_one_goes_on(serve, said, study):
    server = serve(lambda body, n: said(good(body)))
    here = study(server.url)
    ran = simworld(here, "run", "asking.yaml", "--set", "budget.asks=30")
    assert ran.returncode == 1
    manifest = json.loads((run_of(here) / "run.json").read_text())
    assert manifest["status"] == "budget"
    assert "the budget is spent (1 of 2 episodes done)" in manifest["reason"]
    assert len(server.requests) <= 30
    assert manifest["spent"]["asks"] == len(server.requests)
    assert not list(run_of(here).glob("tables/*/*.arrows"))
    rest = simworld(here, "run", "asking.yaml", "--set", "budget.asks=52")
    assert rest.returncode == 0, rest.stdout
    assert len(server.requests) == 52
    assert len(list((here / "runs").iterdir())) == 1


def test_a_budget_of_time_ends_the_run_cleanly(serve, said, study):
    server = serve(lambda body, n: said(good(body), delay=0.1))
    here = study(server.url, limit=1)
    ran = simworld(here, "run", "asking.yaml", "--set", "budget.minutes=0.03")
    assert ran.returncode == 1
    assert json.loads((run_of(here) / "run.json").read_text())["status"] == "budget"


def test_a_budget_of_time_is_that_of_the_run_not_of_a_process(serve, said, study):
    server = serve(lambda body, n: said(good(body), delay=0.1))
    here = study(server.url, limit=1)
    for _ in range(3):
        simworld(here, "run", "asking.yaml", "--set", "budget.minutes=0.03")
    assert len(server.requests) < 30, "three times as long would make about fifty asks"


def test_what_a_killed_process_has_spent_is_not_forgotten(serve, said, study):
    stop = 20
    server = serve(lambda body, n: said(hang=True) if n >= stop else said(good(body)))
    here = study(server.url, limit=2)
    text = (here / "asking.yaml").read_text()
    (here / "asking.yaml").write_text(text.replace("timeout: 0.4", "timeout: 60"))
    with started(here, "run", "asking.yaml") as process:
        wait_until(lambda: len(server.requests) > stop)
        os.killpg(process.pid, signal.SIGKILL)
    answered = len(server.answered)
    server.script = lambda body, n: said(good(body))
    rest = simworld(here, "run", "asking.yaml", "--set", f"budget.asks={answered + 10}")
    assert rest.returncode == 1
    spent = json.loads((run_of(here) / "run.json").read_text())["spent"]
    assert answered < spent["asks"] <= answered + 10
    assert len(server.answered) <= answered + 10


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("interrupts", "timeout"), [(1, 4), (2, 120)])
def test_ctrl_c_does_not_wait_for_retries_and_a_second_one_for_nothing(serve, said, study, jobs, interrupts, timeout):
    server = serve(lambda body, n: said(hang=True))
    here = study(server.url)
    text = (here / "asking.yaml").read_text()
    patient = f"timeout: {timeout}, retries: 50"
    (here / "asking.yaml").write_text(text.replace("timeout: 0.4, retries: 1", patient))
    with started(here, "run", "asking.yaml", "--jobs", jobs) as process:
        wait_until(lambda: len(server.requests) > 0)
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        # The first waits for the calls under way (4 s each; with all their retries it would be 204 s and more) and
        # sends no further ones, the second not even for those (120 s). The bound leaves room for a slow machine.
        assert process.wait(60) == 130
    assert len(server.requests) <= 8
    assert json.loads((run_of(here) / "run.json").read_text())["status"] == "interrupted"


def test_text_that_no_table_can_hold_ends_nothing(serve, said, study):
    half = "\\ud83d"
    server = serve(lambda body, n: said(good(body).replace("fine", half), model="m" + chr(0xD800)))
    here = study(server.url)
    ran = simworld(here, "run", "asking.yaml")
    assert ran.returncode == 0, ran.stderr
    assert set(open_run(run_of(here)).table("asks")["source"]) == {"m?"}
    assert replay_run(run_of(here)).identical


def test_more_jobs_than_calls_at_once_are_refused(serve, said, study):
    server = serve(lambda body, n: said(good(body)))
    ran = simworld(study(server.url, limit=1), "run", "asking.yaml", "--jobs", "2")
    assert ran.returncode == 2
    assert "asking.yaml:11:36: found 1 calls at once for 2 jobs; accepted: 2 or more" in ran.stderr


def test_a_key_that_is_not_set_is_noticed_before_anything_is_written(study):
    here = study("http://127.0.0.1:9/v1")
    ran = simworld(here, "run", "asking.yaml", "--set", "models.default.api_key_env=LLM_AUTH")
    assert ran.returncode == 2
    assert "the environment variable LLM_AUTH is not set" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (here / "runs").exists()


def test_a_key_may_have_any_name(serve, said, study):
    server = serve(lambda body, n: said(good(body)))
    here = study(server.url)
    ran = simworld(here, "run", "asking.yaml", "--set", "models.default.api_key_env=LLM_AUTH", LLM_AUTH="open sesame")
    assert ran.returncode == 0, ran.stderr
    assert {h["Authorization"] for h in server.headers} == {"Bearer open sesame"}


def test_the_real_server_of_llama_cpp(llama, study):
    here = study(llama, "faults: {most: 1.0}\n", limit=2)
    text = (here / "asking.yaml").read_text().replace("timeout: 0.4", "timeout: 60").replace("horizon: 6", "horizon: 4")
    (here / "asking.yaml").write_text(text.replace("temperature: 0.7", "temperature: 1.0, max_tokens: 80"))
    ran = simworld(here, "run", "asking.yaml")
    assert ran.returncode == 0, ran.stderr
    run = open_run(run_of(here))
    asks = run.table("asks")
    # random weights speak nonsense in proper JSON: some of it within bounds, most of it not
    assert {"tiny.gguf"} & {str(source).rpartition("/")[2] for source in asks["source"]}
    assert set(asks["fault"].dropna()) <= {"mended", "invalid", "server_error", "truncated"}
    assert len(asks) == 2 * (4 * 4 + 2)
    assert run.table("telemetry").query("key == 'completion_tokens'")["value"].min() > 0
    assert replay_run(run_of(here)).identical
