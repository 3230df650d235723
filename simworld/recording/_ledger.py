"""The columnar ledger: where the decisions of one role wait until their rewards are complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from simworld.errors import ContractError
from simworld.kernel import Acts, Array, Field, Members
from simworld.recording._columns import Vocabulary
from simworld.recording._schema import RoleTable

Columns: TypeAlias = dict[str, Array]
"""Rows of a decisions table by column; ``shown.<x>`` says where ``mind.<x>`` is not null, -1 is a null code."""

ENDS = ("left", "terminated", "truncated")
"""The vocabulary of the column ``end``, by code."""

_TRASH = 0
"""Row that stands for decisions which are not kept: it takes their rewards, and is never written."""
_SMALL = 1024
_LASTING = ("faults", "_handed", "_row_of", "_latest", "_group", "_credits", "_size")
"""What makes a ledger's state, beside its columns."""


class Ledger:
    """Rows of one role in order of deciding, as growing arrays; a row is open while rewards may still come.

    ``take`` hands out the closed rows and carries the open ones over; a full ledger does so by itself and passes
    them to ``out``. Every array has one row per decision, and ``_row_of`` knows each member's open row, so that
    crediting many members is one indexed addition.
    """

    def __init__(self, table: RoleTable, limit: int, out: Callable[[Columns], None], unit: int = 1) -> None:
        self._role, self._every, self._limit, self._out = table.role, table.every, limit, out
        self._unit = unit
        """A full ledger keeps to multiples of so many rows: sealing has then nothing to cut and join."""
        self._handed = 0
        """Rows handed out so far."""
        self._explicit = table.role.credit == "explicit"
        self._mind, self._seen = table.mind, table.role.logged
        self._declares = _declares(table)
        self.faults = Vocabulary()
        fields = [("obs.", f) for f in table.role.logged]
        fields += [("act.", f) for f in table.role.act] + [("mind.", f) for f in self._mind]
        self._kinds: dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]] = {
            p + f.name: (f.numpy_dtype, f.shape)  # type: ignore[misc]  # the schema was built, so shapes are numbers
            for p, f in fields
        }
        whole, code, flag = np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.bool_)
        self._kinds |= dict.fromkeys(("tick", "agent", "decision", "since"), (whole, ()))
        self._kinds |= {
            "reward": (np.dtype(np.float64), ()),
            "fault": (code, ()),
            "end": (code, ()),
            "open": (flag, ()),
        }
        self._kinds |= {f"shown.{f.name}": (flag, ()) for f in self._mind}
        self._row_of: Members = np.zeros(0, dtype=np.int64)
        self._latest: Members = np.zeros(0, dtype=np.int64)
        """Index of each member's latest decision; -1 where there is none to credit."""
        self._group = np.zeros(0, dtype=np.int64)
        self._row, self._latest_of = self._row_of.data, self._latest.data
        self._credits: list[tuple[Members, Members, Array]] = []
        self._size = 1
        self._renew(min(_SMALL, limit + 1))

    def __len__(self) -> int:
        return self._size - 1

    def joined(self, members: Members, groups: Members) -> None:
        """Make room for members; groups are their places in the role's seating."""
        count = int(members[-1]) + 1
        if count > len(self._row_of):
            size = max(count, 2 * len(self._row_of))
            self._row_of = _grown(self._row_of, size, _TRASH)
            self._latest = _grown(self._latest, size, -1)
            self._group = _grown(self._group, size, 0)
            self._row, self._latest_of = self._row_of.data, self._latest.data
        self._group[members] = groups

    def decided(self, tick: int, acts: Acts) -> None:
        """Close the members' former rows, and open one each for what they saw and did."""
        members, decisions = acts.members, acts.decisions
        if len(members) == 1 and self._every == 1:
            self._decided_one(tick, acts)
            return
        self._latest[members] = decisions
        if not self._explicit:
            self._open[self._row_of[members]] = False
        keep = None
        if self._every != 1:
            keep = np.flatnonzero(decisions % self._every == 0)
            self._row_of[members] = _TRASH
            if not len(keep):
                return
            keep = None if len(keep) == len(members) else keep
        rows = self._add(tick, members if keep is None else members[keep])
        self.columns["decision"][rows] = decisions if keep is None else decisions[keep]
        since = acts.since
        self.columns["since"][rows] = since if keep is None or not isinstance(since, np.ndarray) else since[keep]
        for column, array in self._fields(acts):
            shared = keep is None or array.ndim < column.ndim
            column[rows] = array if shared else array[keep]
        for field in self._mind:
            self._show(field, rows, acts.mind.get(field.name), members, keep)
        self._open[rows] = True
        self._row_of[members if keep is None else members[keep]] = np.arange(rows.start, rows.stop)
        for place, (kind, _) in acts.faults.items():
            at = place if keep is None else int(np.searchsorted(keep, place))
            if keep is None or (at < len(keep) and keep[at] == place):
                self.columns["fault"][rows.start + at] = self.faults.code(kind)

    def rewarded(self, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Credit the members' latest decisions, or those named.

        Raises:
            ContractError: A member has no such decision: it has not decided yet, or its record is closed.
        """
        if decisions is None and len(members) == 1 and self._latest_of[member := members.item()] >= 0:
            self._credit[self._row[member]] += amounts.item()
            return
        latest = self._latest[members]
        bad = latest < 0 if decisions is None else (latest < decisions) | (decisions < 0)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            which = "decision" if decisions is None else f"decision {decisions[place]}"
            raise ContractError(
                f"reward of role {self._role.name!r}: member {members[place]} has no {which} to credit"
                " (it has not decided yet, or its record is closed)"
            )
        if decisions is None:
            self._reward[self._row_of[members]] += amounts
        else:
            self._credits.append((members.copy(), decisions.copy(), amounts.copy()))

    def closed(self, tick: int, members: Members, seen: Mapping[str, Array], end: str) -> None:
        """Close the members' records with a row that holds their last observation."""
        if not self._explicit:
            self._open[self._row_of[members]] = False
        if self._every:
            rows = self._add(tick, members)
            self.columns["decision"][rows] = self._latest[members] + 1
            self.columns["since"][rows] = tick
            self.columns["end"][rows] = ENDS.index(end)
            for field in self._seen:
                self.columns[f"obs.{field.name}"][rows] = seen[field.name]
            for name, (dtype, _) in self._kinds.items():
                if name.startswith(("act.", "mind.", "shown.")):
                    # What lies under a null is part of the file: blank.
                    self.columns[name][rows] = "" if dtype.hasobject else 0
            self._open[rows] = False
        self._row_of[members] = _TRASH
        if not self._explicit:
            self._latest[members] = -1

    def take(self, everything: bool = False, whole: bool = False) -> Columns | None:
        """Hand out the closed rows and forget them; None if there are none. They are the caller's alone.

        Args:
            everything: The open rows, too: the episode is over.
            whole: Rather keep some back than hand out a broken unit.
        """
        if self._explicit:
            if not everything:
                return None
            self._settle_credits()
        size, old = self._size, self.columns
        ready = ~self._open[1:size]
        count = size - 1 if everything else int(np.count_nonzero(ready))
        broken = (self._handed + count) % self._unit
        if whole and broken < count:
            count -= broken
        if not count:
            return None
        if everything or ready[:count].all():
            out = {name: column[1 : count + 1] for name, column in old.items()}
            stay: Array | slice = slice(count + 1, size)
        else:
            which = np.flatnonzero(ready)[:count]
            out = {name: column[which + 1] for name, column in old.items()}
            stay = np.delete(np.arange(1, size), which)
        carried = size - 1 - count
        self._handed += count
        self._renew(min(len(old["open"]), max(_SMALL, self._limit + 1, 2 * carried)))
        for name, column in self.columns.items():
            column[1 : carried + 1] = old[name][stay]
        self._size = carried + 1
        still = np.flatnonzero(self._open[1 : carried + 1]) + 1
        self._row_of[self.columns["agent"][still]] = still
        return out

    def kept(self) -> Mapping[str, object]:
        """All that it holds, to be taken up elsewhere."""
        columns = {name: column[: self._size] for name, column in self.columns.items()}
        return {name: getattr(self, name) for name in _LASTING} | {"columns": columns}

    def take_up(self, kept: Mapping[str, object]) -> None:
        """Hold what another ledger of the same role held."""
        columns = kept["columns"]
        assert isinstance(columns, dict)
        size = len(columns["open"])
        self._renew(max(min(_SMALL, self._limit + 1), size))
        for name, column in columns.items():
            self.columns[name][:size] = column
        for name in _LASTING:
            setattr(self, name, kept[name])
        self._row, self._latest_of = self._row_of.data, self._latest.data

    # -- inside ----------------------------------------------------------------------------------------------------

    def _renew(self, rows: int) -> None:
        self.columns: Columns = {n: np.empty((rows, *shape), dtype) for n, (dtype, shape) in self._kinds.items()}
        self._size = 1
        self._blank(0)

    def _blank(self, start: int) -> None:
        """Prepare rows that are not in use yet, and bind what single rows need."""
        c = self.columns
        for name, value in (("reward", 0), ("fault", -1), ("end", -1), ("open", False)):
            c[name][start:] = value
        self._open, self._reward = c["open"], c["reward"]
        # Entries are set through memory views: for a single one that is three times as fast as through the array.
        self._credit, self._opened = self._reward.data, self._open.data
        self._heads = tuple(c[name].data for name in ("tick", "agent", "decision", "since"))
        scalars, shaped = [], []
        for prefix, fields in (("obs.", self._seen), ("act.", self._role.act)):
            for f in fields:
                column = c[prefix + f.name]
                if f.shape:
                    shaped.append((prefix == "obs.", f.name, column))
                else:
                    scalars.append((prefix == "obs.", f.name, column if column.dtype == object else column.data))
        self._scalars, self._shaped = scalars, shaped

    def _room(self, rows: int) -> None:
        """Make room: by handing out what is closed if that is much, else by growing."""
        if self._size + rows > max(self._limit, len(self._open)):
            taken = self.take(whole=True)
            if taken is not None:
                self._out(taken)
        if self._size + rows > len(self._open):
            size = max(self._size + rows, min(2 * len(self._open), max(self._limit + 1, 2 * self._size)))
            self.columns = {name: _grown(column, size) for name, column in self.columns.items()}
            self._blank(self._size)

    def _add(self, tick: int, members: Members) -> slice:
        """Append rows with nothing but their head."""
        count = len(members)
        self._room(count)
        rows = slice(self._size, self._size + count)
        self._size += count
        c = self.columns
        c["tick"][rows] = tick
        c["agent"][rows] = members
        return rows

    def _decided_one(self, tick: int, acts: Acts) -> None:
        """The same for a single member, entry by entry: whole-array calls would cost several times as much."""
        member, decision = acts.members.item(), acts.decisions.item()
        self._latest_of[member] = decision
        if not self._explicit:
            self._opened[self._row[member]] = False
        if self._size >= len(self._open):
            self._room(1)
        at = self._size
        self._size = at + 1
        ticks, agents, indices, sinces = self._heads
        ticks[at] = tick
        agents[at] = member
        indices[at] = decision
        sinces[at] = acts.since if acts.since.__class__ is int else acts.since.item()  # type: ignore[union-attr]
        seen, done = acts.seen, acts.done
        for saw, name, column in self._scalars:
            column[at] = (seen if saw else done)[name].item()
        for saw, name, column in self._shaped:
            array = (seen if saw else done)[name]
            column[at] = array if array.ndim < column.ndim else array[0]
        for field in self._mind:
            self._show(field, slice(at, at + 1), acts.mind.get(field.name), acts.members, None)
        if acts.faults:
            self.columns["fault"][at] = self.faults.code(acts.faults[0][0])
        self._opened[at] = True
        self._row[member] = at

    def _fields(self, acts: Acts) -> list[tuple[Array, Array]]:
        pairs = [(self.columns[f"obs.{f.name}"], acts.seen[f.name]) for f in self._seen]
        return pairs + [(self.columns[f"act.{f.name}"], acts.done[f.name]) for f in self._role.act]

    def _show(self, field: Field, rows: slice, shown: Array | None, members: Members, keep: Array | None) -> None:
        column, known = self.columns[f"mind.{field.name}"], self.columns[f"shown.{field.name}"]
        if shown is None:
            column[rows] = "" if column.dtype.hasobject else 0
            known[rows] = False
            return
        if keep is not None:
            shown, members = shown[keep], members[keep]
        column[rows] = shown
        declares = self._declares.get(field.name)
        if declares is None:
            known[rows] = True
            return
        # Beside minds that show it sit others that do not know this field: theirs is null, not a filler.
        known[rows] = declares[self._group[members]]
        column[rows][~known[rows]] = "" if column.dtype.hasobject else 0

    def _settle_credits(self) -> None:
        """Add up rewards for named decisions, in the order in which they were given."""
        if not self._credits:
            return
        members, decisions, amounts = (np.concatenate(c) for c in zip(*self._credits, strict=True))
        self._credits.clear()
        rows = np.arange(1, self._size)[self.columns["end"][1 : self._size] < 0]
        width = int(max(decisions.max(), self.columns["decision"][rows].max(initial=0))) + 1
        keys = self.columns["agent"][rows] * width + self.columns["decision"][rows]
        order = np.argsort(keys)
        wanted = members * width + decisions
        at = np.searchsorted(keys[order], wanted)
        kept = at < len(keys)
        kept[kept] = keys[order][at[kept]] == wanted[kept]
        np.add.at(self._reward, rows[order[at[kept]]], amounts[kept])


def _grown(old: Array, size: int, filler: int | None = None) -> Array:
    new: Array = np.empty((size, *old.shape[1:]), old.dtype) if filler is None else np.full(size, filler, old.dtype)
    new[: len(old)] = old
    return new


def _declares(table: RoleTable) -> dict[str, Array]:
    """Which groups declare a mind field, for fields that not all of them do."""
    found = {}
    for field in table.mind:
        groups = [any(f.name == field.name for f in fields) for _, fields in table.minds]
        if not all(groups):
            found[field.name] = np.array(groups)
    return found
