"""The hash chain over everything that an episode determines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np

from simworld.kernel._fields import Array, Members, Role

if TYPE_CHECKING:
    from simworld.kernel._roster import Roster
    from simworld.kernel._world import Acts

_END = Struct("<qq").pack
_FOLD = 4096
_WORD, _HALF = 8, np.uint64(32)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Chain:
    """Links, one a moment: each is a digest of the one before and of all that was noted since.

    Two different histories never give the same bytes: a record begins with its kind and its names, length first, and
    these fix how long everything in it is, or every part of it brings its own length.
    """

    __slots__ = ("_drawn", "_noted", "link")

    def __init__(self, seed: int) -> None:
        self.link = sha256(f"simworld\0{seed}".encode()).digest()
        """Digest of everything up to the last moment."""
        self._noted: list[bytes] = []
        self._drawn: dict[tuple[str | int, ...], list[tuple[Members, Array]]] = {}

    def decided(self, roster: Roster, tick: int, acts: Acts) -> None:
        """What members of a role saw, did and showed."""
        role = acts.role
        since = acts.since
        if not roster.plain or acts.mind or since.__class__ is not int or since != tick:
            self._decided(tick, role, acts)
            return
        # The ordinary case by far: the declared fields and the number of members fix all lengths.
        seen, done, note = acts.seen, acts.done, self._noted.append
        note(b"%b%d;" % (roster.tag, len(acts.members)))
        note(acts.members.tobytes())
        for field in role.obs:
            note(seen[field.name].tobytes())
        for field in role.act:
            note(done[field.name].tobytes())

    def drew(self, address: tuple[str | int, ...], members: Members, values: Array) -> None:
        """Members drew at an address: in which order, and who together, is not part of history.

        Of a draw of several numbers a sum of them is taken, weighted by odd numbers modulo 2**64: it changes with any
        bit of any of them. The address determines them; this is there to tell another generator.
        """
        several = values.ndim > 1 and values.dtype.itemsize == _WORD and values.size > len(values)
        kept = _folded(values) if several else values.copy()
        self._drawn.setdefault(address, []).append((members, kept))

    def note(self, kind: str, names: Sequence[str | int], *values: Array) -> None:
        """Anything else: every part comes with its length."""
        noted = self._noted
        if len(noted) > _FOLD:
            # A world of callback entries alone may note without end before the next link.
            noted[:] = [b"folded", sha256(b"".join(noted)).digest()]
        noted.extend(_parts(kind, names, *values))

    def close(self, tick: int, priority: int) -> bytes:
        """Take everything noted into a new link."""
        digest = sha256(b"".join(self._noted))
        self._noted = []
        for address in sorted(self._drawn, key=repr):
            # One by one: the first moment of a large society may draw gigabytes.
            digest.update(b"".join(_drew(address, self._drawn.pop(address))))
        digest.update(_END(tick, priority) + self.link)
        self.link = digest.digest()
        return self.link

    def _decided(self, tick: int, role: Role, acts: Acts) -> None:
        values = [acts.seen[f.name] for f in role.obs] + [acts.done[f.name] for f in role.act]
        values += acts.mind.values()
        if isinstance(acts.since, int) and acts.since == tick:
            self.note("decided", (role.name, *acts.mind), acts.members, *values)
        else:
            since = np.broadcast_to(acts.since, acts.members.shape)
            self.note("resumed", (role.name, *acts.mind), acts.members, since, *values)


def _drew(address: tuple[str | int, ...], pairs: Sequence[tuple[Members, Array]]) -> list[bytes]:
    """All that was drawn at an address, in order of the members."""
    members, values = pairs[0] if len(pairs) == 1 else map(np.concatenate, zip(*pairs, strict=True))
    if len(pairs) > 1:
        order = np.argsort(members)
        members, values = members[order], values[order]
    return _parts("drew", address, members, values)


def _parts(kind: str, names: Sequence[str | int], *values: Array) -> list[bytes]:
    """A note as bytes: every part comes with its length."""
    parts = [ascii((kind, *names, len(values))).encode()]
    parts += [v.tobytes() if v.dtype.kind != "O" else json.dumps(v.tolist()).encode() for v in values]
    return [_sized(part) for part in parts]


def _folded(values: Array) -> Array:
    """One number for each member, uint64 of shape (n,)."""
    words = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint64)
    odd = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * _MIX
    # A product leaves the highest bit where it is: without the lower half mixed in, signs would cancel each other.
    folded: Array = np.einsum("nk,k->n", words ^ (words >> _HALF), odd)
    return folded


def tag(role: Role) -> bytes:
    """How the record of an ordinary decision of this role begins."""
    return b"acts" + _sized(role.name.encode())


def _sized(data: bytes) -> bytes:
    return b"%d:" % len(data) + data
