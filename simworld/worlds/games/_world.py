"""The world: players in seats, the same game round after round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Array, Field, Members, Moment, Role, Turn, World
from simworld.worlds.games._pairing import GRAPHS, Meetings, Pairing, along, everybody, graph_edges, halves
from simworld.worlds.games._payoffs import FloatArray, payoffs_of
from simworld.worlds.games._rounds import Groups, Neighbours, Pairs, Table

_ROLE = Role(
    "player",
    obs=(
        Field("player", "int64", meaning="the player that the seat belongs to"),
        Field("partner", "int64", meaning="the seat across in this round; -1 if there is none, or several"),
        Field(
            "own",
            low=0.0,
            high=1.0,
            missing=True,
            meaning="what it played in its last round, noise included; nan before",
        ),
        Field(
            "other",
            low=0.0,
            high=1.0,
            missing=True,
            meaning="what the other played then, the mean if there were several; nan before",
        ),
        Field("payoff", unit="payoff", missing=True, meaning="what its last round paid; nan before"),
        Field("rounds", "int64", meaning="how many rounds it has played"),
    ),
    act=(Field("cooperate", low=0.0, high=1.0, meaning="what to play: 0 is to defect, 1 to cooperate"),),
    traits=(Field("player", "int64", meaning="the player that the seat belongs to"),),
)
_MEASURES = (
    Field("cooperation", meaning="mean of what was played", flow=True),
    Field("payoff", unit="payoff", meaning="mean payoff of a round", flow=True),
    Field("disagreement", meaning="mean absolute difference between what the two of a pair played", flow=True),
)


@dataclass
class RepeatedGame(World):
    """Players who play the same game again and again, in pairs or in groups.

    A player has a seat for every partner, and plays with all of them at once; a tick is a round. What is played lies
    between 0 (defect) and 1 (cooperate): with ``continuous`` actions it is played as it is and pays in proportion, with
    ``discrete`` ones it is the chance to cooperate. A round is played by pairs who have both decided.
    """

    game: Literal["prisoners_dilemma", "stag_hunt", "chicken", "public_goods"] | list[float] = "prisoners_dilemma"
    """A game by its name, or four payoffs: reward, sucker, temptation, punishment."""
    actions: Literal["continuous", "discrete"] = "continuous"
    """Whether actions between 0 and 1 are played as they are, or are the chance to play 1."""
    pairing: Pairing = "halves"
    """Who meets whom: halves (the n-th of the first half of the players the n-th of the second), round_robin, matching
    (new pairs every round), or neighbours on a graph: ring, small_world, scale_free."""
    links: Annotated[int, Gt(0)] = 2
    """Neighbours of each player on a ring or in a small world; links of a newcomer in a scale-free graph."""
    rewire: Annotated[float, Ge(0), Le(1)] = 0.1
    """Share of the links of a small world that lead anywhere."""
    seats: Literal["partner", "player"] = "partner"
    """On a graph: a seat for every partner (our choice), or one that plays the same with all of them and sees their
    mean."""
    self_play: bool = False
    """In a round-robin: every player also meets a copy of itself."""
    repetitions: Annotated[int, Gt(0)] = 1
    """How often everybody meets, side by side."""
    group_size: Annotated[int, Gt(1)] = 4
    """Players of a public good; the groups are filled in order."""
    multiplier: Annotated[float, Gt(0)] = 1.6
    """What a contribution to a public good is worth to its group."""
    noise: Annotated[float, Ge(0), Le(1)] = 0.0
    """Chance that something else is played than what was decided."""
    noise_kind: Literal["flip", "replace"] = "flip"
    """What is played then: the opposite, or anything."""

    tick_unit: ClassVar[str] = "round"
    changeable = ("noise", "noise_kind")
    roles = (_ROLE,)
    measures = _MEASURES

    def __post_init__(self) -> None:
        """Look the payoffs up.

        Raises:
            ValueError: Payoffs that are not four.
        """
        self._payoffs = payoffs_of("prisoners_dilemma" if self.game == "public_goods" else self.game)

    def check(self, seats: Mapping[str, int]) -> None:
        """As many players as the pairing takes."""
        players = seats.get("player", 0)
        if self.game == "public_goods":
            if players % self.group_size:
                raise ValueError(f"{players} players; accepted: a multiple of group_size, which is {self.group_size}")
        elif self.pairing == "matching" and self.repetitions > 1:
            raise ValueError(f"repetitions: found {self.repetitions}; accepted: 1, for pairing 'matching'")
        elif self.pairing == "halves" and players % 2:
            raise ValueError(f"{players} players; accepted: an even number, for pairing 'halves'")
        elif self.pairing in GRAPHS and not self.links < max(players, 1):
            raise ValueError(f"links: found {self.links} among {players} players; accepted: fewer than players")
        elif self.pairing in {"ring", "small_world"} and self.links % 2:
            raise ValueError(f"links: found {self.links}; accepted: an even number, half of them to each side")

    def reset(self, turn: Turn) -> None:
        """Seat the players, one seat for every partner, and wake them all."""
        self._table = self._set_table(turn)
        counts = turn.groups("player")
        group = np.repeat(np.arange(len(counts)), counts)[self._table.player]
        seats = len(self._table.player)
        self._own, self._other, self._payoff = (np.full(seats, np.nan) for _ in range(3))
        self._rounds = np.zeros(seats, dtype=np.int64)
        here = turn.join("player", seats, groups=group, player=self._table.player)
        self._match(turn, "first_match")
        turn.wake("player", here, 0)

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:  # noqa: ARG002
        """The last round, from where each seat stands."""
        return {
            "player": self._table.player[members],
            "partner": self._table.across[members],
            "own": self._own[members],
            "other": self._other[members],
            "payoff": self._payoff[members],
            "rounds": self._rounds[members],
        }

    def step(self, moment: Moment, turn: Turn) -> None:
        """Play a round with those who have decided."""
        here = turn.members("player")
        acts = moment.acts.get("player")
        if acts is not None and len(acts):
            self._round(acts.members, acts["cooperate"], turn)
        self._match(turn, "match")
        turn.wake("player", here, turn.tick + 1)

    def _match(self, turn: Turn, stream: str) -> None:
        """Draw the pairs of the next round, where they change."""
        if self.pairing == "matching" and isinstance(self._table, Pairs):
            here = turn.members("player")
            if len(here):
                self._table.shuffle(turn.draw(stream, here), here)

    def _round(self, members: Members, wanted: FloatArray, turn: Turn) -> None:
        realised = self._realised(wanted, members, turn)
        if len(members) == len(self._own):
            played = realised.copy()
        else:
            played = np.full(len(self._own), np.nan)
            played[members] = realised
        payoff, other = self._table.play(played)
        some = payoff == payoff  # noqa: PLR0124  nan is not itself; isnan takes longer
        if some.all():
            paid = members  # so all seats took part
            self._rounds += 1
            self._own, self._other, self._payoff = played, other, payoff
        else:
            # Who had nobody to play with remembers the round before.
            paid = some.nonzero()[0]
            self._rounds[paid] += 1
            for memory, now in ((self._own, played), (self._other, other), (self._payoff, payoff)):
                memory[paid] = now[paid]
            played, other, payoff = played[paid], other[paid], payoff[paid]
        if not len(paid):
            return
        turn.reward("player", paid, payoff)
        turn.emit(
            cooperation=_mean(played),
            payoff=_mean(payoff),
            disagreement=_mean(np.abs(played - other)),
        )

    def _realised(self, wanted: FloatArray, members: Members, turn: Turn) -> FloatArray:
        """What is played of what was decided: mixed actions drawn, and noise."""
        played = wanted
        if self.actions == "discrete":
            played = (turn.draw("choice", members) < wanted).astype(np.float64)
        if self.noise:
            slips = turn.draw("slip", members) < self.noise
            instead = 1.0 - played
            if self.noise_kind == "replace":
                instead = turn.draw("replacement", members)
                instead = np.round(instead) if self.actions == "discrete" else instead
            played = np.where(slips, instead, played)
        return played

    def _set_table(self, turn: Turn) -> Table:
        players = turn.seats("player")
        if self.game == "public_goods":
            who = np.tile(np.arange(players), self.repetitions)
            return Groups(who, np.full(len(who), -1), np.arange(len(who)) // self.group_size, self.multiplier)
        if self.pairing == "matching":
            who = np.tile(np.arange(players), self.repetitions)
            return Pairs(who, np.full(len(who), -1), self._payoffs)
        meetings = self._meetings(players, turn)
        if self.pairing in GRAPHS and self.seats == "player":
            return Neighbours(np.arange(players), np.full(players, -1), meetings, self._payoffs)
        return Pairs.of(meetings.repeated(self.repetitions), self._payoffs)

    def _meetings(self, players: int, turn: Turn) -> Meetings:
        if self.pairing == "halves":
            return halves(players)
        if self.pairing == "round_robin":
            return along(everybody(players, self.self_play))
        seed = int(turn.draw("graph")[0] * 2**32)
        edges = graph_edges(self.pairing, players, self.links, self.rewire, seed)
        # Who sits where is drawn: the first on a scale-free graph would always be the best connected.
        place = np.argsort(turn.draw("place", players), kind="stable")
        return along(place[edges])


def _mean(values: FloatArray) -> float:
    """As numpy's own, in half its time: eight numbers are many in a game."""
    return float(np.add.reduce(values) / len(values))
