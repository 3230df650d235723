"""Where the body alone settles with a cooperator, and how strongly it is drawn there (section 5 of the paper)."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def settled(body, starts):
    """States (bodies, n, d) after 60 rounds without noise, from starts (n, d)."""
    x = np.broadcast_to(starts, (len(body), *starts.shape)).copy()
    for _ in range(60):
        a = expit(np.einsum("bnd,bd->bn", x, body.readout) + body.offset[:, None])
        pushed = np.einsum("bij,bnj->bni", body.recurrent, x) + a[:, :, None] * body.inputs[:, None, :, 0]
        x = np.tanh(pushed + (body.inputs[:, :, 1] + body.bias)[:, None])
    return x


def spread_of_fixed_points(body):
    """The largest distance between where 200 random starts settle, over all bodies and units."""
    starts = np.random.Generator(np.random.Philox(key=1)).uniform(-1, 1, (200, body.size))
    return np.ptp(settled(body, starts), axis=1).max()


def largest_norm(body):
    """The largest norm of the Jacobian at the fixed point, over all bodies; below 1 it is a contraction there."""
    x = settled(body, np.zeros((1, body.size)))[:, 0]
    a = body.says(x)
    slope = body.inputs[:, :, 0, None] * (body.readout * (a * (1 - a))[:, None])[:, None]
    jacobian = (1 - x**2)[:, :, None] * (body.recurrent + slope)
    return np.linalg.norm(jacobian, 2, axis=(1, 2)).max()
