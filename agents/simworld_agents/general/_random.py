"""Anything that is allowed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simworld.kernel import Array, Cohort, Field, Role, Seats


class Random(Cohort):
    """Plays at random: uniformly between bounds, or normally distributed without; of masked values one that is allowed.

    What may be left as it is (a default of nan, or a text with one) is left so.
    """

    def check(self, role: Role) -> None:
        """Texts cannot be drawn."""
        for field in role.act:
            if field.dtype == "str" and not field.leavable:
                raise ValueError(f"random cannot make up the text {field.name!r}")

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Addressed draws, one stream for each field."""
        masks = {f.masks: seen[f.name] for f in seats.role.obs if f.masks}
        done = {}
        for field in seats.role.act:
            if field.name in masks:
                done[field.name] = _allowed(field, seats, masks[field.name])
            elif not field.leavable:
                done[field.name] = _any(field, seats)
        return done


def _allowed(field: Field, seats: Seats, mask: Array) -> Array:
    """One of the allowed values, each as likely as the other."""
    # By row, how many are allowed up to each value; a mask that is shared by all is one row.
    so_far = np.atleast_2d(mask).cumsum(axis=1)
    counts = so_far[:, -1]
    wanted = np.minimum((seats.draw(f"random.{field.name}") * counts).astype(np.int64), counts - 1)
    chosen = (so_far > wanted[:, np.newaxis]).argmax(axis=1)
    low: Array = chosen + int(field.low or 0)
    return low


def _any(field: Field, seats: Seats) -> Array:
    stream, width = f"random.{field.name}", field.sizes
    if field.dtype == "bool":
        return seats.draw(stream, "uniform", width) < 0.5
    if field.low is None or field.high is None:
        drawn = seats.draw(stream, "normal", width)
        drawn = np.clip(drawn, field.low, field.high) if field.bounded else drawn
    else:
        spread = field.high - field.low + (1 if field.dtype == "int64" else 0)
        drawn = field.low + spread * seats.draw(stream, "uniform", width)
    return np.floor(drawn).astype(np.int64) if field.dtype == "int64" else drawn
