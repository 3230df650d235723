"""A person in any role: each action field is a question in the form that the field has, and may take simulated time."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Broker, Field, Group, Individuals, Role, World
from simworld.people import PeopleDesk, Scripted, person_request
from simworld.testing import play
from simworld_agents.general import PersonAgent

FORMS = [
    (Field("x", "bool"), {"options": [True, False]}),
    (Field("x", "int64", low=0, high=3), {"options": [0, 1, 2, 3]}),
    (Field("x", "int64", low=0, high=100), {"form": "whole", "low": 0, "high": 100}),
    (Field("x", "int64"), {"form": "whole"}),
    (Field("x", low=-1.5, high=2), {"form": "number", "low": -1.5, "high": 2}),
    (Field("x", low=0), {"form": "number", "low": 0}),
    (Field("x"), {"form": "number"}),
    (Field("x", "str"), {}),
]


class Room(World):
    """Members decide at every tick what the role declares."""

    def __init__(self, *fields: Field):
        self.roles = (Role("a", obs=(Field("x"),), act=fields),)

    def reset(self, turn):
        turn.wake("a", turn.join("a", 1), 0)

    def observe(self, role, members):
        return {"x": np.zeros(len(members))}

    def step(self, moment, turn):
        if "a" in moment.acts:
            turn.wake("a", np.array([0]), turn.tick + 1)


class Listens:
    """A gateway that notes what it is asked."""

    def __init__(self, *answers):
        self.asked, self._desk = [], PeopleDesk({"default": Scripted(list(answers))})

    def post(self, asks):
        self.asked += asks
        return self._desk.post(asks)


@pytest.mark.parametrize(("field", "form"), FORMS, ids=str)
def test_a_question_has_the_form_of_its_field(field, form):
    gateway = Listens(None)
    play(
        Room(field), {"a": [Group(Individuals(lambda: PersonAgent(deadline=3)), 1)]}, horizon=1, broker=Broker(gateway)
    )
    (ask,) = gateway.asked
    assert ask.after == 0  # without a word, the society stands still
    common = {"question", "context", "person", "fallback", "deadline"}
    assert {key: value for key, value in ask.content.items() if key not in common} == form
    request = person_request(ask)
    assert request.wrong(ask.content["fallback"]) == ""  # what stands in is always an answer


def test_a_number_without_bounds_is_typed_as_one():
    request = person_request(_ask(FORMS[6][0]))
    assert request.value_of("1,000.5") == 1000.5
    with pytest.raises(ValueError, match=r"accepted: a number$"):
        request.value_of("many")
    request = person_request(_ask(FORMS[3][0]))
    assert request.value_of("-12") == -12
    assert isinstance(request.value_of("7.0"), int)
    with pytest.raises(ValueError, match=r"accepted: a whole number$"):
        request.value_of("1.5")


def _ask(field: Field):
    gateway = Listens(None)
    play(Room(field), {"a": [Group(Individuals(PersonAgent), 1)]}, horizon=1, broker=Broker(gateway))
    return gateway.asked[0]


def test_an_answer_may_take_simulated_time_once_for_all_fields():
    fields = (Field("x", low=0, high=9), Field("y", "bool"))
    gateway = Listens(5)
    group = Group(Individuals(lambda: PersonAgent(after=3)), 1)
    played = play(Room(*fields), {"a": [group]}, horizon=8, broker=Broker(gateway))
    assert [ask.after for ask in gateway.asked[:2]] == [3, 0]
    assert [(row["since"], row["tick"]) for row in played.heard.rows[:2]] == [(0, 3), (4, 7)]
