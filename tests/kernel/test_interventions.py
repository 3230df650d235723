"""Interventions: from their tick on other minds, other parameters, fewer members; before it nothing is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ContractError, TapeError
from simworld.kernel import Answer, Ask, Cohort, Field, Group, Intervention, Kernel, Role, TwinTape, World
from simworld.testing import Listener


class Pasture(World):
    """Members say numbers every tick; it adds what they say, times a factor, to what there is."""

    roles = (Role("herder", obs=(Field("stock"),), act=(Field("take"),)),)
    measures = (Field("stock"),)
    changeable = ("factor",)

    def __init__(self, factor=1.0):
        self.factor, self.stock, self.gone = factor, 0.0, []

    def reset(self, turn):
        turn.wake("herder", turn.join("herder", turn.seats("herder")), 0)

    def observe(self, role, members):
        return {"stock": np.full(len(members), self.stock)}

    def step(self, moment, turn):
        self.stock += self.factor * moment.acts["herder"]["take"].sum()
        turn.emit(stock=self.stock)
        turn.reward("herder", moment.acts["herder"].members, moment.acts["herder"]["take"])
        turn.wake("herder", turn.members("herder"), turn.tick + 1)

    def taken_out(self, role, members, turn):
        self.gone.append((turn.tick, members.tolist()))


class Says(Cohort):
    """Says a number, and a draw; counts how often each row has decided."""

    def __init__(self, number):
        self.number, self.joined = number, 0

    def join(self, seats):
        assert seats.rows.tolist() == list(range(self.joined, self.joined + len(seats.rows)))
        self.joined += len(seats.rows)
        self.made = np.zeros(self.joined, dtype=int)

    def act(self, seen, seats):
        self.made[seats.rows] += 1
        return {"take": self.number + seats.draw("more")}


def society(*counts, horizon=12):
    kernel = Kernel(Pasture(), {"herder": [Group(Says(10.0 * n), c) for n, c in enumerate(counts)]}, 1, horizon)
    heard = Listener()
    kernel.attach(heard)
    return kernel, heard


def rows(heard):
    return {(r["tick"], r["member"]): float(r["done"]["take"]) for r in heard.rows if "take" in r["done"]}


@given(at=st.integers(0, 11), counts=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_before_its_tick_everything_is_the_same_and_after_it_chance_is(at, counts):
    plain, heard = society(*counts)
    plain.run()
    other, changed = society(*counts)
    other.run(until=at)
    mind = Says(100.0)
    other.intervene(Intervention(at, minds={("herder", 0): mind}))
    other.run()
    before, after = rows(heard), rows(changed)
    assert before.keys() == after.keys()
    for (tick, member), value in before.items():
        moved = 100.0 if tick >= at and member < counts[0] else 0.0
        assert after[tick, member] == pytest.approx(value + moved)  # the same draw under another number
    assert mind.made.tolist() == [12 - at] * counts[0]
    first = next(i for i, (a, b) in enumerate(zip(heard.links, changed.links, strict=True)) if a != b)
    assert heard.links[first][0] == at


def test_who_is_taken_out_has_a_closing_row_and_is_not_woken_again():
    kernel, heard = society(2, 2)
    kernel.run(until=5)
    kernel.intervene(Intervention(5, without={"herder": np.array([1, 2])}))
    kernel.run()
    assert {m for t, m in rows(heard) if t >= 5} == {0, 3}
    assert [c for c in heard.closings if "left" in c] == [("herder", 5, 1, "left"), ("herder", 5, 2, "left")]
    assert heard.gone == [("herder", 5, 1), ("herder", 5, 2)]
    assert kernel.world.gone == [(5, [1, 2])]
    everybody, empty = society(2)
    everybody.run(until=3)
    everybody.intervene(Intervention(3, without={"herder": None}))
    everybody.run()
    assert everybody.closed
    assert max(t for t, _ in rows(empty)) == 2


def test_a_new_mind_finds_its_rows_from_nought_also_where_some_have_left():
    kernel, heard = society(4)
    kernel.run(until=2)
    kernel.intervene(Intervention(2, without={"herder": np.array([1])}))
    mind = Says(50.0)
    kernel.run(until=4)
    kernel.intervene(Intervention(4, minds={("herder", 0): mind}))
    kernel.run()
    assert mind.made.tolist() == [8, 8, 8]
    assert {m for t, m in rows(heard) if t >= 4} == {0, 2, 3}


def test_a_parameter_counts_from_its_tick_on():
    kernel, _ = society(1)
    kernel.run(until=6)
    stock = kernel.world.stock
    kernel.intervene(Intervention(6, values={"factor": 0.0}))
    kernel.run()
    assert kernel.world.stock == stock


def test_nothing_changed_is_the_same_chain_and_a_copy_can_be_changed_alone():
    plain, heard = society(3)
    plain.run()
    kernel, same = society(3)
    kernel.run(until=7)
    branch = kernel.branch()
    branch.intervene(Intervention(7, values={"factor": 5.0}))
    branch.run()
    kernel.intervene(Intervention(7))
    kernel.run()
    assert same.links == heard.links
    assert branch.world.stock != kernel.world.stock


@pytest.mark.parametrize("at", [4, 5])
def test_what_has_happened_cannot_be_changed(at):
    kernel, _ = society(1)
    kernel.run(until=6)
    with pytest.raises(ContractError, match=f"tick {at}: it is already tick 5"):
        kernel.intervene(Intervention(at))


def test_a_place_without_a_mind_cannot_be_given_another():
    kernel, _ = society(1)
    with pytest.raises(ContractError, match="no mind in place 1"):
        kernel.intervene(Intervention(0, minds={("herder", 1): Says(1.0)}))


def test_a_twin_is_strict_before_the_fork_and_lenient_after(tmp_path):
    base = TwinTape(tmp_path / "base", tmp_path / "none")
    asked = [Ask(("herder", 0, n, 0), "model", {"n": n}) for n in range(3)]
    for n, ask in enumerate(asked):
        base.put(ask, Answer(n, source="somebody", telemetry={"usd": 1.0}))
    twin = TwinTape(tmp_path / "own", tmp_path / "base")
    found = twin.get(asked[0])
    assert (found.value, found.source, found.telemetry) == (0, "somebody", {"taken": True})
    other = Ask(("herder", 0, 1, 0), "model", {"n": "another"})
    with pytest.raises(TapeError, match="another question here, or none"):
        twin.get(other)
    twin.strict = False
    assert twin.get(other) is None
    twin.put(other, Answer("new"))
    assert twin.get(asked[2]).value == 2
    # What it has is its own: the base may be gone.
    (tmp_path / "base").unlink()
    again = TwinTape(tmp_path / "own", tmp_path / "base")
    assert [again.get(ask).value for ask in (asked[0], other, asked[2])] == [0, "new", 2]
