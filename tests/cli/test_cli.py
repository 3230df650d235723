"""The command as a user types it: exit codes, one clear line for bad input, and nothing written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = """
name: tiny
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: rational, count: 12}
  planner: {kind: fixed, schedule: flat, rate: 0.3}
horizon: 12
episodes: 2
"""


def simworld(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from simworld.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def test_run_show_replay_and_run_again(here):
    ran = simworld("run", "tiny.yaml", cwd=here)
    assert ran.returncode == 0, ran.stderr
    assert "tiny success  2/2 episodes" in ran.stdout
    assert "gini_net" in ran.stdout.replace(" ", "_") or "inverse" in ran.stdout
    run = str(next((here / "runs").iterdir()))
    shown = simworld("show", run, "--json", cwd=here)
    assert json.loads(shown.stdout)["status"] == "success"
    agent = simworld("show", run, "--agent", "worker:3", "--tick", "5", cwd=here)
    assert "worker 3" in agent.stdout
    assert "saw      skill" in agent.stdout
    assert "did      hours" in agent.stdout
    assert "earned" in agent.stdout
    older = here / "runs" / "20200101T000000Z_tiny_00000000"
    shutil.copytree(run, older)
    newest = simworld("show", "latest", "--json", cwd=here)
    assert json.loads(newest.stdout)["run"] == f"runs/{Path(run).name}"
    shutil.rmtree(older)
    replayed = simworld("replay", run, cwd=here)
    assert (replayed.returncode, replayed.stdout) == (0, "identical: 2 episodes, 32 moments\n")
    again = simworld("run", "tiny.yaml", cwd=here)
    assert "this scenario was run before" in again.stdout
    assert len(list((here / "runs").iterdir())) == 1


def test_json_display_is_records_and_nothing_else(here):
    ran = simworld("run", "tiny.yaml", "--display", "json", cwd=here)
    records = [json.loads(line) for line in ran.stdout.splitlines()]
    assert records[0]["event"] == "launch"
    assert records[-1] == {"event": "done", "run": records[0]["run"], "status": "success", "reason": ""}
    assert [r["status"] for r in records if r["event"] == "episode"] == ["success", "success"]


def test_validate_list_schema_and_help(here):
    assert "tiny.yaml: valid, 1 cell" in simworld("validate", "tiny.yaml", cwd=here).stdout
    listed = simworld("list", cwd=ROOT).stdout
    assert "economy" in listed
    assert "rational" in listed
    assert "scenarios/tax_policy.yaml" in listed
    assert json.loads(simworld("schema", cwd=here).stdout)["properties"]["world"]
    for command in ("run", "show", "replay", "validate", "list", "schema"):
        assert "Example: simworld" in simworld(command, "--help", cwd=here).stdout


def test_scenarios_that_come_with_it_are_found_by_name_from_any_folder(tmp_path):
    assert "tax_policy: valid, 7 cells" in simworld("validate", "tax_policy", cwd=tmp_path).stdout
    assert re.search(r"^  tax_rational +Every", simworld("list", "scenarios", cwd=tmp_path).stdout, re.MULTILINE)
    ran = simworld("run", "tax_polcy", cwd=tmp_path)
    assert ran.returncode == 2
    assert "nor a scenario that comes with simworld; did you mean 'tax_policy'?" in ran.stderr
    # a file of that name comes first
    (tmp_path / "tax_policy").write_text(TINY)
    assert "tax_policy: valid, 1 cell" in simworld("validate", "tax_policy", cwd=tmp_path).stdout


def test_all_about_one_kind(tmp_path):
    world = simworld("list", "economy", cwd=tmp_path).stdout
    assert "elasticity   Elasticity of taxable income" in world
    assert "act.hours  float64  hours/week, from 0 to 100, hours to work" in world
    agent = json.loads(simworld("list", "llm_worker", "--json", cwd=tmp_path).stdout)
    assert agent["does"] == ["hours"]
    assert agent["asks"] == ["model"]
    own = simworld("list", "my_world:Commons", cwd=ROOT / "docs" / "examples").stdout
    assert "act.take  float64  from 0 to 100, what to take this year" in own
    assert "gini_of " in simworld("list", "measures", cwd=tmp_path).stdout
    measure = simworld("list", "gini_of", cwd=tmp_path).stdout
    assert "column  str (default obs.income)" in measure
    assert "needs decisions.{role}: {column}" in measure
    # a player and a measure have this name
    assert simworld("list", "memory_one", cwd=tmp_path).stdout.count("memory_one (") == 2
    ran = simworld("list", "econmy", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "nothing is called 'econmy'; did you mean 'economy'?" in ran.stderr


def test_show_finds_an_episode_by_arm_and_seed_and_prints_what_was_asked(here):
    (here / "tiny.yaml").write_text(
        TINY.replace("rational", "llm_worker") + "arms: {a: {}, b: {roles.planner.rate: 0.6}}\n"
    )
    simworld("run", "tiny.yaml", cwd=here)
    run = str(next((here / "runs").iterdir()))
    shown = simworld("show", run, "--agent", "worker:2", "--tick", "4", "--arm", "b", "--seed", "1", cwd=here).stdout
    assert "saw      rates              [0.6, 0.6, 0.6] fraction" in shown
    assert "| [system] You are worker 2," in shown
    assert "| Now: rates [60, 60, 60]" in shown
    assert "by stand-in/in-context" in shown
    assert "showed   thought" in shown
    other = simworld("show", run, "--agent", "worker:2", "--arm", "c", cwd=here)
    assert other.returncode == 2
    assert "no finished episode of this arm and seed; it has arms ['a', 'b'] and seeds [0, 1]" in other.stderr
    assert simworld("show", run, "--errors", cwd=here).stdout == "no episode failed\n"
    assert "gini" in simworld("show", run, "--measures", "gini_net", cwd=here).stdout
    assert "no column" in simworld("show", run, "--measures", "gini_nett", cwd=here).stderr


def test_the_traceback_of_a_failure_can_be_shown(here):
    (here / "oops.py").write_text(
        "from simworld.kernel import Agent\nclass Oops(Agent):\n    def act(self, seen, seat):\n        return {'hours': 1 / 0}\n"
    )
    (here / "tiny.yaml").write_text(TINY.replace("rational", '"oops:Oops"'))
    ran = simworld("run", "tiny.yaml", cwd=here)
    assert ran.returncode == 1
    assert "ZeroDivisionError: division by zero (oops.py:4 in act; in Oops.act of worker 0;" in " ".join(
        ran.stdout.split()
    )
    shown = simworld("show", str(next((here / "runs").iterdir())), "--errors", cwd=here).stdout
    assert shown.count("Traceback (most recent call last)") == 2


def test_an_override_that_only_some_arms_keep_is_noted(here):
    (here / "tiny.yaml").write_text(TINY + "arms: {a: {}, b: {roles.worker: {kind: rational, count: 5}}}\n")
    checked = simworld("validate", "tiny.yaml", "--set", "roles.worker.count=7", cwd=here)
    assert checked.returncode == 0
    assert checked.stderr == "note: --set roles.worker.count has no effect in b, which set it themselves\n"


def test_help_imports_nothing_heavy(here):
    code = "import sys; sys.argv = ['simworld', '--help']\nfrom simworld.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numpy', 'pydantic', 'pyarrow', 'rich', 'pandas', 'ray', 'litellm', 'mesa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout.splitlines()[-1] == "[]"


BAD = {
    "unknown key": (TINY.replace("horizon", "horizn"), "unknown key; did you mean 'horizon'?"),
    "wrong type": (TINY.replace("12}", "many}"), "worker.count: found 'many'; accepted: a whole number"),
    "empty": ("", "found nothing; accepted: a mapping"),
    "duplicate": (TINY + "horizon: 3\n", "found again"),
    "object tag": (TINY + "x: !!python/object/apply:os.system ['true']\n", "accepted: plain values without tags"),
    "negative": (TINY.replace("count: 12", "count: -1"), "found -1"),
    "rate": (TINY.replace("0.3", "1.3"), "found 1.3; accepted: a number from 0 to 1"),
    "kind": (TINY.replace("rational", "rationl"), "unknown kind 'rationl'; did you mean 'rational'?"),
    "role in an arm": (TINY + "arms: {a: {}, b: {roles.workr.count: 3}}\n", "arms.b.roles.workr.count: no role 'workr' to change; did you mean 'worker'?"),
    "key in a model": (TINY + "models: {default: {model: openai/x, api_key: sk-1}}\n", "unknown key; did you mean 'api_key_env'?"),
    "stand-in": (TINY + "models: {default: stand-in/gpt}\n", "found 'stand-in/gpt'; accepted: stand-in/in-context, or"),
    "model name": (TINY.replace("kind: rational", "kind: llm_worker, model: other"), "found no model 'other' in 'models'; accepted: default"),
    "password": (TINY + "models: {default: {model: openai/x, base_url: 'http://a:b@c/v1'}}\n", "without a name or a password"),
    "bomb": ("a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    ), "accepted: fewer"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_exit_2_and_nothing_written(case, tmp_path):
    text, message = BAD[case]
    (tmp_path / "bad.yaml").write_text(text)
    ran = simworld("run", "bad.yaml", cwd=tmp_path)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert ran.stderr.startswith("error: bad.yaml:")
    assert "Traceback" not in ran.stderr
    assert os.listdir(tmp_path) == ["bad.yaml"]


def test_missing_files_foreign_and_unwritable_directories(here):
    for arguments, message in (
        (("run", "none.yaml"), "none.yaml: no such file"),
        (("validate", "."), "directory"),
        (("show", str(here)), "is not a run directory"),
        (("replay", str(here)), "is not a run directory"),
        (("report", "latest"), "found 'latest', and no run in runs; accepted: a run directory"),
        (("run", "tiny.yaml", "--out", "tiny.yaml/runs"), "is a file"),
        (("run", "tiny.yaml", "--set", "world.elasticty=1"), "did you mean 'elasticity'"),
        (("rnu", "tiny.yaml"), "did you mean 'run'?"),
    ):
        ran = simworld(*arguments, cwd=here)
        assert ran.returncode == 2, arguments
        assert message in ran.stderr, ran.stderr
        assert "Traceback" not in ran.stderr
    assert os.listdir(here) == ["tiny.yaml"]


def test_a_truncated_table_is_one_line(here):
    simworld("run", "tiny.yaml", cwd=here)
    run = next((here / "runs").iterdir())
    table = next((run / "tables" / "measures").glob("*.arrow"))
    table.write_bytes(table.read_bytes()[:-100])
    ran = simworld("show", str(run), cwd=here)
    assert ran.returncode == 2
    assert table.name in ran.stderr
    assert "Traceback" not in ran.stderr
