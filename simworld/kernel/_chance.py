"""Addressed randomness: an address, not a sequence, determines a number."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.random import Generator, Philox

from simworld.errors import ChanceError
from simworld.kernel._fields import Array, Members

Method: TypeAlias = Literal["uniform", "normal", "exponential"]
"""Uniform on [0, 1), standard normal, or exponential of mean one."""

_CHUNK = 256
"""Members per chunk for methods whose use of raw words varies (normal, exponential): each chunk starts anew."""
_GAP = 256
"""A hole in the member numbers wider than this is jumped over instead of drawn and thrown away."""


class Chance:
    """Draws that depend on their address (seed, stream, index, member) alone.

    Neither the order of calls nor who else is present can change a number. One Philox generator per stream is
    re-positioned for every draw: its key is a digest of (seed, stream), its counter holds the index and the place
    of the member. Dense, sparse and single draws of the same member agree.
    """

    __slots__ = ("_streams", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = int(seed)
        self._streams: dict[str, tuple[Generator, dict[str, Any], Array]] = {}

    def __reduce__(self) -> tuple[type[Chance], tuple[int]]:
        """Pickle and copy by seed: positions are part of the address, never state."""
        return (Chance, (self.seed,))

    def draw(self, method: Method, stream: str, index: int, members: Members, width: tuple[int, ...] = ()) -> Array:
        """Fill an array over members.

        Args:
            method: The distribution.
            stream: Name of the stream; other names are independent.
            index: Non-negative place in time (a tick) or in a sequence (an ordinal).
            members: Sorted member numbers, int64 of shape (n,).
            width: Shape of one member's draw.

        Returns:
            float64 of shape (n, *width).

        Raises:
            ChanceError: The method is not known, the index is negative, or members are not sorted, each once.
        """
        if index < 0:
            raise ChanceError(f"stream {stream!r}: index {index} is negative")
        n = len(members)
        if n > 1 and not (members[1:] > members[:-1]).all():
            raise ChanceError(f"stream {stream!r}: members are to be sorted, each once")
        size = 1
        for w in width:
            size *= w
        out = np.empty((n, size))
        if n and size:
            if method == "uniform":
                self._uniform(stream, index, members, size, out)
            elif method in {"normal", "exponential"}:
                self._chunked(method, stream, index, members, size, out)
            else:
                raise ChanceError(f"method {method!r} is not one of uniform, normal, exponential")
        return out.reshape((n, *width))

    def rng(self, stream: str, index: int, member: int) -> Generator:
        """A private generator at an address, for methods that are not fixed-length (permutation, choice)."""
        bits = Philox(key=self._key(stream), counter=np.array([0, index, member, 2], dtype=np.uint64))
        return Generator(bits)

    def _key(self, stream: str) -> Array:
        digest = hashlib.sha256(f"{self.seed}\0{stream}".encode()).digest()
        return np.frombuffer(digest[:16], dtype=np.uint64)

    def _at(self, stream: str, *counter: int) -> Generator:
        """The stream's generator, positioned."""
        found = self._streams.get(stream)
        if found is None:
            bits = Philox(key=self._key(stream))
            state: dict[str, Any] = dict(bits.state)
            # Words left in the buffer by the previous draw must never leak into this one.
            state["buffer_pos"], state["has_uint32"] = 4, 0
            found = (Generator(bits), state, state["state"]["counter"])
            self._streams[stream] = found
        generator, state, words = found
        words[:] = counter
        generator.bit_generator.state = state
        return generator

    def _uniform(self, stream: str, index: int, members: Members, size: int, out: Array) -> None:
        """One raw word per number, four words per counter step: any place can be reached directly."""
        for lo, hi in _runs(members):
            first, last = int(members[lo]), int(members[hi - 1])
            block, skip = divmod(first * size, 4)
            raw = self._at(stream, block, index, size - 1, 0).random(skip + (last - first + 1) * size)
            rows = raw[skip:].reshape(-1, size)
            out[lo:hi] = rows if len(rows) == hi - lo else rows[members[lo:hi] - first]

    def _chunked(self, method: str, stream: str, index: int, members: Members, size: int, out: Array) -> None:
        n, lo = len(members), 0
        while lo < n:
            chunk = int(members[lo]) // _CHUNK
            hi = int(np.searchsorted(members, (chunk + 1) * _CHUNK))
            places = members[lo:hi] - chunk * _CHUNK
            generator = self._at(stream, 0, index, chunk, _place(method, size))
            fill = generator.standard_normal if method == "normal" else generator.standard_exponential
            if int(places[-1]) + 1 == hi - lo:
                fill(out=out[lo:hi])  # a chunk without holes, drawn in place
            else:
                out[lo:hi] = fill((int(places[-1]) + 1, size))[places]
            lo = hi


def _place(method: str, size: int) -> int:
    """Last word of the counter: draws of another method or width never share their raw numbers."""
    sort = 1 if size == 1 else 4 + size
    return sort if method == "normal" else sort + (1 << 32)


def _runs(members: Members) -> list[tuple[int, int]]:
    """Slices of the members without a wide hole inside."""
    n = len(members)
    if n == 1 or int(members[-1]) - int(members[0]) < n + _GAP:
        return [(0, n)]
    cuts = np.flatnonzero(np.diff(members) > _GAP) + 1
    edges = [0, *cuts.tolist(), n]
    return list(pairwise(edges))


class Drawn:
    """Who has drawn at one address (stream, tick): an address is drawn once by each member."""

    __slots__ = ("_first", "_last", "_others", "_seen")

    def __init__(self, members: Members) -> None:
        self._first, self._last = int(members[0]), int(members[-1])
        self._others = [members]
        self._seen: set[int] = set()

    def add(self, members: Members) -> bool:
        """Note more members; False if one of them was noted before."""
        first, last = int(members[0]), int(members[-1])
        # Cohorts and individuals mostly draw in order of their numbers: then two comparisons suffice.
        apart = first > self._last or last < self._first
        if apart:
            self._others.append(members)
        else:
            for before in self._others:
                self._seen.update(before.tolist())
            self._others.clear()
            mine = members.tolist()
            if not self._seen.isdisjoint(mine):
                return False
            self._seen.update(mine)
        self._first, self._last = min(first, self._first), max(last, self._last)
        return True
