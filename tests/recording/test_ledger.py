"""The ledger against a naive list of rows, for random decisions, rewards, departures and flushes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.kernel import Acts, Field, Role
from simworld.recording import RoleTable
from simworld.recording._ledger import ENDS, Ledger

MINDS = (("bold", (Field("mood"),)), ("shy", ()))
GROUPS = np.array([0, 1, 0, 1, 0, 1])


def role(credit="until_next"):
    fields = (Field("x"), Field("word", "str"), Field("wind", shape=(2,), shared=True))
    return Role("walker", obs=fields, act=(Field("go", "int64"), Field("pull", shape=(2,))), credit=credit)


class Naive:
    """One dictionary per row, and no thought of speed."""

    def __init__(self, every, explicit):
        self.every, self.explicit = every, explicit
        self.rows, self.latest = [], {}

    def decided(self, tick, acts):
        for i, (m, d) in enumerate(zip(acts.members.tolist(), acts.decisions.tolist(), strict=True)):
            row = {"tick": tick, "agent": m, "decision": d, "since": int(np.broadcast_to(acts.since, len(acts))[i])}
            row |= {
                "obs.x": acts.seen["x"][i],
                "obs.word": acts.seen["word"][i],
                "obs.wind": acts.seen["wind"].tolist(),
            }
            row |= {"act.go": acts.done["go"][i], "act.pull": acts.done["pull"][i].tolist(), "reward": 0.0}
            shown = "mood" in acts.mind and GROUPS[m] == 0
            row |= {"mind.mood": acts.mind["mood"][i] if shown else None, "end": None}
            row["fault"] = acts.faults[i][0] if i in acts.faults else None
            self.rows.append(row)
            self.latest[m] = row

    def rewarded(self, member, amount, decision):
        for row in self.rows:
            if row["agent"] == member and row["decision"] == decision and row["end"] is None:
                row["reward"] += amount

    def closed(self, tick, members, seen, end):
        for i, m in enumerate(members.tolist()):
            count = self.latest[m]["decision"] + 1 if m in self.latest else 0
            row = {
                "tick": tick,
                "agent": m,
                "decision": count,
                "since": tick,
                "end": end,
                "reward": None,
                "fault": None,
            }
            row |= {"obs.x": seen["x"][i], "obs.word": seen["word"][i], "obs.wind": seen["wind"].tolist()}
            self.rows.append(row | {"act.go": None, "act.pull": None, "mind.mood": None})

    def result(self):
        kept = [r for r in self.rows if r["end"] or (self.every and r["decision"] % self.every == 0)]
        return sorted(kept, key=lambda r: (r["tick"], r["agent"], r["decision"]))


def rows_of(ledger, taken):
    rows = []
    for columns in taken:
        for i in range(len(columns["tick"])):
            row = {k: columns[k][i].item() for k in ("tick", "agent", "decision", "since")}
            row |= {"obs.x": columns["obs.x"][i], "obs.word": columns["obs.word"][i]}
            row["obs.wind"] = columns["obs.wind"][i].tolist()
            end = columns["end"][i]
            row["end"] = None if end < 0 else ENDS[end]
            row["fault"] = None if columns["fault"][i] < 0 else ledger.faults.values()[columns["fault"][i]]
            row["reward"] = None if end >= 0 else columns["reward"][i]
            row["act.go"] = None if end >= 0 else columns["act.go"][i]
            row["act.pull"] = None if end >= 0 else columns["act.pull"][i].tolist()
            row["mind.mood"] = columns["mind.mood"][i] if columns["shown.mood"][i] else None
            rows.append(row)
    return sorted(rows, key=lambda r: (r["tick"], r["agent"], r["decision"]))


moments = st.lists(
    st.fixed_dictionaries(
        {
            "due": st.sets(st.integers(0, 5), min_size=1),
            "paid": st.sets(st.integers(0, 5)),
            "leaves": st.sets(st.integers(0, 5), max_size=1),
            "flush": st.booleans(),
            "mood": st.booleans(),
            "fault": st.sampled_from(["", "late", "error"]),
            "back": st.integers(0, 3),
        }
    ),
    max_size=25,
)


@given(moments, st.sampled_from([1, 2, 3]), st.booleans(), st.sampled_from([1, 4, 2000]), st.sampled_from([1, 3]))
@settings(max_examples=200, deadline=None)
def test_it_keeps_what_a_naive_list_keeps(plan, every, explicit, limit, unit):
    out = []
    ledger = Ledger(RoleTable(role("explicit" if explicit else "until_next"), MINDS, every), limit, out.append, unit)
    naive = Naive(every, explicit)
    ledger.joined(np.arange(6), GROUPS)
    alive, counts = set(range(6)), dict.fromkeys(range(6), 0)

    def seen(members, tick):
        words = np.array([f"w{m}" for m in members], dtype=object)
        return {"x": members * 1.0 + tick, "word": words, "wind": np.array([tick, -tick], float)}

    for tick, moment in enumerate(plan):
        due = np.array(sorted(moment["due"] & alive), dtype=np.int64)
        if len(due):
            acts = Acts(ledger._role, due, np.array([counts[m] for m in due.tolist()]), tick)
            acts.seen = seen(due, tick)
            acts.done = {"go": due + tick, "pull": np.outer(due, [1.0, 2.0])}
            acts.mind = {"mood": due / 2} if moment["mood"] else {}
            acts.faults = {len(due) - 1: (moment["fault"], "")} if moment["fault"] else {}
            ledger.decided(tick, acts)
            naive.decided(tick, acts)
            for m in due.tolist():
                counts[m] += 1
        paid = np.array(sorted(m for m in moment["paid"] & alive if counts[m]), dtype=np.int64)
        if len(paid):
            which = np.array([max(0, counts[m] - 1 - (moment["back"] if explicit else 0)) for m in paid.tolist()])
            ledger.rewarded(paid, paid + 0.5, which if explicit else None)
            for m, d in zip(paid.tolist(), which.tolist(), strict=True):
                naive.rewarded(m, m + 0.5, d)
        gone = np.array(sorted(moment["leaves"] & alive), dtype=np.int64)
        if len(gone):
            ledger.closed(tick, gone, seen(gone, tick), "left")
            naive.closed(tick, gone, seen(gone, tick), "left")
            alive -= set(gone.tolist())
        if moment["flush"] and (taken := ledger.take()) is not None:
            out.append(taken)
    here = np.array(sorted(alive), dtype=np.int64)
    if len(here):
        ledger.closed(len(plan), here, seen(here, len(plan)), "truncated")
        naive.closed(len(plan), here, seen(here, len(plan)), "truncated")
    if (taken := ledger.take(everything=True)) is not None:
        out.append(taken)
    assert rows_of(ledger, out) == naive.result()


def test_a_reward_without_a_decision_is_an_error():
    ledger = Ledger(RoleTable(role(), MINDS), 10, print)
    ledger.joined(np.arange(2), GROUPS[:2])
    with pytest.raises(ContractError, match="member 1 has no decision to credit"):
        ledger.rewarded(np.array([1]), np.ones(1), None)


def test_a_reward_for_a_decision_that_was_never_made_is_an_error():
    ledger = Ledger(RoleTable(role("explicit"), MINDS), 10, print)
    ledger.joined(np.arange(2), GROUPS[:2])
    with pytest.raises(ContractError, match="member 0 has no decision 3 to credit"):
        ledger.rewarded(np.array([0]), np.ones(1), np.array([3]))
