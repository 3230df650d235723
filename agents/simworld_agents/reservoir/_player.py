"""Players with a body, a cognitive filter, and a governance between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Array, Cohort, Field, Members, Seats
from simworld_agents.reservoir._body import Habituation
from simworld_agents.reservoir._develop import Development, develop
from simworld_agents.reservoir._filter import Filter, FilterName
from simworld_agents.reservoir._gauge import Gauge
from simworld_agents.reservoir._governance import Sentinel, discomfort
from simworld_agents.reservoir._states import Reservoirs

Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""

_COST = (
    Field("complexity", unit="nats", meaning="complexity cost of all states so far, by neighbours, not below 0; once"),
    Field("complexity_raw", unit="nats", meaning="the same estimate, which may be below 0"),
    Field("complexity_gaussian", unit="nats", meaning="the same of normal distributions; biased upwards"),
)
"""Mind fields of those who have a gauge."""


@dataclass(eq=False)
class ReservoirPlayers(Cohort):
    """Body-reservoir governance: what is played is receptivity x the body's action + the rest x the filter's.

    The body is a reservoir that was trained to tell cooperation from defection and habituated to cooperation; what is
    played is fed back into it. With a sentinel, receptivity falls with discomfort (a strange state, a strange output,
    disagreement with the cognitive filter) and recovers. A player has one body; each of its seats has a state of its
    own (our choice). Source: Nakamura, arXiv 2602.20846, with its released programs.
    """

    governance: Literal["sentinel", "static"] = "sentinel"
    """Whether receptivity answers discomfort, or stays."""
    receptivity: Share = 0.85
    """How far the body is listened to: of a sentinel, at rest."""
    eta_up: Annotated[float, Gt(0), Le(1)] = 0.05
    """Share of the way back to rest that receptivity makes in a round."""
    eta_down: Annotated[float, Ge(0)] = 0.5
    """Fall of receptivity for each unit of discomfort above ``theta``."""
    theta: Annotated[float, Ge(0)] = 0.1
    """Discomfort that is tolerated."""
    alpha_min: Share = 0.05
    """Least receptivity."""
    gamma: Share = 0.02
    """Rate at which the baselines of state and output follow them."""
    freeze: bool = False
    """Baselines stay as they are while discomfort is above ``theta``: else a long attack becomes the usual."""
    units: Annotated[int, Gt(0)] = 30
    """Units of a reservoir."""
    radius: Annotated[float, Gt(0)] = 0.9
    """Spectral radius of fresh recurrent weights (true eigenvalues)."""
    noise: Annotated[float, Ge(0)] = 0.15
    """Standard deviation of the noise in every state."""
    ridge: Annotated[float, Gt(0)] = 0.001
    """Penalty of the readout's regression, for each state."""
    epochs: Annotated[int, Ge(0)] = 200
    """Epochs of habituation."""
    epoch: Annotated[int, Gt(0)] = 500
    """Steps of an epoch; weights change at its end. With 1 they change at every step, as in the paper's text."""
    habituation: Literal["held", "lived"] = "held"
    """What its own action is meanwhile: full cooperation, or what it would play with this receptivity."""
    relearn: bool = False
    """Control: the readout learns once more after habituation."""
    lean: float = 0.0
    """Control: added to the readout's offset, so that the body leans to cooperation, or away from it."""
    filter: FilterName = "tit_for_tat"
    """The cognitive filter."""
    warm_up: Annotated[int, Ge(0)] = 500
    """Rounds of full cooperation that each state has behind it at the start."""
    calibration: Annotated[int, Gt(0)] = 200
    """Rounds of full cooperation over which the first baselines are means."""
    bodies: Literal["own"] | Annotated[int, Gt(0)] = "own"
    """Whether every player has a body of its own, or so many are shared in turn within the group."""
    gauge: Literal[0] | Annotated[int, Gt(6)] = 0
    """Rounds after which the complexity cost of all states so far is told, once, in the decision that follows them: the
    horizon must be longer. 0 is never."""
    precision: Literal["double", "single"] = "double"
    """Of states and weights while playing; bodies are developed in double precision."""

    sees = ("player", "own", "other", "rounds")
    does = ("cooperate",)
    mind: ClassVar[tuple[Field, ...]] = (
        Field("receptivity", meaning="how far the body is listened to, 0 to 1"),
        Field("discomfort", meaning="0.3 state + 0.3 output + 0.4 disagreement"),
        Field("strange_state", meaning="root mean square distance of the state from its baseline"),
        Field("strange_output", meaning="distance of the body's action from its baseline"),
        Field("disagreement", meaning="distance between the body's action and the cognitive one"),
        Field("body_action", meaning="what the body leans to"),
        Field("cognitive_action", meaning="what the cognitive filter would play"),
    )

    def __post_init__(self) -> None:
        """Begin without seats."""
        self._sentinel = Sentinel(self.receptivity, self.eta_up, self.eta_down, self.theta, self.alpha_min)
        lived = self.receptivity if self.habituation == "lived" else None
        self._how = Development(
            units=self.units,
            radius=self.radius,
            noise=self.noise,
            ridge=self.ridge,
            habituation=Habituation(self.epochs, self.epoch, receptivity=lived),
            relearn=self.relearn,
            lean=self.lean,
        )
        dtype = np.float64 if self.precision == "double" else np.float32
        self._reservoirs = Reservoirs(self.units, dtype)
        self._filter = Filter(self.filter)
        self._gauge = Gauge(self.gauge, self.units) if self.gauge else None
        if self.gauge:
            self.mind = (*self.mind, *_COST)  # type: ignore[misc]  # only those who have a gauge show it
        self._known: dict[int, int] = {}
        """Places of bodies that there are, by what they are shared by."""
        self._usual_state = np.zeros((0, self.units), dtype)
        self._usual_body, self._alpha = np.zeros(0, dtype), np.zeros(0, dtype)
        self._rounds = np.zeros(0, dtype=np.int64)
        self._fresh = np.zeros(0, dtype=bool)
        """Who has not decided yet."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Blend the body's action with the other's last one."""
        new = np.flatnonzero(seats.rows >= len(self._reservoirs))
        if len(new):
            self._settle(seen["player"][new], new, seats)
        rows: Members | slice = slice(None) if len(seats.rows) == len(self._reservoirs) else seats.rows
        played = seen["rounds"] > self._rounds[rows]
        # Nobody's state moves without a round; in their first decision all are ready as they are.
        due = played | self._fresh[rows]
        self._fresh[rows] = False
        state = self._moved(rows, seen, played, seats)
        body = self._reservoirs.says(rows, state)
        cognitive = self._filter.says(rows, seen["own"], seen["other"]).astype(body.dtype)
        gap, apart = state - self._usual_state[rows], body - self._usual_body[rows]
        felt = discomfort(gap, apart, body - cognitive)
        total = felt.total
        alpha: Array = self._alpha[rows]
        if self.governance == "sentinel":
            alpha = np.where(due, self._sentinel.next(alpha, total), alpha).astype(body.dtype)
            self._alpha[rows] = alpha
        self._get_used(rows, gap, apart, due & ~(self.freeze & (total > self.theta)))
        self._rounds[rows] = seen["rounds"]
        shown: tuple[Array, ...] = (alpha, total, felt.state, felt.output, felt.disagreement, body, cognitive)
        if self._gauge:
            cost = self._gauge.read(seats.rows, np.where(played, seen["rounds"], 0), state.astype(np.float64))
            shown += (cost[1], cost[0], cost[2])
        seats.show(**{f.name: values.astype(np.float64) for f, values in zip(self.mind, shown, strict=True)})
        blended = alpha * body + (1.0 - alpha) * cognitive
        return {"cooperate": np.clip(blended.astype(np.float64), 0.0, 1.0)}

    def _moved(self, rows: Members | slice, seen: Mapping[str, Array], played: Array, seats: Seats) -> Array:
        """States after the round that was played since, if one was."""
        reservoirs = self._reservoirs
        before = reservoirs.state[rows]
        if not played.any():
            return before
        noise = seats.draw("state", "normal", (self.units,)).astype(reservoirs.dtype, copy=False)
        own, other = (np.nan_to_num(seen[name]).astype(reservoirs.dtype, copy=False) for name in ("own", "other"))
        state = reservoirs.moved(rows, before, own, other, noise)
        if not played.all():
            state = np.where(played[:, None], state, before)
        reservoirs.state[rows] = state
        return state

    def _get_used(self, rows: Members | slice, gap: Array, apart: Array, to: Array) -> None:
        """Move the baselines a little towards what is, by how far that is from them."""
        step: Array = (self.gamma * to).astype(gap.dtype)
        gap *= step[:, None]
        state: Array = self._usual_state[rows]
        state += gap
        self._usual_state[rows] = state
        self._usual_body[rows] = self._usual_body[rows] + step * apart

    def _settle(self, players: Members, places: Members, seats: Seats) -> None:
        """Bodies, states and baselines of seats that decide for the first time."""
        reservoirs = self._reservoirs
        key = players if self.bodies == "own" else players % self.bodies
        _, first = np.unique(key, return_index=True)
        unknown = np.array([place for place in first.tolist() if int(key[place]) not in self._known], dtype=np.int64)
        if len(unknown):
            unknown = unknown[np.argsort(players[unknown])]
            # By the player's number: it has the same body however many seats it takes, and whoever else there is.
            drawn = seats.draw("body", numbers=players[unknown])
            self._known |= {int(key[place]): len(self._known) + n for n, place in enumerate(unknown.tolist())}
            reservoirs.add_bodies(develop(tuple((drawn * 2.0**53).astype(np.int64).tolist()), self._how))
        before = len(reservoirs)
        reservoirs.add_seats(np.array([self._known[k] for k in key.tolist()], dtype=np.int64))
        rows = slice(None) if not before else np.arange(before, len(reservoirs))
        state, _, _ = self._cooperative(rows, places, seats, "warm_up", self.warm_up)
        reservoirs.state[rows] = state
        self._filter.add_seats(len(places))
        if self._gauge:
            self._gauge.add_seats(self._alone(rows, places, seats))
        _, usual_state, usual_body = self._cooperative(rows, places, seats, "calibration", self.calibration)
        self._usual_state = np.concatenate([self._usual_state, usual_state])
        self._usual_body = np.concatenate([self._usual_body, usual_body])
        self._alpha = np.concatenate([self._alpha, np.full(len(places), self.receptivity, reservoirs.dtype)])
        self._rounds = np.concatenate([self._rounds, np.zeros(len(places), dtype=np.int64)])
        self._fresh = np.concatenate([self._fresh, np.ones(len(places), dtype=bool)])

    def _cooperative(
        self, rows: Members | slice, places: Members, seats: Seats, stream: str, steps: int
    ) -> tuple[Array, Array, Array]:
        """So many rounds of full cooperation from rest: the last state, and means of states and of body actions."""
        reservoirs = self._reservoirs
        state = np.zeros((len(places), self.units), dtype=reservoirs.dtype)
        full = np.ones(len(places), dtype=reservoirs.dtype)
        # All who are due are not named once more: the chain keeps who drew, for each of these many draws.
        some = None if len(places) == len(seats.members) else places
        states, actions = np.zeros_like(state), np.zeros_like(full)
        for step in range(steps):
            noise = seats.draw(f"{stream}/{step}", "normal", (self.units,), some)
            state = reservoirs.moved(rows, state, full, full, noise.astype(reservoirs.dtype, copy=False))
            states += state
            actions += reservoirs.says(rows, state)
        count = max(steps, 1)
        return state, states / count, actions / count

    def _alone(self, rows: Members | slice, places: Members, seats: Seats) -> Array:
        """States that the bodies have alone with a cooperator, (n, gauge, d): the reference of complexity cost."""
        reservoirs = self._reservoirs
        full = np.ones(len(places), dtype=reservoirs.dtype)
        state = np.zeros((len(places), self.units), dtype=reservoirs.dtype)
        states = np.empty((len(places), self.gauge, self.units))
        some = None if len(places) == len(seats.members) else places
        for step in range(-self.warm_up, self.gauge):
            own = full if step < 0 else reservoirs.says(rows, state)
            noise = seats.draw(f"alone/{step}", "normal", (self.units,), some)
            state = reservoirs.moved(rows, state, own, full, noise.astype(reservoirs.dtype, copy=False))
            if step >= 0:
                states[:, step] = state
        return states
