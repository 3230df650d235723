"""Models of Mesa's that do what most do not: what they report is recorded as it is, or refused in a line."""

from __future__ import annotations

from pathlib import Path

import mesa
import numpy as np
import pytest

from simworld.errors import ContractError, ScenarioError
from simworld.execution import check
from simworld.hosts import MesaSeat, MesaWorld
from simworld.kernel import Cohort, Field, Group, Intervention, Kernel
from simworld.scenario import load
from simworld.testing import play

HERE = f"{__name__}"
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


class Reporting(mesa.Model):
    """Collects what its agents report; subclasses say what happens in a step."""

    reports = {"x": "x"}

    def __init__(self, seed=None):
        super().__init__(seed=seed)
        self.datacollector = mesa.DataCollector({"there": lambda m: len(m.agents)}, self.reports)
        self.begin()
        self.datacollector.collect(self)

    def begin(self):
        for x in range(3):
            self.put(x)

    def put(self, x):
        agent = mesa.Agent(self)
        agent.x = x
        return agent

    def step(self):
        self.change()
        self.datacollector.collect(self)


def rows(model: str, steps: int = 5, **more: object):
    world = MesaWorld(f"{HERE}:{model}", **more)
    minds = {role: [Group(mind, 0, "itself")] for role, mind in world.own_minds().items()}
    return play(world, minds, seed=3, horizon=steps + 1).heard.rows


class Swap(Reporting):
    """One goes and another comes back: as many as before, and nobody is new."""

    def change(self):
        here = list(self.agents)
        if self.steps == 2:
            self.away = here[0]
            self.away.remove()
        elif self.steps == 4:
            here[0].remove()
            self.register_agent(self.away)


def test_one_who_comes_back_for_another_is_recorded():
    model = Swap(seed=3)
    for _ in range(5):
        model.step()
    assert len(rows("Swap")) == len(model.datacollector.get_agent_vars_dataframe())


class Blank(Reporting):
    """What was a whole number, or a vector, is missing later."""

    reports = {"x": "x", "where": "where"}

    def begin(self):
        self.put(1).where = (1.0, 2.0)

    def change(self):
        (agent,) = self.agents
        agent.where = None


class Missing(Blank):
    def change(self):
        (agent,) = self.agents
        agent.x = None


def test_a_vector_that_is_missing_is_nan_and_a_whole_number_that_is_missing_is_no_zero():
    seen = [row["seen"]["where"].tolist() for row in rows("Blank", 1)]
    assert seen[0] == [1.0, 2.0]
    assert np.isnan(seen[1]).all()
    with pytest.raises(ValueError, match=r"'x' holds int64 by its first values, and now None; .*kinds: \{x: number\}"):
        rows("Missing", 1)
    assert np.isnan(rows("Missing", 1, kinds={"x": "number"})[1]["seen"]["x"])


class Late(mesa.Agent):
    x = 5


class Later(Reporting):
    def change(self):
        if self.steps == 2:
            Late(self)


def test_a_class_that_comes_later_is_not_passed_over():
    with pytest.raises(ValueError, match=r"agents of Late came after the model was made; say so: classes: \[.*:Late\]"):
        rows("Later")
    assert len(rows("Later", classes=[f"{HERE}:Late"])) == 6 * 3 + 4


class Over(Reporting):
    reports = {}

    def begin(self):
        self.running = False

    def change(self):
        raise AssertionError("a model that does not run is not stepped")


def test_a_model_that_is_over_from_the_start_makes_no_step():
    episode = play(MesaWorld(f"{HERE}:Over"), {}, seed=3, horizon=9)
    assert [tick for tick, _ in episode.heard.samples] == [0]


class Forgets(mesa.Model):
    def __init__(self, seed=None):
        super().__init__()


class Clash(Reporting):
    reports = {"x +": "x", "x -": "x"}


class Taken(mesa.Model):
    def __init__(self, seed=None):
        super().__init__(seed=seed)
        self.datacollector = mesa.DataCollector({"tick": lambda _: 1.0})
        self.datacollector.collect(self)


class Base(mesa.Agent):
    x = 1


class Sub(Base):
    pass


class OfBase(mesa.Model):
    def __init__(self, seed=None):
        super().__init__(seed=seed)
        Sub(self)
        self.datacollector = mesa.DataCollector(agenttype_reporters={Base: {"x": "x"}})
        self.datacollector.collect(self)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("Forgets", "takes a seed and does not pass it on"),
        ("Clash", "the reporters of Agent: 'x +' and 'x -' are both called 'x'"),
        ("Taken", "measures of the model: 'tick' is the name of another column"),
        ("OfBase", "agenttype_reporters of Base, whose agents are of Sub"),
    ],
)
def test_what_would_be_lost_is_refused(tmp_path: Path, model, why):
    path = tmp_path / "it.yaml"
    path.write_text(f'world: {{kind: mesa, model: "{HERE}:{model}"}}\nhorizon: 5\n')
    with pytest.raises(ScenarioError) as caught:
        check(load(path))
    assert why in str(caught.value), caught.value


class Walk(Reporting):
    """Walkers, each moved by chance if it does not decide."""

    reports = {}

    def begin(self):
        for x in range(3):
            Walker(self, x)

    def change(self):
        self.agents.shuffle_do("step")


class Walker(mesa.Agent):
    def __init__(self, model, x):
        super().__init__(model)
        self.x = float(x)

    def step(self):
        self.x += self.random.random()


class Watched(MesaSeat):
    """Looks with the model's own dice, and changes the array that it is given."""

    agent = Walker
    obs = (Field("x"), Field("noise"))
    act_fields = (Field("by", shape=(2,)),)

    def observe(self, agent):
        return {"x": agent.x, "noise": agent.random.random()}

    def act(self, agent, action):
        action["by"] *= 0.5
        agent.x += float(action["by"].sum()) + agent.random.random()


class Half(Watched):
    def observe(self, agent):
        return {"x": agent.x}


class Push(Cohort):
    def act(self, seen, seats):
        return {"by": np.stack([seen["x"], seen["noise"]], axis=1)}


def walk(seat: str = "Watched") -> Kernel:
    return Kernel(MesaWorld(f"{HERE}:Walk", seats=[f"{HERE}:{seat}"]), {"walker": [Group(Push(), 1)]}, 3, 20)


class Dying(Watched):
    """All of them go in one step."""

    def act(self, agent, action):
        if agent.model.steps == 4:
            agent.remove()


def test_the_model_goes_on_when_all_who_decide_have_died():
    kernel = walk("Dying")
    kernel.run()
    assert kernel.world._model.steps == 19


def test_a_copy_made_on_the_way_goes_on_like_the_model_itself():
    kernel = walk()
    kernel.run(until=9)
    twin = kernel.branch()
    kernel.run()
    twin.run()
    assert kernel.chain == twin.chain


def test_an_adapter_that_leaves_out_what_it_declares_is_told_so():
    with pytest.raises(ContractError, match=r"Half.observe: found \['x'\]; accepted: all that is declared"):
        walk("Half").run()


def test_the_model_goes_on_when_all_who_decide_are_taken_out():
    kernel = walk()
    kernel.run(until=5)
    kernel.intervene(Intervention(5, without={"walker": None}))
    kernel.run()
    assert kernel.world._model.steps == 19
