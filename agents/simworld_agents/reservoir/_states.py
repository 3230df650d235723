"""The states of many reservoirs: arrays over seats, each with the body that it belongs to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from simworld.kernel import Array, Members
from simworld_agents.reservoir._body import Body

_BLOCK = 64
"""Seats of one body that are multiplied at once. Always so many: a product's last bits depend on their number."""
_CHUNK = 4096
"""Seats whose weights are gathered at once."""


class Reservoirs:
    """States (seats, d) and the bodies behind them. A body may have many states: one for each seat of its player."""

    def __init__(self, units: int, dtype: npt.DTypeLike) -> None:
        self.units, self.dtype = units, np.dtype(dtype)
        self.bodies: Body | None = None
        self.body_of = np.zeros(0, dtype=np.int64)
        """Place of each seat's body, shape (seats,)."""
        self.state: Array = np.zeros((0, units), dtype=self.dtype)
        self._one_each = True
        """Every seat has the body of its own number: nothing is gathered."""

    def __len__(self) -> int:
        return len(self.body_of)

    def add_bodies(self, bodies: Body) -> None:
        """Append bodies, in this precision."""
        new = bodies.cast(self.dtype)
        self.bodies = new if self.bodies is None else self.bodies.joined(new)

    def add_seats(self, body_of: npt.NDArray[np.int64]) -> None:
        """Append seats, their states at zero."""
        self.body_of = np.concatenate([self.body_of, body_of])
        self.state = np.concatenate([self.state, np.zeros((len(body_of), self.units), dtype=self.dtype)])
        self._one_each = bool(np.array_equal(self.body_of, np.arange(len(self.body_of))))

    def says(self, rows: Members | slice, state: Array) -> Array:
        """The actions that the bodies of these seats lean to in these states, shape (n,)."""
        body = self._known()
        if self._one_each and isinstance(rows, slice):
            return body.says(state)
        of = self.body_of[rows]
        found: Array = expit(np.einsum("nd,nd->n", state, body.readout[of]) + body.offset[of])
        return found

    def moved(self, rows: Members | slice, state: Array, own: Array, other: Array, noise: Array) -> Array:
        """The next states of these seats: states (n, d), actions (n,), standard normal noise (n, d)."""
        body = self._known()
        if self._one_each and isinstance(rows, slice):
            return body.moved(state, own, other, noise)
        of = self.body_of[rows]
        out = np.empty_like(state)
        if len(body) * 16 <= len(of):
            for b in np.unique(of).tolist():
                mine = np.flatnonzero(of == b)
                out[mine] = _shared(body, b, state[mine])
        else:
            for first in range(0, len(of), _CHUNK):
                chosen = slice(first, first + _CHUNK)
                out[chosen] = np.matmul(body.recurrent[of[chosen]], state[chosen, :, None])[:, :, 0]
        out += body.inputs[of, :, 0] * own[:, None]
        out += body.inputs[of, :, 1] * other[:, None]
        out += body.bias[of]
        np.tanh(out, out=out)
        out += body.noise * noise
        return out

    def _known(self) -> Body:
        assert self.bodies is not None, "seats are added after their bodies"
        return self.bodies


def _shared(body: Body, place: int, state: Array) -> Array:
    """W x for many states of one body, in blocks of one size: how many others share it changes no bit."""
    n, d = state.shape
    blocks = np.zeros((-(-n // _BLOCK), _BLOCK, d), dtype=state.dtype)
    blocks.reshape(-1, d)[:n] = state
    product: Array = np.matmul(blocks, body.recurrent[place].T).reshape(-1, d)[:n]
    return product
