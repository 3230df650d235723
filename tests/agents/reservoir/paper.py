"""Paper mode: the random streams, the spectral radius and the order of draws of the released programs.

From the facts of the release (revision 7201510): xoshiro256** seeded by a mixing of its own, normals by Box and Muller
(the cosine alone), a power iteration of 300 steps. The product has chance and eigenvalues of its own; it takes these from
outside, so that its arithmetic can be compared digit by digit.
"""

from __future__ import annotations

import math

import numpy as np

from simworld_agents.reservoir import Body, trained

_MASK = (1 << 64) - 1
D = 30


class Stream:
    """xoshiro256**."""

    def __init__(self, seed):
        z, state = seed + 1, []
        for _ in range(4):
            z = (z + 0x9E3779B97F4A7C15) & _MASK
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
            state.append(z ^ (z >> 31))
        self._state = state

    def uniforms(self, count):
        """The top 53 bits of each, as numbers in [0, 1)."""
        s0, s1, s2, s3 = self._state
        found = np.empty(count, dtype=np.uint64)
        mask = _MASK
        for i in range(count):
            x = (s1 * 5) & mask
            x = (((x << 7) & mask) | (x >> 57)) * 9 & mask
            found[i] = x >> 11
            t = (s1 << 17) & mask
            s2 ^= s0
            s3 ^= s1
            s1 ^= s2
            s0 ^= s3
            s2 ^= t
            s3 = ((s3 << 45) & mask) | (s3 >> 19)
        self._state = [s0, s1, s2, s3]
        return found * (1.0 / (1 << 53))

    def normals(self, *shape):
        two = self.uniforms(2 * math.prod(shape)).reshape(-1, 2)
        return (np.sqrt(-2.0 * np.log(two[:, 0])) * np.cos(2.0 * math.pi * two[:, 1])).reshape(shape)

    def noise(self, steps):
        """As the product asks for it: (steps, bodies, d)."""
        return self.normals(steps, 1, D)


def power_radius(matrices, start=None, steps=300):
    """The last ratio of norms of a power iteration: wrong where the largest eigenvalues are a complex pair."""
    found = []
    for n, matrix in enumerate(matrices):
        v = np.ones(len(matrix)) if start is None else start[n]
        v = v / np.linalg.norm(v)
        for _ in range(steps):
            w = matrix @ v
            ratio = np.linalg.norm(w)
            v = w / ratio
        found.append(ratio)
    return np.array(found)


def develop(base):
    """One body by the release's recipe: drawn, trained, and ready to be habituated."""
    stream = Stream(base)
    drawn = stream.normals(1, D, D) / np.sqrt(D)
    start = stream.normals(1, D)
    recurrent = drawn * (0.9 / power_radius(drawn, start))[:, None, None]
    inputs, bias = 0.5 * stream.normals(1, D, 2), 0.3 * stream.normals(1, D)
    body = Body(recurrent, inputs, bias, np.zeros((1, D)), np.zeros(1))
    streams = iter([Stream(base + 2000), Stream(base + 3000)])
    return trained(body, lambda steps: next(streams).noise(steps)), stream
