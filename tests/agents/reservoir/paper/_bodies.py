"""Bodies by the release's recipe, one for each replicate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simworld_agents.reservoir import Body, Habituation, habituated, trained

from ._streams import Streams

RADIUS = 0.9
REPLICATES = 20


def seeds(base, offset=0, count=REPLICATES):
    """Of the replicates of an experiment, a thousand apart."""
    return [base + 1000 * n + offset for n in range(count)]


def power_radius(matrices, start=None, steps=300):
    """The last ratio of norms of a power iteration: wrong where the largest eigenvalues are a complex pair."""
    v = np.ones(matrices.shape[:2]) if start is None else start
    v = v / np.linalg.norm(v, axis=1, keepdims=True)
    for _ in range(steps):
        v = np.matmul(matrices, v[:, :, None])[:, :, 0]
        ratio = np.sqrt(np.einsum("nd,nd->n", v, v))
        v /= ratio[:, None]
    return ratio


@dataclass(frozen=True)
class Developed:
    """Trained bodies that are not habituated yet, with the streams that go on in habituation."""

    body: Body
    stream: Streams

    def habituated(self, epochs=200, receptivity=None):
        """After so many epochs of cooperation; the next epochs go on from there in the same streams."""
        how = Habituation(epochs=epochs, receptivity=receptivity)
        return habituated(self.body, self.stream.noise(self.body.size), how, power_radius)


def develop(base, units=30, count=REPLICATES, ridge=0.001, kept=(500, 2000)):
    """Drawn, scaled by the power iteration, and trained."""
    stream = Streams(seeds(base, 0, count))
    drawn = stream.normals(units, units) / np.sqrt(units)
    start = stream.normals(units)
    recurrent = drawn * (RADIUS / power_radius(drawn, start))[:, None, None]
    inputs, bias = 0.5 * stream.normals(units, 2), 0.3 * stream.normals(units)
    body = Body(recurrent, inputs, bias, np.zeros((count, units)), np.zeros(count))
    return Developed(_trained(body, base, count, ridge, kept), stream)


def retrained(body, base):
    """Control: the readout learns once more, on the body as it is now."""
    return _trained(body, base, len(body), 0.001, (500, 2000))


def pushed(body, by):
    """Control: the readout leans to full cooperation."""
    return replace(body, offset=body.offset + by)


def _trained(body, base, count, ridge, kept):
    streams = iter([Streams(seeds(base, 2000, count)), Streams(seeds(base, 3000, count))])

    def noise(steps):
        return next(streams).noise(body.size)(steps)

    return trained(body, noise, *kept, ridge)
