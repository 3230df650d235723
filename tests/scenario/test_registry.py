from __future__ import annotations

import pytest

from simworld.errors import ScenarioError
from simworld.scenario import build, find, kinds, schema

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
