from __future__ import annotations

import json
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simworld.errors import ScenarioError
from simworld.scenario import cells, check_roles, load, resolve_text, scenario_digest

BASE = """\
world: {kind: @Town}
roles:
  worker: {kind: @Worker, skill: 1}
horizon: 5
"""
PLANNED = BASE.replace("horizon", "  planner: {kind: @Saez, form: bracket}\nhorizon")
SWEPT = """\
arms:
  b: {roles.planner: {kind: @Fixed}}
  a: {world.size: 9}
sweep:
  grid: {world.rate: [0.2, 0.1], world.brackets: [flat, us_2024]}
"""


def test_one_cell_without_arms(scenario):
    (cell,) = cells(scenario())
    assert (cell.arm, cell.overrides) == ("", {})
    assert cell.resolved == json.loads(json.dumps(cell.resolved))
    assert list(cell.resolved) == ["horizon", "record", "roles", "world"]
    assert list(cell.resolved["world"]) == sorted(cell.resolved["world"])
    assert cell.resolved["roles"]["worker"] == [
        {"count": 1, "kind": "tests.scenario.conftest:Worker", "mood": "calm", "skill": 1.0, "tags": []}
    ]
    assert len(cell.digest) == 64


def test_arms_times_grid_in_file_order(scenario):
    found = [(cell.arm, *cell.overrides.values()) for cell in cells(scenario(PLANNED + SWEPT))]
    grid = [(0.2, "flat"), (0.2, "us_2024"), (0.1, "flat"), (0.1, "us_2024")]
    assert found == [(arm, *values) for arm in "ba" for values in grid]


def test_cells_are_what_their_arm_says(scenario):
    first, *_, last = cells(scenario(PLANNED + SWEPT))
    assert [s.kind.partition(":")[2] for s in first.seatings] == ["Fixed", "Worker"]
    assert [s.kind.partition(":")[2] for s in last.seatings] == ["Saez", "Worker"]
    assert (first.resolved["world"]["size"], last.resolved["world"]["size"]) == (3, 9)
    assert last.parameters["world.size"] == 9
    assert last.parameters["arm"] == "a"
    assert last.parameters["roles.worker.0.skill"] == 1.0
    assert last.parameters["record.worker"] == "every"
    assert not any(isinstance(value, dict) for value in last.parameters.values())


def test_a_parameter_in_a_role_is_set_after_the_role(scenario):
    arm = "arms: {{a: {{{}}}}}\n"
    keys = ["roles.planner: {kind: @Fixed}", "roles.planner.schedule: x", "roles.planner.0.scale: 3"]
    one = scenario(PLANNED + arm.format(", ".join(keys)))
    two = scenario(PLANNED + arm.format(", ".join(reversed(keys))))
    assert one.cells[0].seatings[0].parameters == {"schedule": "x", "scale": 3.0}
    assert scenario_digest(one) == scenario_digest(two)


def test_arms_may_supply_what_the_base_lacks(scenario, refused):
    text = BASE.replace(", skill: 1", "")
    assert scenario(text + "arms: {a: {roles.worker.skill: 2}}").cells[0].seatings[0].parameters["skill"] == 2.0
    message = refused(text + "arms: {a: {roles.worker.skill: 2}, b: {}}")
    assert message == "x.yaml:3:3: roles.worker.skill: missing; accepted: a number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms: {a: {world.rate: 3}}", "x.yaml:6:12: arms.a: world.rate: found 3; accepted: a number from 0 to 1"),
        ("arms: {a: {roles.planner: {kind: @Fixed, scle: 3}}}", "x.yaml:6:65: arms.a: roles.planner.scle: unknown key; did you"),
        ("arms: {a: {roles.planner.kind: @Fixed}}", "x.yaml:4:49: arms.a: roles.planner.form: unknown key; accepted: kind, count,"),
        ("arms: {a: {roles.planner.1.kind: @Fixed}}", "arms.a: roles.planner.1: unknown key"),
        ("arms: {a: {horizon: 0}}", "x.yaml:6:12: arms.a: horizon: found 0"),
        ("arms: {a: {horizn: 9}}", "x.yaml:6:12: arms.a.horizn: found the key 'horizn'; did you mean 'horizon'? accepted: world,"),
        ("arms: {a: {episodes: 9}}", "arms.a.episodes: found the key 'episodes' (arms share seeds); accepted: world, roles"),
        ("arms: {a: {world.size: 4}, b: {world.size: 4}}", "x.yaml:6:28: arms.b: arms.b is the same as arms.a; accepted:"),
        ("sweep: {grid: {world.rate: [0, 3]}}", "x.yaml:6:32: sweep.grid: world.rate: found 3; accepted: a number"),
        ("sweep: {grid: {world.rte: [0, 3]}}", "sweep.grid: world.rte: unknown key; did you mean 'rate'?"),
        ("sweep: {grid: {world.rate: [0, 0]}}", "x.yaml:6:32: sweep.grid.world.rate.1: found 0 again; accepted: values that"),
        ("sweep: {grid: {world.rate: [0, 0.0]}}", "sweep world.rate=0.0 is the same as sweep world.rate=0"),
        ("sweep: {grid: {seed: [1]}}", "sweep.grid.seed: found the key 'seed'"),
        ("sweep: {grid: {world.rate.x: [1]}}", "world.rate: found {x: 1}; accepted: a number from 0 to 1"),
        ("arms: {a: {world.rate: 0}}\nsweep: {grid: {world.rate: [1]}}", "arms.a.world.rate: also set by sweep.grid: world.rate"),
        ("arms: {a: {record.x: none}}", "record.x: unknown role; accepted: worker, planner"),
        ("arms: {a: 3}", "arms.a: found 3; accepted: a mapping"),
        ("arms: {a b: {}}", "arms.a b: found the key 'a b'; accepted: letters, digits, _ and -"),
    ],
)  # fmt: skip
def test_every_cell_is_checked(refused, text, message):
    found = refused(PLANNED + text)
    assert message in found
    assert len(found.splitlines()) == 1


def test_a_huge_grid_is_refused_before_it_is_expanded(refused):
    grid = ", ".join(f"world.k{i}: [{', '.join(map(str, range(100)))}]" for i in range(30))
    assert "sweep.grid: found 1,000,000,000" in refused(BASE + f"sweep: {{grid: {{{grid}}}}}")


def test_what_is_wrong_everywhere_is_said_once(refused):
    found = refused(PLANNED.replace("form", "frm") + SWEPT)
    assert (
        found == "x.yaml:4:49: roles.planner.frm: unknown key; did you mean 'form'? accepted: kind, count, form, steps"
    )


def test_a_role_may_be_recorded_in_some_arms_only(scenario):
    first, second = scenario(BASE + "arms: {a: {roles.planner: {kind: @Saez}}, b: {}}\nrecord: {planner: none}").cells
    assert first.record == {"planner": 0, "worker": 1}
    assert second.record == {"worker": 1}


def test_worlds_and_minds_are_built(scenario):
    (cell,) = scenario(PLANNED, "world.cuts=[1, 2]", "world.names=[b, a, b]", "roles.worker.mood=angry").cells
    world = cell.build_world()
    assert (world.cuts, world.names, world.rate) == ((1.0, 2.0), frozenset("ab"), 0.5)
    assert cell.resolved["world"]["names"] == ["a", "b"]
    planner, worker = (seating.build() for seating in cell.seatings)
    assert planner.form == "bracket"
    assert (worker.mood.name, worker.tags) == ("ANGRY", [])


def test_a_constructor_that_refuses_names_the_block(scenario):
    with pytest.raises(ScenarioError, match=r"x\.yaml:1:1: world: .*conftest:Town: a size of 13 is unlucky$") as caught:
        scenario(BASE.replace("@Town", "@Town, size: 13")).cells[0].build_world()
    assert isinstance(caught.value.__cause__, ValueError)
    (cell,) = scenario(BASE + "arms: {a: {world.size: 13}}").cells
    with pytest.raises(ScenarioError, match="unlucky"):
        cell.build_world()


def test_the_order_of_mappings_never_reaches_the_world(scenario):
    one, two = (scenario(BASE, f"world.weights={{{w}}}").cells[0] for w in ("b: 1, a: 2", "a: 2, b: 1"))
    assert one.digest == two.digest
    assert list(one.build_world().weights) == list(two.build_world().weights) == ["a", "b"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["roles.wrker={kind: @Fixed}"], "no such role; did you mean 'worker'? accepted: worker, planner"),
        (["roles.worker.count=0"], r"x.yaml:3:3: roles.worker: with --set roles.worker.count=0: found 0 seats; accepted: at least 1"),
        (["roles.worker=[]"], "worker: found 0 seats; accepted: at least 1 and at most 1000"),
        (["roles={}"], "--set roles={}: worker: found 0 seats"),
        (["roles.planner={kind: @Saez, count: 2}"], "--set roles.planner={kind: @Saez, count: 2}: found 2 seats; accepted: at most 1"),
    ],
)  # fmt: skip
def test_roles_are_those_of_the_world(scenario, toys, overrides, message):
    (cell,) = scenario(BASE, *overrides).cells
    with pytest.raises(ScenarioError) as caught:
        check_roles(cell, cell.build_world().roles)
    assert message in str(caught.value).replace(f"{toys}:", "@")


def test_roles_may_have_several_groups(scenario):
    text = BASE.replace("{kind: @Worker, skill: 1}", "[{kind: @Worker, skill: 1}, {kind: @Worker, skill: 2, count: 4}]")
    (cell,) = scenario(text).cells
    check_roles(cell, cell.build_world().roles)
    assert [(s.index, s.count) for s in cell.seatings] == [(0, 1), (1, 4)]


def _yaml(data: object, comments: st.DataObject, indent: int = 0) -> str:
    """YAML with keys in any order and comments anywhere."""
    if not isinstance(data, dict) or not data:
        return f" {json.dumps(data)}\n"
    keys = comments.draw(st.permutations(list(data)))
    lines = []
    for key in keys:
        if comments.draw(st.booleans()):
            lines.append(f"# {key} is a word\n")
        lines.append(f"{key}:{_yaml(data[key], comments, indent + 1)}")
    text = "".join(lines)
    return "\n" + textwrap.indent(text, "  ") if indent else text


_KIND = "tests.scenario.conftest:"
_GROUPS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just(f"{_KIND}Saez")}, optional={"form": st.sampled_from(["bracket", "no", "1e3"])}
    ),
    st.fixed_dictionaries({"kind": st.just(f"{_KIND}Fixed")}, optional={"scale": st.sampled_from([1, 2.5, [1, 2]])}),
    st.fixed_dictionaries({"kind": st.just(f"{_KIND}Worker"), "skill": st.integers(0, 9)}),
)
_WORLDS = st.fixed_dictionaries(
    {"kind": st.just(f"{_KIND}Town")},
    optional={
        "rate": st.floats(0, 1),
        "weights": st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9), max_size=3),
    },
)
_ARMS = st.one_of(
    st.fixed_dictionaries(
        {"roles.planner": _GROUPS | st.lists(_GROUPS, max_size=2)}, optional={"world.size": st.just(4)}
    ),
    st.fixed_dictionaries({"world": _WORLDS}),
    st.just({"roles.planner.0.kind": f"{_KIND}Saez", "horizon": 9}),
    st.just({"roles": {"planner": {"kind": f"{_KIND}Fixed"}}}),
    st.just({"roles.worker.count": 3, "roles.worker.0.skill": 7}),
)
_SCENARIOS = st.fixed_dictionaries(
    {
        "world": _WORLDS,
        "roles": st.fixed_dictionaries(
            {"worker": st.just({"kind": f"{_KIND}Worker", "skill": 1}), "planner": st.just({"kind": f"{_KIND}Fixed"})}
        ),
        "horizon": st.integers(1, 99),
    },
    optional={
        "arms": st.dictionaries(st.sampled_from(["a", "b", "c"]), _ARMS, max_size=3),
        "sweep": st.just({"grid": {"world.copy": [True, False], "world.cuts": [None, [1, 2]]}}),
        "record": st.fixed_dictionaries({"worker": st.sampled_from(["every", "none", {"every": 1}, {"every": 3}])}),
        "seed": st.integers(0, 9),
        "faults": st.just({"most": 1}),
    },
)
_SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@_SHARED
@given(_SCENARIOS, st.data())
def test_comments_and_the_order_of_keys_change_no_digest(write, data, draws):
    try:
        one = load(write(json.dumps(data)))
    except ScenarioError as error:
        assert "is the same as" in str(error)  # noqa: PT017  two arms may happen to be equal
        return
    other = load(write("# first\n" + _yaml(data, draws) + "description: more\nname: other\n", "y.yaml"))
    assert sorted(cell.digest for cell in one.cells) == sorted(cell.digest for cell in other.cells)
    # arms and sweeps in another order are episodes in another order
    same_order = [(c.arm, c.overrides, c.digest) for c in one.cells] == [
        (c.arm, c.overrides, c.digest) for c in other.cells
    ]
    assert (scenario_digest(one) == scenario_digest(other)) == same_order


@_SHARED
@given(_SCENARIOS)
def test_what_is_resolved_loads_to_the_same(write, data):
    try:
        one = load(write(json.dumps(data)))
    except ScenarioError as error:
        assert "is the same as" in str(error)  # noqa: PT017
        return
    text = resolve_text(one)
    two = load(write(text, "y.yaml"))
    assert [cell.digest for cell in one.cells] == [cell.digest for cell in two.cells]
    assert [cell.arm for cell in one.cells] == [cell.arm for cell in two.cells]
    assert scenario_digest(one) == scenario_digest(two)
    assert resolve_text(two) == text
    assert two.name == "x"


def test_what_is_resolved_holds_overrides_and_defaults(scenario):
    text = resolve_text(scenario(PLANNED + SWEPT, "world.size=7"))
    assert "size: 7" in text
    assert "steps: 2" in text
    assert "schedule: flat" in text


@pytest.mark.parametrize(
    "override", ["seed=1", "episodes=2", "horizon=6", "world.rate=0.1", "faults.most=1", "record.worker=none"]
)
def test_a_changed_scenario_has_another_digest(scenario, override):
    assert scenario_digest(scenario(BASE)) != scenario_digest(scenario(BASE, override))


def test_names_and_claims_change_no_digest(scenario):
    one = scenario(BASE, name="a.yaml")
    two = scenario(
        BASE,
        "name=x",
        "description=y",
        "claims=[{name: c, measure: gini, expect: above 1}]",
        "measures=[gini]",
        name="b.yaml",
    )
    assert scenario_digest(one) == scenario_digest(two)
