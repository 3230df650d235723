"""A player from the Axelrod library, in a seat of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, cast

from annotated_types import Ge, Le

from simworld.kernel import Action, Agent, Seat, Value
from simworld.worlds.games import payoffs_of
from simworld_agents.axelrod_field._library import Option, library, player

_SEEDS = 2**32
"""The library's generators take seeds below this."""


@dataclass(eq=False)
class AxelrodPlayer(Agent):
    """Plays a strategy of the Axelrod library, such as axelrod:TitForTat; needs simworld[games].

    Each seat has a player of its own, who remembers what both really played, slips included. The library knows
    cooperation and defection only: an action in between is taken for cooperation with that chance, from the seat's
    own chance. Who sits a round out does not decide anew. Strategies that look into their opponent are refused.
    Source: Knight et al. (2016), An Open Framework for the Reproducible Study of the Iterated Prisoner's Dilemma.
    """

    sees = ("own", "other", "rounds")
    does = ("cooperate",)
    family: ClassVar[str] = "strategy"

    strategy: str
    """Name of its class in the library."""
    options: dict[str, Option] = field(default_factory=dict)
    """What the strategy's constructor is given: numbers, texts, true or false."""
    game: Literal["prisoners_dilemma", "stag_hunt", "chicken"] | list[float] = "prisoners_dilemma"
    """What the player is told that it plays: a game by its name, or four payoffs: reward, sucker, temptation,
    punishment. How many rounds there are it is not told."""
    noise: Annotated[float, Ge(0), Le(1)] = 0.0
    """What it is told of the chance that something else is played than what was decided."""

    def __post_init__(self) -> None:
        """Look the strategy up.

        Raises:
            ValueError: The library is not installed, or cannot make such a player.
        """
        self._player: Any = player(self.strategy, self.options, payoffs_of(self.game), self.noise)
        # Strategies look at their opponent's history, so there has to be one.
        self._opponent: Any = library().Player()
        self._rounds = 0
        self._next: float | None = None
        """What it plays until it has played another round; None before it has decided."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a copy's state, and set sequences right.

        The library pickles a sequence as the number of rounds that were played; ours is one decision ahead of that.
        """
        self.__dict__.update(state)
        for each in (self._player, *getattr(self._player, "team", ())):
            if self._next is not None and hasattr(each, "sequence_generator"):
                next(each.sequence_generator)

    def join(self, seat: Seat) -> None:
        """Seed the player's generator from the seat's chance."""
        self._player.set_seed(int(seat.draw("strategy") * _SEEDS))

    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Let the strategy decide, once for every round that is played."""
        own, other, rounds = (cast(float, seen[name]) for name in self.sees)
        # In a public good, one who is alone has a round and no other.
        played = rounds > self._rounds and not math.isnan(other)
        self._rounds = int(rounds)
        if played:
            mine, theirs = _taken(own, "own", seat), _taken(other, "other", seat)
            self._player.update_history(mine, theirs)
            self._opponent.update_history(theirs, mine)
        if played or self._next is None:
            self._next = float(self._player.strategy(self._opponent) == library().Action.C)
        return {"cooperate": self._next}


def _taken(level: float, stream: str, seat: Seat) -> Any:
    """An action of ours as one of the library's: in between, the level is the chance of cooperation."""
    cooperates = level == 1.0 or (level > 0.0 and float(seat.draw(f"taken_{stream}")) < level)
    return library().Action.C if cooperates else library().Action.D
