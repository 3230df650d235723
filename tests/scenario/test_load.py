from __future__ import annotations

import subprocess
import sys

import pytest

from simworld import scenario as public
from simworld.errors import ScenarioError
from simworld.scenario import load

BASE = """\
world: {kind: @Town}
roles:
  worker: {kind: @Worker, skill: 1}
horizon: 5
"""

TAX = """\
description: who taxes best
world:
  kind: @Town
  brackets: us_2024
roles:
  worker: {kind: @Worker, count: 100, skill: 1}
  planner:
    - {kind: @Saez, form: bracket}
horizon: 120
seed: 4
episodes: 3
arms:
  free_market: {roles.planner: {kind: @Fixed, schedule: none}}
  us_2024:     {roles.planner: {kind: @Fixed, schedule: us_2024}, world.brackets: flat}
  saez: {}
record: {worker: every, planner: {every: 2}}
faults: {most: 0.1}
claims: [{name: better, says: taxes fall, measure: gini, compare: {saez: us_2024}, expect: less}]
"""


def test_a_scenario_says_what_it_is(scenario, tmp_path):
    tax = scenario(TAX, name="tax policy.v1.yaml")
    assert tax.name == "tax_policy_v1"
    assert list(tax.seeds) == [4, 5, 6]
    assert [(c.name, c.says, c.expect) for c in tax.model.claims] == [("better", "taxes fall", "less")]
    assert tax.model.faults.most == 0.1
    assert tax.text.startswith("description: who taxes best")
    assert tax.path == tmp_path / "tax policy.v1.yaml"
    assert tax.place(("roles", "planner", 0, "form")).endswith(":8:44")
    assert scenario("name: mine-2\n" + BASE).name == "mine-2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("horizon: 5", "horizon: 5\nepisods: 5"), "x.yaml:5:1: episods: unknown key; did you mean 'episodes'? accepted: world, roles"),
        (("horizon: 5", ""), "x.yaml:1:1: horizon: missing; accepted: a whole number of 1 or more"),
        (("horizon: 5", "horizon: 0"), "x.yaml:4:1: horizon: found 0; accepted: a whole number of 1 or more"),
        (("horizon: 5", "horizon: '5'"), "x.yaml:4:1: horizon: found '5'; accepted: a whole number of 1 or more"),
        (("horizon: 5", "horizon: 1e3"), "x.yaml:4:1: horizon: found 1000.0; accepted: a whole number"),
        (("horizon: 5", "horizon: true"), "x.yaml:4:1: horizon: found true; accepted: a whole number"),
        (("skill: 1", "skill: 1, cuont: 2"), "x.yaml:3:60: roles.worker.cuont: unknown key; did you mean 'count'? accepted:"),
        (("skill: 1", "skill: 1, count: -1"), "roles.worker.count: found -1; accepted: a whole number from 0 to"),
        (("skill: 1", "skill: '1'"), "roles.worker.skill: found '1'; accepted: a number"),
        (("skill: 1", "skill: true"), "roles.worker.skill: found true; accepted: a number"),
        (("skill: 1", "skill: 1, tags: [a, 2]"), "roles.worker.tags.1: found 2; accepted: text"),
        (("skill: 1", "skill: 1, mood: clam"), "roles.worker.mood: found 'clam'; accepted: one of 'calm', 'angry'"),
        ((", skill: 1", ""), "x.yaml:3:3: roles.worker.skill: missing; accepted: a number"),
        (("@Town", "@Town, rate: 1.2"), "world.rate: found 1.2; accepted: a number from 0 to 1"),
        (("@Town", "@Town, brackets: us"), "world.brackets: found 'us'; accepted: one of 'us_2024', 'flat'"),
        (("@Town", "@Town, cuts: [1, x]"), "world.cuts.1: found 'x'; accepted: a number"),
        (("@Town", "@Town, cuts: 3"), "world.cuts: found 3; accepted: a list, each a number or null"),
        (("@Town", "@Town, weights: {a: b}"), "world.weights.a: found 'b'; accepted: a number"),
        (("@Town", "@Town, copy: no"), "world.copy: found 'no'; accepted: true or false"),
        (("@Town", "@Twon"), "world.kind: kind '@Twon': tests.scenario.conftest has no 'Twon'; did you mean 'Town'? accepted: Town"),
        (("@Town", "@Worker"), "x.yaml:1:9: world.kind: kind '@Worker' is an Agent or a Cohort; accepted: a World"),
        (("@Worker", "@Town"), "roles.worker.kind: kind '@Town' is a World; accepted: an Agent or a Cohort"),
        (("@Worker", "@Mood"), "kind '@Mood' is another sort of class; accepted: an Agent or a Cohort"),
        (("@Town", "@BASE"), "kind '@BASE' is a str, not a class; accepted: a World"),
        (("@Town", "@Unfinished"), "kind '@Unfinished' is abstract; accepted: a class that defines observe, reset, step"),
        (("@Town", "no.such:Town"), "kind 'no.such:Town' cannot be imported: ModuleNotFoundError: No module named 'no'"),
        (("@Town", "'two words'"), "world.kind: found 'two words'; accepted: a short name or module:Class"),
        (("@Town", "3"), "world.kind: found 3; accepted: a short name or module:Class"),
        (("{kind: @Town}", "{}"), "x.yaml:1:1: world.kind: missing"),
        (("{kind: @Town}", "null"), "x.yaml:1:1: world: found null; accepted: a mapping with kind"),
        (("{kind: @Worker, skill: 1}", "3"), "roles.worker: found 3; accepted: a mapping with kind, count or a list"),
        (("worker:", "my role:"), "x.yaml:3:3: roles.my role: found the key 'my role'; accepted: letters, digits and _"),
        (("horizon", "seed: -1\nhorizon"), "seed: found -1; accepted: a whole number of 0 or more"),
        (("horizon", "seed: 9223372036854775807\nepisodes: 2\nhorizon"), "seed + episodes goes beyond 64 bits"),
        (("horizon", "episodes: 0\nhorizon"), "episodes: found 0; accepted: a whole number from 1 to 1000000"),
        (("horizon", "name: a b\nhorizon"), "name: found 'a b'; accepted: letters, digits, _ and - (at most 80) or null"),
        (("horizon", "description: 3\nhorizon"), "description: found 3; accepted: text"),
        (("horizon", "faults: {most: 1.5}\nhorizon"), "faults.most: found 1.5; accepted: a number from 0 to 1"),
        (("horizon", "faults: {moist: 1}\nhorizon"), "faults.moist: unknown key; did you mean 'most'? accepted: most"),
        (("horizon", "claims: [3]\nhorizon"), "claims.0: found 3; accepted: a mapping"),
        (("horizon", "record: {worker: evry}\nhorizon"), "record.worker: found 'evry'; accepted: one of 'every', 'none' or"),
        (("horizon", "record: {worker: {every: 0}}\nhorizon"), "x.yaml:4:19: record.worker.every: found 0; accepted: a whole"),
        (("horizon", "record: {wroker: none}\nhorizon"), "record.wroker: unknown role; did you mean 'worker'? accepted: worker"),
        (("horizon", "sweep: {grid: {world.rate: []}}\nhorizon"), "sweep.grid.world.rate: found []; accepted: a list of at least 1"),
        (("horizon", "sweep: {grid: {world..rate: [1]}}\nhorizon"), "found the key 'world..rate'; accepted: a dotted key"),
        (("horizon", "sweep: {random: 3}\nhorizon"), "sweep.random: unknown key; accepted: grid"),
        (("@Worker, skill: 1", "@BadDefault"), "roles.worker.rate: by default: found 2.0; accepted: a number of at most 1"),
        (("@Worker, skill: 1", "@Endless"), "roles.worker.cap: by default: found inf; accepted: a finite number"),
        (("@Worker, skill: 1", "@Reserved"), "Reserved: a parameter is called 'count', which is a key of the block itself"),
        (("@Worker, skill: 1", "@Unreadable"), "Unreadable: the types of its parameters cannot be read: NameError"),
    ],
)  # fmt: skip
def test_an_error_says_where_what_and_what_instead(refused, change, message):
    found = refused(BASE.replace(*change))
    assert message in found
    assert len(found.splitlines()) == 1
    assert found.startswith("x.yaml:")


def test_several_errors_are_reported_in_file_order(refused):
    text = BASE.replace("horizon: 5", "horizon: x").replace("skill", "skil") + "".join(f"k{i}: 1\n" for i in range(9))
    lines = refused(text).splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [
        "roles.worker.skill",
        "roles.worker.skil",
        "horizon",
        "k0",
        "k1",
    ]
    assert lines[-1] == "and 7 more"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("world.rat=.3", "--set world.rat=.3: unknown key; did you mean 'rate'? accepted: kind, rate, brackets"),
        ("world.rate=1.2", "--set world.rate=1.2: found 1.2; accepted: a number from 0 to 1"),
        ("wrold.rate=1", "--set wrold.rate=1: wrold: unknown key; did you mean 'world'? accepted:"),
        ("roles.worker.0.cuont=3", "--set roles.worker.0.cuont=3: unknown key; did you mean 'count'?"),
        ("roles.planner.1.kind=x", "--set roles.planner.1.kind=x: roles.planner.1: unknown entry of a list; accepted: an index"),
        ("roles.planner={kind: @Fixed, scale: [1, x]}", "roles.planner.scale.1: found 'x'; accepted: a number"),
        ("roles.worker.kind=@Fixed", "x.yaml:6:62: roles.worker.skill: with --set roles.worker.kind=@Fixed: unknown key;"),
        ("arms.free_market.roles.planner.kind=no:No", "kind 'no:No' cannot be imported"),
        ("arms.extra={seed: 3}", "--set arms.extra={seed: 3}: arms.extra.seed: found the key 'seed' (arms share seeds); accepted:"),
        ("arms.again={}", "arms.again is the same as arms.saez; accepted: variants that differ"),
        ("sweep.grid.world.rate=[1, 2]", "sweep.grid: world.rate: found 2; accepted: a number from 0 to 1"),
        ("world", "--set world: found no '='; accepted: a dotted key and a value"),
        ("=3", "--set =3: found the key ''; accepted: a dotted key"),
        ("world..rate=3", "--set world..rate=3: found the key 'world..rate'; accepted: a dotted key"),
        ("horizon.x=3", "--set horizon.x=3: horizon.x: found 120 at horizon; accepted: a mapping there"),
        ("horizon=[", "--set horizon=[: not YAML: while parsing a flow node"),
        ("horizon=!!int 3", "--set horizon=!!int 3: found the tag '!!int'"),
        ("horizon=", "--set horizon=: found null; accepted: a whole number"),
        ("horizon=a\nb", "--set 'horizon=a\\nb': found 'a b'; accepted: a whole number of 1 or more"),
        ("claims.0.says.x=3", "found 'taxes fall' at claims.0.says; accepted: a mapping there"),
    ],
)  # fmt: skip
def test_an_error_names_the_override(refused, override, message):
    found = refused(TAX, override)
    assert message in found
    assert len(found.splitlines()) == 1


def test_overrides_reach_everything(scenario):
    tax = scenario(
        TAX, "name=other", "description=", "description='12'", "world.rate=0.25", "world.cuts=[1, 2]", "world.weights.a=1",
        "roles.worker.count=7", "roles.worker.0.skill=2", "roles.planner.form=flat", "roles.planner.0.steps=9", "horizon=3",
        "seed=8", "episodes=1", "arms.us_2024.world.size=5", "arms.more.roles.planner=[]", "sweep.grid.world.copy=[true, false]",
        "record.worker=none", "faults.most=1", "claims.0.says=taxes rise",
    )  # fmt: skip
    assert (tax.name, tax.model.description, list(tax.seeds)) == ("other", "12", [8])
    assert [cell.arm for cell in tax.cells[::2]] == ["free_market", "us_2024", "saez", "more"]
    saez, more = tax.cells[4], tax.cells[6]
    assert saez.resolved["world"] == {
        "kind": tax.model.world.kind, "rate": 0.25, "brackets": "us_2024", "size": 3, "cuts": [1.0, 2.0], "names": [],
        "weights": {"a": 1.0}, "copy": True,
    }  # fmt: skip
    assert [(s.role, s.count, s.parameters) for s in saez.seatings] == [
        ("planner", 1, {"form": "flat", "steps": 9}),
        ("worker", 7, {"skill": 2.0, "tags": [], "mood": "calm"}),
    ]
    assert (saez.horizon, saez.record) == (3, {"planner": 2, "worker": 0})
    assert [s.role for s in more.seatings] == ["worker"]
    assert tax.cells[2].resolved["world"]["size"] == 5
    assert tax.model.claims[0].says == "taxes rise"
    assert tax.model.faults.most == 1


def test_the_last_override_wins(scenario):
    assert scenario(BASE, "horizon=7", "horizon=8").model.horizon == 8
    assert scenario(TAX, "arms.a={world.rate: 0.1}", "arms={}", "claims=[]").model.arms == {}


def test_an_override_without_effect_is_refused(refused, scenario):
    found = refused(BASE + "sweep: {grid: {world.rate: [0.1, 0.2]}}", "world.rate=0.3")
    assert found.startswith("--set world.rate=0.3: has no effect, as arms or the sweep set this key")
    assert len(scenario(TAX, "roles.planner.form=flat").cells) == 3


def test_the_file_is_not_changed_by_overrides(write):
    path = write(TAX)
    assert load(path, ["horizon=3"]).text == path.read_text()
    assert load(path).model.horizon == 120


def test_minds_may_lie_beside_the_scenario(write, scenario, tmp_path):
    code = (
        "from simworld.kernel import Agent\n\nclass Mine(Agent):\n    def act(self, seen, seat):\n        return {}\n"
    )
    (tmp_path / "json.py").write_text("raise RuntimeError('an installed module comes first')\n")
    (tmp_path / "mind_beside.py").write_text(code)
    (cell,) = scenario(BASE, "roles.planner.kind=mind_beside:Mine").cells
    assert type(cell.seatings[0].build()).__name__ == "Mine"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mind_elsewhere.py").write_text(code)
    path = write(BASE + "arms: {a: {roles.planner: {kind: mind_elsewhere:Mine}}}")
    with pytest.raises(
        ScenarioError, match=r"arms\.a: roles\.planner\.kind: kind 'mind_elsewhere:Mine' cannot be imported"
    ):
        load(path)
    assert load(path, import_from=tmp_path / "folder").cells[0].seatings[0].kind == "mind_elsewhere:Mine"


def test_of_two_folders_that_have_a_module_the_scenarios_own_comes_first(write, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mind_twice.py").write_text(
            "from simworld.kernel import Agent\n\nclass Mine(Agent):\n"
            f"    folder = {name!r}\n\n    def act(self, seen, seat):\n        return {{}}\n"
        )
        load(write(BASE), import_from=tmp_path / name)  # imports nothing of it
    own = ["roles.planner.kind=mind_twice:Mine"]
    load(write(BASE), import_from=tmp_path / "one")
    assert load(write(BASE), own, import_from=tmp_path / "one").cells[0].seatings[0].build().folder == "one"
    with pytest.raises(
        ScenarioError, match=r"two/mind_twice\.py: this process has imported .*one/mind_twice\.py instead"
    ):
        load(write(BASE), own, import_from=tmp_path / "two")


def test_the_cause_of_an_error_is_kept(write):
    with pytest.raises(ScenarioError) as caught:
        load(write(BASE.replace("@Town", "no.such:Town")))
    causes = []
    error = caught.value.__cause__
    while error is not None:
        causes.append(type(error))
        error = error.__cause__
    assert ModuleNotFoundError in causes


def test_all_public_names_are_there():
    assert dir(public) == sorted(public.__all__)
    for name in public.__all__:
        assert getattr(public, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = public.nothing


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, simworld.scenario; print({'pydantic', 'yaml', 'numpy', 'importlib.metadata'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
