"""Mesa's models run unmodified: what they report is what they report alone, and their agents may get other minds."""

from __future__ import annotations

import inspect
import json
import random  # noqa: TID251  what a model of Mesa draws from without a seed
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import mesa
import numpy as np
import pytest
from mesa import examples
from mesa.examples.advanced.wolf_sheep.agents import Sheep
from mesa.experimental.devs import ABMSimulator, DEVSimulator

from simworld.errors import ScenarioError
from simworld.execution import build_society, check
from simworld.hosts import MesaSeat, MesaWorld
from simworld.kernel import Cohort, Field, Group, Kernel, World
from simworld.scenario import load
from simworld.testing import WorldSuite, play
from simworld_agents.general import Random
from simworld_analysis import open_run

STEPS = 15
HERE = f"{__name__}"
# Mesa's own code warns of what it will change; frozen pandas options and old seeds are its affair.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


def hosted(world: World, steps: int = STEPS, seating=None):
    minds = {role: [Group(mind, 0, "itself")] for role, mind in world.own_minds().items()}
    return play(world, minds | (seating or {}), seed=7, horizon=steps + 1)


def alone(name: str, steps: int = STEPS):
    """The same model, as Mesa runs it."""
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002, TID251
    cls = getattr(examples, name)
    if "simulator" in inspect.signature(cls).parameters:
        simulator = ABMSimulator()
        model = cls(simulator=simulator, seed=7)
        simulator.run_for(steps)
        return model
    model = cls(seed=7)
    for _ in range(steps):
        if model.running:
            model.step()
    return model


@pytest.mark.parametrize("name", examples.__all__)
def test_every_example_of_mesa_goes_as_it_goes_alone(name, monkeypatch):
    if name == "MultiLevelAllianceModel":
        # Alone, too, it differs from run to run: it goes through sets of agents in the order of their addresses.
        monkeypatch.setattr(mesa.Agent, "__hash__", lambda agent: agent.unique_id)
    world = MesaWorld(f"mesa.examples:{name}")
    episode = hosted(world)
    model = alone(name)
    assert episode.heard.samples[-1][1]["agents"] == len(model.agents)
    if not hasattr(model, "datacollector"):
        return
    frame = model.datacollector.get_model_vars_dataframe()
    for measure, reporter in world._declared.measures.items():
        ours = [sample[measure] for _, sample in episode.heard.samples if measure in sample]
        assert ours == pytest.approx(frame[reporter].astype(float).tolist(), nan_ok=True, abs=0), measure
    if not world.roles or name == "SugarscapeG1mt":
        return  # it takes back what it has reported of its agents
    agents = model.datacollector.get_agent_vars_dataframe().reset_index()
    assert len(episode.heard.rows) == len(agents)
    for role, one in world._of.items():
        for told in one.columns:
            rows = [r for r in episode.heard.rows if r["role"] == role]
            ours = sorted((r["tick"], str(r["seen"][told.field.name])) for r in rows)
            mine = agents[agents["AgentID"].isin(set(world._member[role]))]
            values = world_values(mine[told.name], told.field)
            assert ours == sorted(zip(mine["Step"].tolist(), values, strict=True)), told.name


def world_values(column, field: Field) -> list[str]:
    """What Mesa's frame says, in our type."""
    if field.dtype == "float64":
        return [str(float(v)) if v is not None else "nan" for v in column.astype(object).where(column.notna(), None)]
    return [str(int(v)) if field.dtype == "int64" else str(v) for v in column.tolist()]


def test_what_draws_from_nowhere_is_the_same_every_time_here():
    """Virus on a network seeds neither Python's nor numpy's global numbers, and so differs from run to run alone."""
    before = random.getstate()
    first, second = (hosted(MesaWorld("mesa.examples:VirusOnNetwork")) for _ in range(2))
    assert first.links == second.links
    assert random.getstate() == before


def test_attributes_are_recorded_besides_what_a_model_reports():
    world = MesaWorld("mesa.examples:BoidFlockers", {"population_size": 12}, report={"boid": ["position", "angle"]})
    episode = hosted(world, 4)
    model = examples.BoidFlockers(population_size=12, seed=7)
    for _ in range(4):
        model.step()
    last = {row["member"]: row["seen"] for row in episode.heard.rows if row["tick"] == 4}
    assert len(last) == 12
    for member, agent in enumerate(model.agents):
        assert last[member]["position"].tolist() == agent.position.tolist()
        assert last[member]["angle"] == agent.angle


class Patient(mesa.Agent):
    def __init__(self, model, dose):
        super().__init__(model)
        self.dose, self.age = dose, 0

    def step(self):
        self.age += 1
        if self.age > 3:
            self.remove()

    def tell(self):
        self.model.heard += 1


class Ward(mesa.Model):
    """Patients come and go; some of what happens is scheduled at times between steps."""

    def __init__(self, arrivals=2, simulator=None, seed=None):
        super().__init__(seed=seed)
        self.arrivals, self.heard, self.simulator = arrivals, 0, simulator
        self.datacollector = mesa.DataCollector({"heard": "heard"}, {"age": "age", "dose": "dose"})
        if simulator is not None:
            simulator.setup(self)
        self.come()
        self.datacollector.collect(self)

    def come(self):
        for patient in Patient.create_agents(self, self.arrivals, [self.random.random() for _ in range(self.arrivals)]):
            if self.simulator is not None:
                self.simulator.schedule_event_relative(patient.tell, 2)

    def step(self):
        self.agents.shuffle_do("step")
        self.come()
        self.datacollector.collect(self)


def test_agents_that_come_and_go_are_born_and_leave():
    episode = hosted(MesaWorld(f"{HERE}:Ward"), 8)
    assert len(episode.heard.born) == 18
    assert [tick for _, tick, _ in episode.heard.gone] == sorted([4, 4, 5, 5, 6, 6, 7, 7, 8, 8])
    ages = {row["tick"]: row["seen"]["age"] for row in episode.heard.rows if row["member"] == 0}
    assert ages == {0: 0, 1: 1, 2: 2, 3: 3}


def test_a_model_that_is_done_with_is_not_kept():
    before = len(mesa.Agent._ids)
    world = MesaWorld(f"{HERE}:Ward")
    hosted(world, 2)
    assert len(mesa.Agent._ids) <= before


@pytest.mark.parametrize(("clock", "heard"), [("abm", 12.0), ("none", 0.0)])
def test_events_that_a_model_schedules_happen_at_their_time(clock, heard):
    if clock == "none":
        episode = hosted(MesaWorld(f"{HERE}:Ward", clock="none"), 8)
    else:
        episode = hosted(MesaWorld(f"{HERE}:Ward"), 8)
        simulator = ABMSimulator()
        model = Ward(simulator=simulator, seed=7)
        simulator.run_for(8)
        assert [s["heard"] for _, s in episode.heard.samples] == model.datacollector.model_vars["heard"]
    assert episode.heard.samples[-1][1]["heard"] == (heard if clock == "abm" else 0.0)


class TestWard(WorldSuite):
    horizon = 9

    def world(self) -> World:
        return MesaWorld(f"{HERE}:Ward")

    def seating(self):
        return {role: [Group(mind, 0)] for role, mind in self.world().own_minds().items()}


class Grazer(MesaSeat):
    """A sheep that decides where to look for grass, and whether to have a lamb."""

    agent = Sheep
    obs: ClassVar = (Field("energy"), Field("grass", "bool", (4,), meaning="on the cells around"))
    act_fields: ClassVar = (Field("go", "int64", low=0, high=4), Field("lamb", "bool"))

    def observe(self, agent):
        around = sorted(agent.cell.connections.values(), key=lambda cell: cell.coordinate)
        grown = [any(getattr(a, "fully_grown", False) for a in cell.agents) for cell in around]
        return {"energy": float(agent.energy), "grass": (grown + [False] * 4)[:4]}

    def act(self, agent, action):
        around = sorted(agent.cell.connections.values(), key=lambda cell: cell.coordinate)
        if action["go"] < len(around):
            agent.cell = around[action["go"]]
        agent.energy -= 1
        agent.feed()
        if agent.energy < 0:
            agent.remove()
        elif action["lamb"]:
            agent.spawn_offspring()


class Greedy(Cohort):
    def act(self, seen, seats):
        return {"go": seen["grass"].argmax(axis=1), "lamb": seen["energy"] > 30}


def flock(mind: Cohort | None, steps: int = 12):
    world = MesaWorld("mesa.examples:WolfSheep", {"grass": True, "initial_wolves": 10}, seats=[f"{HERE}:Grazer"])
    return hosted(world, steps, {} if mind is None else {"sheep": [Group(mind, 1)]})


def test_one_kind_of_agent_is_handed_to_a_mind_among_others_that_keep_their_own():
    greedy, at_random = flock(Greedy()), flock(Random())
    sheep = [[s["Sheep"] for _, s in one.heard.samples] for one in (greedy, at_random)]
    assert sheep[0] != sheep[1]
    assert greedy.links == flock(Greedy()).links
    born = len(greedy.heard.born)
    assert born > 100
    assert {row["role"] for row in greedy.heard.rows} == {"sheep"}
    # Everybody who was alive before a step has decided in it: they see what was there when it began.
    assert [r["member"] for r in greedy.heard.rows if r["tick"] == 1] == list(range(100))
    assert Sheep.step.__module__ == "mesa.examples.advanced.wolf_sheep.agents"


def test_a_class_that_nobody_takes_decides_by_its_own_code():
    own = [sample for _, sample in flock(None).heard.samples]
    native = [
        s
        for _, s in hosted(
            MesaWorld("mesa.examples:WolfSheep", {"grass": True, "initial_wolves": 10}), 12
        ).heard.samples
    ]
    assert own == native


class Nurse(MesaSeat):
    """Patients who decide when they go, and are paid for every day that they stay."""

    agent = Patient
    obs = (Field("age"),)
    act_fields = (Field("go", "bool"),)

    def observe(self, agent):
        return {"age": float(agent.age)}

    def act(self, agent, action):
        agent.age += 1
        if action["go"]:
            agent.remove()

    def reward(self, agent):
        return float(agent.age)


class Impatient(Cohort):
    def act(self, seen, seats):
        return {"go": seen["age"] >= 2}


def test_who_decides_for_agents_is_paid_what_the_adapter_says():
    world = MesaWorld(f"{HERE}:Ward", seats=[f"{HERE}:Nurse"])
    episode = hosted(world, 8, {"patient": [Group(Impatient(), 1)]})
    paid = [[amount for _, member, amount in episode.heard.rewards if member == which] for which in (0, 1)]
    # The third day is the last, and is paid although they are gone by then.
    assert paid == [[1.0, 2.0, 3.0]] * 2


def test_a_role_with_an_empty_list_of_minds_keeps_its_own_code(tmp_path):
    (tmp_path / "it.yaml").write_text(
        f'world: {{kind: mesa, model: "{HERE}:Ward", seats: ["{HERE}:Nurse"]}}\nroles: {{patient: []}}\nhorizon: 6\n'
    )
    (cell,) = load(tmp_path / "it.yaml").cells
    world, seating = build_society(cell.resolved)
    kernel = Kernel(world, seating, 1, 6)
    kernel.run()
    assert kernel.world._model.steps == 5


class TestFlock(WorldSuite):
    horizon = 9

    def world(self) -> World:
        return MesaWorld("mesa.examples:WolfSheep", {"grass": True, "initial_sheep": 20}, seats=[f"{HERE}:Grazer"])

    def seating(self):
        return {"sheep": [Group(Random(), 1)]}


def test_who_is_taken_out_is_no_part_of_the_model():
    minds = {"sheep": [Group(Greedy(), 1)]}
    world = MesaWorld("mesa.examples:WolfSheep", {"grass": True}, seats=[f"{HERE}:Grazer"])
    episode = play(world, minds, seed=7, horizon=4, absent={"sheep": np.arange(90)})
    assert len([r for r in episode.heard.rows if r["tick"] == 1]) == 10


SCENARIO = """
world: {kind: mesa, model: "mesa.examples:BoltzmannWealth", args: {n: 20}}
horizon: 11
episodes: 2
record: {money_agent: {every: 2}}
measures: [Gini]
sweep: {grid: {world.args.n: [10, 20]}}
claims:
  - {name: unequal, measure: Gini, expect: above 0.2}
"""


def simworld(here: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_is_swept_recorded_and_replayed(tmp_path):
    (tmp_path / "it.yaml").write_text(SCENARIO)
    told = simworld(tmp_path, "run", "it.yaml", "--display", "json", "--jobs", "2")
    run = open_run(tmp_path / json.loads(told.splitlines()[0])["run"])
    rows = run.table("decisions.money_agent", arms=True)
    assert set(rows["param.world.args.n"]) == {10, 20}
    assert rows[rows["end"].isna()].groupby("episode", observed=True).size().tolist() == [60, 60, 120, 120]
    assert rows["obs.Wealth"].dtype.kind == "i"
    assert set(run.table("agents")["mind"]) == {"itself"}
    assert simworld(tmp_path, "replay", str(run.path)).startswith("identical: 4 episodes")


def test_a_model_beside_the_scenario_is_part_of_the_run(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import mesa\n\n\nclass Mine(mesa.Model):\n    def __init__(self, seed=None):\n        super().__init__(seed=seed)\n"
        "        self.size = 3\n\n    def step(self):\n        self.size += 1\n"
    )
    (tmp_path / "it.yaml").write_text('world: {kind: mesa, model: "mine:Mine", report: {model: [size]}}\nhorizon: 5\n')
    told = simworld(tmp_path, "run", "it.yaml", "--display", "json")
    run = open_run(tmp_path / json.loads(told.splitlines()[0])["run"])
    assert run.table("measures")["size"].tolist() == [3, 4, 5, 6, 7]
    assert run.manifest["status"] == "success"
    assert list(run.manifest["sources"]) == ["mine.py"]


class Unseeded(mesa.Model):
    def __init__(self):
        super().__init__()


class Bare(mesa.Model):
    def __init__(self, seed=None):
        self.seen = seed


class Mirrors(mesa.Model):
    def __init__(self, seed=None):
        super().__init__(seed=seed)
        mesa.Agent(self)
        self.datacollector = mesa.DataCollector(agent_reporters={"me": lambda agent: agent})
        self.datacollector.collect(self)


class Misspelt(Nurse):
    method = "stepp"


class Nobodys(Nurse):
    agent = "Patient"


@pytest.mark.parametrize(
    ("world", "more", "why"),
    [
        ('model: "mesa.examples:WolfSheap"', "", "is not there; accepted: module:Class"),
        ('model: "mesa.examples:WolfSheep", args: {wolves: 3}', "", "args: found 'wolves'; accepted: width, height,"),
        ('model: "json:loads"', "", "is no mesa.Model"),
        (f'model: "{HERE}:Unseeded"', "", "takes no seed, so no run of it could be repeated"),
        ('model: "mesa.examples:BoltzmannWealth", clock: abm', "", "takes no simulator; accepted: auto, none"),
        ('model: "mesa.examples:BoltzmannWealth", report: {agent: [x]}', "", "accepted: model, money_agent"),
        ('model: "mesa.examples:BoltzmannWealth", report: {model: [grid]}', "", "'grid' is no number"),
        ('model: "mesa.examples:BoltzmannWealth", report: {money_agent: [x]}', "", "has no attribute 'x'"),
        ('model: "mesa.examples:BoltzmannWealth", seats: ["json:loads"]', "", "is no MesaSeat"),
        ('model: "mesa.examples:BoltzmannWealth", args: {n: -1}', "", "cannot be made: ZeroDivisionError"),
        (f'model: "{HERE}:Bare"', "", "does not call super().__init__(seed=seed)"),
        (f'model: "{HERE}:Mirrors"', "", "the agents' reporter 'me' gives objects of Agent; accepted: numbers"),
        (f'model: "{HERE}:Ward", seats: ["{HERE}:Nobodys"]', "", "agent: found 'Patient'; accepted: a class of Mesa's"),
        (f'model: "{HERE}:Ward", seats: ["{HERE}:Misspelt"]', "", "method: Patient has no method 'stepp'"),
        (f'model: "{HERE}:Ward", kinds: {{agge: number}}', "", "kinds: found 'agge'; accepted: what is reported"),
        (f'model: "{HERE}:Ward"', "roles: {patient: {kind: random}}", "role 'patient' keeps the code of Patient"),
        ('model: "mesa.examples:BoltzmannWealth"', "record: {money: none}", "did you mean 'money_agent'?"),
    ],
)
def test_what_cannot_be_hosted_is_one_line(tmp_path, world, more, why):
    path = tmp_path / "it.yaml"
    path.write_text(f"world: {{kind: mesa, {world}}}\nhorizon: 5\n{more}\n")
    with pytest.raises(ScenarioError) as caught:
        check(load(path))
    assert why in str(caught.value), caught.value
    assert len(str(caught.value).splitlines()) == 1


def test_a_column_that_changes_its_kind_says_how_to_declare_it():
    with pytest.raises(ValueError, match=r"kinds: \{mood: number\}"):
        hosted(MesaWorld(f"{HERE}:Moody"), 3)
    moods = [row["seen"]["mood"] for row in hosted(MesaWorld(f"{HERE}:Moody", kinds={"mood": "text"}), 3).heard.rows]
    assert moods == ["1", "1", "low", "low"]


class Moody(mesa.Model):
    def __init__(self, seed=None):
        super().__init__(seed=seed)
        self.agent = mesa.Agent(self)
        self.agent.mood = 1
        self.datacollector = mesa.DataCollector(agent_reporters={"mood": "mood"})
        self.datacollector.collect(self)

    def step(self):
        self.agent.mood = "low" if self.steps > 1 else 1
        self.datacollector.collect(self)


class Arrivals(mesa.Model):
    """Only events, at times that are no whole numbers."""

    def __init__(self, simulator=None, seed=None):
        super().__init__(seed=seed)
        self.simulator, self.arrived = simulator, 0
        simulator.setup(self)
        simulator.schedule_event_relative(self.arrive, 0.7)

    def arrive(self):
        self.arrived += 1
        self.simulator.schedule_event_relative(self.arrive, 0.7)


def test_a_model_of_events_alone_runs_by_its_own_clock():
    episode = hosted(MesaWorld(f"{HERE}:Arrivals", clock="devs", report={"model": ["arrived"]}), 7)
    simulator = DEVSimulator()
    model = Arrivals(simulator=simulator, seed=7)
    counts = [0.0]
    for _ in range(7):
        simulator.run_for(1)
        counts.append(float(model.arrived))
    assert [sample["arrived"] for _, sample in episode.heard.samples] == counts
