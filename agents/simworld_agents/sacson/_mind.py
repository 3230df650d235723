"""A robot that plans with a learned model of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from simworld.files import located
from simworld_agents.navigator import Costs, Planner
from simworld_agents.sacson._pednet import PedNet


@dataclass(frozen=True)
class SacsonCosts(Costs):
    """What a plan costs where both of the paper's terms for people count, in metres of the way that is left."""

    personal_space: Annotated[float, Ge(0)] = 10.0
    """Weight of J_ps, the mean of max(0, distance kept - surface distance) squared, in m2."""
    perturbation: Annotated[float, Ge(0)] = 50.0
    """Weight of J_cp, the mean squared distance of people from where they would be otherwise, in m2."""


SACSON = SacsonCosts()


class Sacson(Planner):
    """A robot that minds what it does to people by a learned model of them (SACSoN, Hirose et al. 2023).

    The objective is the paper's: the way to the goal, counterfactual perturbation against a robot that stands, and
    personal space. It is minimised by trying moves, and not by a policy that was trained through the model, as in the
    paper.
    """

    reads: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: str,
        costs: SacsonCosts = SACSON,
        horizon: Annotated[float, Gt(0)] = 2.0,
        clearance: Annotated[float, Ge(0)] = 0.1,
    ) -> None:
        """A planner with a learned model.

        Args:
            model: File of the model, as ``simworld train`` leaves it (``RUN/learned/people-seed-000.npz``), relative
                to the scenario or to where simworld is run.
            costs: Weights of perturbation and of personal space. The paper's are of other units; sweep them.
            horizon: For how long a move is held in thought, in s.
            clearance: No plan may come nearer to anybody, in m between surfaces, unless all do.

        Raises:
            ValueError: There is no such file, or it holds no model.
        """
        super().__init__(costs, horizon=horizon, clearance=clearance)
        self._predictor = PedNet.load(located(model))
