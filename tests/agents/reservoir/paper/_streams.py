"""The random streams of the released programs, for many replicates at once.

From the facts of the release (revision 7201510): xoshiro256** seeded by a mixing of its own, uniforms from the top 53
bits, normals by Box and Muller with the cosine alone. The generator is linear over bits, so that a stream is cut into
stretches whose starts are found without walking there; numpy then walks all stretches of all replicates side by side.
"""

from __future__ import annotations

import math

import numpy as np

_MASK = (1 << 64) - 1
_STRETCH = 256
"""Uniforms that are walked through one after the other."""


def _seeded(seed):
    z, state = seed + 1, []
    for _ in range(4):
        z = (z + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        state.append(z ^ (z >> 31))
    return state


def _turned(x, by):
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))


def _step(s):
    """One step of the linear engine, in place: states (4, ...)."""
    t = s[1] << np.uint64(17)
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = _turned(s[3], 45)


def _leap_tables():
    """What a stretch makes of every value of every byte of a state, shape (32, 256, 4): their xor is the new state."""
    basis = np.zeros((4, 256), dtype=np.uint64)
    for bit in range(256):
        basis[bit // 64, bit] = np.uint64(1) << np.uint64(bit % 64)
    for _ in range(_STRETCH):
        _step(basis)
    tables = np.zeros((32, 256, 4), dtype=np.uint64)
    for place in range(32):
        for value in range(256):
            for bit in range(8):
                if value >> bit & 1:
                    tables[place, value] ^= basis[:, 8 * place + bit]
    return tables


_LEAP = _leap_tables()


class Streams:
    """One stream for each seed."""

    def __init__(self, seeds):
        self._starts = np.array([_seeded(seed) for seed in seeds], dtype="<u8")
        self._left = np.zeros((len(self._starts), 0))

    def uniforms(self, count):
        """Numbers in [0, 1), shape (streams, count)."""
        lacking = count - self._left.shape[1]
        if lacking > 0:
            self._left = np.concatenate([self._left, self._walked(-(-lacking // _STRETCH))], axis=1)
        found, self._left = self._left[:, :count], self._left[:, count:]
        return found

    def _walked(self, stretches):
        starts = np.empty((len(self._starts), stretches, 4), dtype=np.uint64)
        for n in range(stretches):
            starts[:, n] = self._starts
            bytes_ = np.ascontiguousarray(self._starts).view(np.uint8)
            self._starts = np.bitwise_xor.reduce(_LEAP[np.arange(32), bytes_], axis=1)
        s = np.ascontiguousarray(np.moveaxis(starts, 2, 0))
        found = np.empty((len(starts), stretches, _STRETCH))
        for n in range(_STRETCH):
            x = _turned(s[1] * np.uint64(5), 7) * np.uint64(9)
            found[:, :, n] = (x >> np.uint64(11)) * (1.0 / (1 << 53))
            _step(s)
        return found.reshape(len(starts), -1)

    def normals(self, *shape):
        """Standard normal numbers, shape (streams, *shape)."""
        two = self.uniforms(2 * math.prod(shape)).reshape(len(self._starts), -1, 2)
        found = np.sqrt(-2.0 * np.log(two[..., 0])) * np.cos(2.0 * math.pi * two[..., 1])
        return found.reshape(-1, *shape)

    def noise(self, units):
        """As the product asks for it: of so many steps, (steps, streams, units)."""
        return lambda steps: np.ascontiguousarray(np.moveaxis(self.normals(steps, units), 0, 1))
