from __future__ import annotations

import re

import pytest

from simworld.errors import ScenarioError
from simworld.scenario import build, find, kinds, resolve_text, schema

CODE = '''
from dataclasses import dataclass
from typing import Literal
from simworld.kernel import Agent, World

@dataclass
class Point:
    x: float = 0.0

class Town(World):
    """A town of strangers.

    More about it.
    """
    def __init__(self, size: int = 3, at: Point = Point()):
        """Found it.

        Args:
            size: How many
                houses.
            at: Where it is.
        """
        self.size, self.at = size, at
    def reset(self, turn): ...
    def observe(self, role, members): return {}
    def step(self, moment, turn): ...

@dataclass
class Stranger(Agent):
    mood: Literal["calm", "wild"]
    """How it feels."""
    def act(self, seen, seat): return {}
'''


FAMILY = """
from dataclasses import dataclass
from typing import ClassVar
from simworld.kernel import Agent

@dataclass
class Mime(Agent):
    '''One who imitates.'''
    family: ClassVar[str] = "whom"
    whom: str
    loud: bool = False
    def act(self, seen, seat): return {}

class Lost(Agent):
    family = "home"
    def act(self, seen, seat): return {}

@dataclass
class Alone(Agent):
    name: str = ""
    def act(self, seen, seat): return {}
"""


@pytest.fixture
def mimes(plugins):
    plugins("mimes", FAMILY, agent__mime="mimes:Mime", agent__lost="mimes:Lost", agent__mimes="mimes:Alone")


@pytest.fixture
def strangers(plugins):
    plugins("strangers_pack", CODE, world__town="strangers_pack:Town", agent__stranger="strangers_pack:Stranger")


@pytest.mark.usefixtures("strangers")
def test_short_names_come_from_entry_points():
    found = find("world", "town")
    assert (found.category, found.kind, found.cls.__name__) == ("world", "town", "Town")
    world = build(found, {"size": 4, "at": {"x": 2}})
    assert (world.size, world.at.x) == (4, 2.0)
    assert kinds("world") == {"town": "A town of strangers."}
    assert list(kinds("agent")) == ["stranger"]


@pytest.mark.usefixtures("strangers")
def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(
        ScenarioError, match=r"unknown kind 'twon'; did you mean 'town'\? accepted: town, module:Class$"
    ):
        find("world", "twon")
    with pytest.raises(ScenarioError, match=r"unknown kind 'town'; accepted: stranger, module:Class$"):
        find("agent", "town")


@pytest.mark.usefixtures("strangers")
def test_parameters_are_checked_when_something_is_built():
    found = find("agent", "stranger")
    with pytest.raises(ScenarioError, match=r"^x:3: mood: found 'mild'; accepted: one of 'calm', 'wild'$"):
        build(found, {"mood": "mild"}, "x:3")
    with pytest.raises(ScenarioError, match=r"^mood: missing; accepted: one of 'calm', 'wild'$"):
        build(found, {})
    with pytest.raises(ScenarioError, match=r"^mod: unknown key; did you mean 'mood'\? accepted: kind, count, mood$"):
        build(found, {"mod": "calm"})


def test_a_broken_plugin_is_an_error_that_says_why(plugins):
    plugins("broken_pack", "raise RuntimeError('no\\nlicence')\n", agent__broken="broken_pack:Agent")
    message = r"^kind 'broken' \(registered by broken_pack\) cannot be imported: RuntimeError: no licence$"
    with pytest.raises(ScenarioError, match=message) as caught:
        find("agent", "broken")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ScenarioError, match=message):
        kinds("agent")
    with pytest.raises(ScenarioError, match=message):
        schema()


def test_two_owners_of_a_name_are_an_error(plugins):
    plugins("strangers_pack", CODE, world__town="strangers_pack:Town")
    plugins("other_pack", CODE, world__town="other_pack:Town")
    with pytest.raises(ScenarioError, match=r"registered by other_pack \(other_pack:Town\) and by strangers_pack"):
        find("world", "town")


@pytest.mark.usefixtures("strangers")
def test_the_schema_knows_the_parameters_of_every_kind():
    whole = schema()
    definitions = whole["$defs"]
    town = definitions["world.town"]
    assert town["properties"]["kind"]["const"] == "town"
    assert town["properties"]["size"]["description"] == "How many houses."
    assert town["properties"]["at"]["$ref"] == "#/$defs/world.town.Point"
    assert "world.town.Point" in definitions
    assert town["description"] == "A town of strangers."
    stranger = definitions["agent.stranger"]
    assert stranger["required"] == ["kind", "mood"]
    assert stranger["properties"]["mood"]["description"] == "How it feels."
    assert stranger["properties"]["count"]["default"] == 1
    assert {"$ref": "#/$defs/agent.stranger"} in definitions["GroupBlock"]["anyOf"]
    assert all("description" in declared for declared in whole["properties"].values())
    assert whole["additionalProperties"] is False


@pytest.mark.usefixtures("mimes")
def test_one_of_a_family_is_named_behind_the_colon():
    found = find("agent", "mime:Chaplin")
    assert (found.kind, found.spelling, found.parameters.names) == ("mime:Chaplin", "mime:Chaplin", ("loud",))
    made = build(found, {"loud": True})
    assert (made.whom, made.loud) == ("Chaplin", True)
    with pytest.raises(ScenarioError, match=r"^whom: unknown key; accepted: kind, count, loud$"):
        build(found, {"whom": "Keaton"})


@pytest.mark.usefixtures("mimes")
@pytest.mark.parametrize("kind", ["mime", "mime:"])
def test_a_family_alone_is_nobody(kind, refused):
    found = find("agent", kind)
    assert found.spelling == "mime:<whom>"
    message = rf"found {kind!r}, which is a family; accepted: mime:<whom>"
    with pytest.raises(ScenarioError, match=f"^x: {message}$"):
        build(found, {}, "x")
    assert message in refused(f"world: {{kind: @Town}}\nroles: {{worker: {{kind: '{kind}', whom: me}}}}\nhorizon: 5\n")


@pytest.mark.usefixtures("mimes")
def test_what_is_no_family_leaves_its_name_to_a_module():
    assert find("agent", "mimes:Alone").family == ""
    with pytest.raises(
        ScenarioError, match=r"^mimes:Lost: family is 'home'; accepted: a parameter of its constructor$"
    ):
        find("agent", "lost:there")


def test_a_scenario_with_one_of_a_family_loads_to_the_same_written_out(plugins, scenario):
    plugins("mimes", FAMILY, agent__mime="mimes:Mime")
    loaded = scenario("world: {kind: @Town}\nroles: {worker: {kind: mime:Chaplin}}\nhorizon: 5\n")
    (cell,) = loaded.cells
    assert cell.seatings[0].build().whom == "Chaplin"
    assert cell.resolved["roles"]["worker"] == [{"kind": "mime:Chaplin", "count": 1, "loud": False}]
    assert scenario(resolve_text(loaded)).cells[0].digest == cell.digest


def test_families_in_lists_and_in_the_schema(plugins):
    plugins("mimes", FAMILY, agent__mime="mimes:Mime")
    assert kinds("agent") == {"mime:<whom>": "One who imitates."}
    definitions = schema()["$defs"]
    mime = definitions["agent.mime"]
    assert (mime["title"], mime["required"]) == ("mime:<whom>", ["kind"])
    assert "whom" not in mime["properties"]
    for kind, known, module in (("mime:Chaplin", True, False), ("mime", False, False), ("mimes:Mime", False, True)):
        anything = definitions["GroupBlock"]["anyOf"][-1]["properties"]["kind"]["pattern"]
        assert bool(re.search(mime["properties"]["kind"]["pattern"], kind)) is known
        assert bool(re.search(anything, kind)) is module
