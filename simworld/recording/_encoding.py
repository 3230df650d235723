"""From what a recorder keeps to record batches of the declared schemas."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from simworld.kernel import Array, Field, Json, Members
from simworld.recording._columns import Vocabulary, coded, column, flat
from simworld.recording._ledger import ENDS, Columns
from simworld.recording._schema import RoleTable

Row: TypeAlias = tuple[object, ...]
"""One row of a small table, in the order of its columns, without the episode."""


@dataclass(frozen=True, slots=True)
class Born:
    """Members that took their seats together."""

    role: str
    tick: int
    members: Members
    groups: Members
    traits: Mapping[str, Array]


class Links:
    """The hash chain since the last flush, packed: one for every moment must not cost much."""

    __slots__ = ("_bytes", "_first", "_priorities", "_ticks")

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._ticks, self._priorities, self._bytes = array("q"), array("q"), bytearray()

    def __len__(self) -> int:
        return len(self._ticks)

    def add(self, tick: int, priority: int, link: bytes) -> None:
        """Append one link."""
        self._ticks.append(tick)
        self._priorities.append(priority)
        self._bytes += link

    def columns(self) -> list[pa.Array]:
        """The columns of the table ``chain`` after the first."""
        count = len(self._ticks)
        moments = np.arange(self._first, self._first + count)
        packed = pa.Array.from_buffers(pa.binary(32), count, [None, pa.py_buffer(self._bytes)])
        whole = (moments, np.array(self._ticks), np.array(self._priorities))
        return [*(flat(numbers.astype(np.int64), pa.int64()) for numbers in whole), packed]


class Encoder:
    """Makes the batches of one table of one episode; its vocabularies grow from batch to batch."""

    def __init__(self, schema: pa.Schema, episode: str, tick_length: float) -> None:
        self.schema, self._tick_length = schema, tick_length
        self._texts = {f.name: Vocabulary() for f in schema if pa.types.is_dictionary(f.type)}
        self._episode = [episode]

    @property
    def kept(self) -> object:
        """Its vocabularies, to be taken up by another encoder of the same table."""
        return self._texts

    def take_up(self, kept: object) -> None:
        """Go on with the vocabularies of another encoder."""
        assert isinstance(kept, dict)
        self._texts = kept

    def decisions(self, rows: Columns, faults: Sequence[str]) -> pa.RecordBatch:
        """Rows of a ledger; ``faults`` are the texts of its fault codes."""
        count = len(rows["tick"])
        acted = rows["end"] < 0
        columns = []
        for field in self.schema:
            name = field.name
            if name == "episode":
                columns.append(self._same(count))
            elif name == "time":
                columns.append(flat(rows["tick"] * self._tick_length, field.type))
            elif name in ("fault", "end"):
                columns.append(coded(rows[name], faults if name == "fault" else ENDS))
            elif name == "reward" or name.startswith("act."):
                columns.append(flat(rows[name], field.type, acted))
            elif name.startswith("mind."):
                columns.append(flat(rows[name], field.type, rows[f"shown.{name[5:]}"]))
            else:
                columns.append(flat(rows[name], field.type))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def rows(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """Rows of a small table."""
        given: Iterable[Sequence[object]] = zip(*rows, strict=True) if rows else [()] * (len(self.schema) - 1)
        columns = [self._same(len(rows))]
        for field, values in zip(list(self.schema)[1:], given, strict=True):
            if field.name in self._texts:
                codes = self._texts[field.name].encode(values)  # type: ignore[arg-type]  # the column is declared as text
                columns.append(self._coded(field.name, codes))
            else:
                columns.append(column(values, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def chain(self, links: Links) -> pa.RecordBatch:
        """Links of the hash chain."""
        return pa.RecordBatch.from_arrays([self._same(len(links)), *links.columns()], schema=self.schema)

    def agents(
        self, born: Sequence[Born], roles: Sequence[RoleTable], left: Mapping[tuple[str, int], int]
    ) -> pa.RecordBatch:
        """Who they are; traits are null where a role does not declare them."""
        labels = {t.role.name: [label for label, _ in t.minds] for t in roles}
        traits = {f.name: f for t in roles for f in t.role.traits}
        counts = [len(b.members) for b in born]
        count = sum(counts)
        members = np.concatenate([np.empty(0, np.int64), *(b.members for b in born)])
        minds = [self._texts["mind"].encode(labels[b.role])[b.groups] for b in born]
        ends = np.zeros(count, np.int64)
        if left:
            who = ((b.role, m) for b in born for m in b.members.tolist())
            ends[:] = [left.get(one, -1) for one in who]
        gone = ends >= 0 if left else np.zeros(count, bool)
        columns = [
            self._same(count),
            self._coded("role", np.repeat(self._texts["role"].encode(b.role for b in born), counts)),
            flat(members, pa.int64()),
            self._coded("mind", np.concatenate([np.empty(0, np.int32), *minds])),
            flat(np.repeat(np.array([b.tick for b in born], np.int64), counts), pa.int64()),
            flat(np.where(gone, ends, 0), pa.int64(), gone),
        ]
        for field in list(self.schema)[6:]:
            held, valid = _trait(traits[field.name.removeprefix("trait.")], born)
            columns.append(flat(held, field.type, valid))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _coded(self, name: str, codes: Array) -> pa.Array:
        return coded(codes, self._texts[name].values())

    def _same(self, count: int) -> pa.Array:
        return coded(np.zeros(count, np.int32), self._episode)


def leaves(prefix: str, value: Json) -> Iterator[tuple[str, float | str | None]]:
    """Plain data as single values with dotted names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for i, inner in enumerate(value):
            yield from leaves(f"{prefix}.{i}" if prefix else str(i), inner)
    else:
        yield prefix, value


def _trait(field: Field, born: Sequence[Born]) -> tuple[Array, Array]:
    """Values of one trait over all members, and where there are any."""
    blank, shape = "" if field.dtype == "str" else 0, tuple(int(d) for d in field.shape)
    values = [np.empty((0, *shape), field.numpy_dtype)]
    for b in born:
        values.append(b.traits.get(field.name, np.full((len(b.members), *shape), blank, field.numpy_dtype)))
    valid = [field.name in b.traits for b in born]
    return np.concatenate(values), np.repeat(np.array(valid, bool), [len(b.members) for b in born])
