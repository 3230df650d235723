"""SACSoN's way to train: walks are gathered, a model of people is fitted, a policy learns through it by gradients."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from simworld.files import located
from simworld.kernel import Cohort, Field
from simworld.spaces import (
    ActionVector,
    Learner,
    Lesson,
    Network,
    NetworkMind,
    ObservationVector,
    School,
    dense,
)
from simworld_agents.sacson._fitting import Net, fit, with_torch
from simworld_agents.sacson._mind import SACSON, SacsonCosts
from simworld_agents.sacson._objective import TERMS, Objective, States
from simworld_agents.sacson._pednet import STEPS, PedNet, apart
from simworld_agents.sacson._walks import Collect, Notes, Walk, changes_of, drivers, encounters

_BATCH = 256
_SPREAD = -2.0
"""Logarithm of the standard deviation with which a policy is drawn from, where that is asked for."""
_CURVE = 100
"""So many updates, the last, are what is told of."""


class SacsonLearner(Learner):
    """Trains a robot that minds what it does to people, by a learned model of them (SACSoN, Hirose et al. 2023).

    Each iteration gathers walks past robots of many kinds, the policy so far among them; fits the model of people to
    all walks so far; and trains the policy by gradients of the objective, through the robot's motion and the model. The
    policy plans eight ticks and does the first. Of walls it knows nothing. Departures from the paper: positions instead
    of pictures, and walks that are gathered with the policy as it becomes.
    """

    told: ClassVar[tuple[Field, ...]] = (
        Field("people", unit="m", meaning="mean distance of people from where the model of before said (ADE)"),
        Field("constant", unit="m", meaning="the same of constant velocity"),
        Field("navigation", unit="m", meaning="J_nav: mean distance to the aim over eight ticks"),
        Field("contact", unit="m2", meaning="by how much plans come nearer than the clearance, squared"),
        Field("perturbation", unit="m2", meaning="J_cp by the model"),
        Field("personal_space", unit="m2", meaning="J_ps by the model"),
    )
    reads: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        costs: SacsonCosts = SACSON,
        collect: Collect = "varied",
        walks: Annotated[int, Gt(0)] = 300,
        epochs: Annotated[int, Gt(0)] = 20,
        updates: Annotated[int, Ge(0)] = 1500,
        model: str = "",
    ) -> None:
        """How to train.

        Args:
            costs: Weights of perturbation and of personal space, and the reference.
            collect: Who drives while walks are gathered: robots of many kinds, one that minds its goal alone, or one
                that seeks people (the paper's J_int).
            walks: How many episodes are gathered in each iteration.
            epochs: How often the model of people goes through all of them in each iteration.
            updates: Gradient steps of the policy in each iteration, of 256 moments each.
            model: A model of people that is taken as it is, as a file; if it is left out, one is fitted.

        Raises:
            ValueError: There is no such file, or it holds no model.
        """
        self._costs, self._collect, self._walks = costs, collect, walks
        self._epochs, self._updates = epochs, updates
        self._given = PedNet.load(located(model)) if model else None

    def begin(self, school: School) -> None:
        """Begin with a policy of small random weights, and no walks."""
        if set(school.roles) != {"robot"}:
            raise ValueError(f"learners: found {', '.join(school.roles)}; accepted by sacson: robot")
        self._school, self._role = school, school.roles["robot"]
        self._seen, self._does = ObservationVector.of(self._role), ActionVector.of(self._role)
        self._torch = torch = with_torch()
        self._chance = torch.Generator().manual_seed(school.seed)
        widths = (self._seen.width, *school.hidden, STEPS * self._does.amounts)
        self._layers = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
        for layer in self._layers:
            torch.nn.init.orthogonal_(layer.weight, generator=self._chance)
            torch.nn.init.zeros_(layer.bias)
        self._layers[-1].weight.data *= 0.01
        self._optimiser = torch.optim.Adam([p for one in self._layers for p in one.parameters()], lr=1e-3)
        self._people = self._given
        self._gathered: list[Walk] = []
        self._played, self._iterations = 0, 0

    def iterate(self) -> Lesson:
        """Gather, fit, train."""
        steps, walks = self._gather()
        told = self._of_people(walks)
        self._gathered += walks
        if self._given is None:
            moments, future = encounters(self._gathered, to_fit=True)
            if not len(moments):
                raise ValueError("no walk has a person in ten ticks on end: there is nothing to fit a model to")
            # From the beginning each time: going on from the last one sees the oldest walks most often, and overfits.
            self._people = fit(moments, future, self._school.seed, self._epochs)
        told |= self._train()
        self._iterations += 1
        return Lesson(steps, told=told)

    def policies(self) -> Mapping[str, Network]:
        """What it does in the first of the eight ticks."""
        return {"robot": self._network()}

    def _network(self) -> Network:
        amounts = self._does.amounts
        weights = [layer.weight.detach().numpy() for layer in self._layers]
        biases = [layer.bias.detach().numpy() for layer in self._layers]
        weights[-1] = np.concatenate([weights[-1][:amounts], np.zeros_like(weights[-1][:amounts])])
        biases[-1] = np.concatenate([biases[-1][:amounts], np.full(amounts, _SPREAD)])
        layers = dense(weights, biases, self._school.activation)
        return Network(self._seen, self._does, layers, {}, squashed=True)

    def files(self) -> Mapping[str, bytes]:
        """The model of people."""
        if self._people is None:
            return {}
        content = io.BytesIO()
        self._people.write(content)
        return {"people.npz": content.getvalue()}

    def save(self, folder: Path) -> None:
        """All of it."""
        folder.mkdir()
        state = {
            "layers": [layer.state_dict() for layer in self._layers],
            "optimiser": self._optimiser.state_dict(),
            "chance": self._chance.get_state(),
        }
        self._torch.save(state, folder / "policy.pt")
        with (folder / "walks.pickle").open("wb") as file:
            pickle.dump((self._gathered, self._people, self._played, self._iterations), file)

    def restore(self, folder: Path) -> None:
        """All of it."""
        state = self._torch.load(folder / "policy.pt", weights_only=True)
        for layer, own in zip(self._layers, state["layers"], strict=True):
            layer.load_state_dict(own)
        self._optimiser.load_state_dict(state["optimiser"])
        self._chance.set_state(state["chance"])
        with (folder / "walks.pickle").open("rb") as file:
            self._gathered, self._people, self._played, self._iterations = pickle.load(file)

    def _gather(self) -> tuple[int, list[Walk]]:
        """Episodes past robots of many kinds: how many decisions there were, and the walks."""
        trained = bool(self._iterations and self._updates)
        own: Cohort | None = NetworkMind(self._network(), greedy=False) if trained else None
        kinds, steps, walks = drivers(self._collect, own), 0, []
        for number in range(self._played, self._played + self._walks):
            mind, ending = kinds[number % len(kinds)]
            notes = Notes(self._role)
            self._school.play({"robot": mind}, number, notes, changes_of(ending, number, self._school.seed))
            steps += notes.decisions
            walks.append(notes.walk())
        self._played += self._walks
        return steps, walks

    def _of_people(self, walks: list[Walk]) -> dict[str, float]:
        """How near the model of before is to walks that it has not seen."""
        moments, future = encounters(walks)
        if not len(moments):
            return {}
        found = {"constant": float(apart(moments.straight_on(), future).mean())}
        if self._people is not None:
            found["people"] = float(apart(self._people.ahead(moments), future).mean())
        return found

    def _train(self) -> dict[str, float]:
        """Gradient steps of the policy; what the last of them said of the terms of the objective."""
        assert self._people is not None
        if not self._updates:
            return {}
        torch = self._torch
        net = Net(torch, self._chance, self._people)
        for parameter in net.parameters:
            parameter.requires_grad_(False)
        states = States.joined([States.of(walk) for walk in self._gathered])
        if not states.people.shape[1]:
            raise ValueError("there are no people; accepted by sacson: at least one")
        objective = Objective(torch, states, self._role, net, self._costs, self._gathered[0].dt)
        curve: list[dict[str, float]] = []
        for _ in range(self._updates):
            rows = torch.randint(len(states), (_BATCH,), generator=self._chance)
            terms = objective.terms(rows, self._outputs(objective.vector[rows]))
            self._optimiser.zero_grad()
            objective.total(terms).backward()
            self._optimiser.step()
            curve = [*curve[1 - _CURVE :], {name: float(terms[name].detach()) for name in TERMS}]
        return {name: float(np.mean([one[name] for one in curve])) for name in TERMS}

    def _outputs(self, vectors: Any) -> Any:
        """What the policy gives: for each of eight ticks, each amount."""
        act = {"tanh": self._torch.tanh, "relu": self._torch.relu, "linear": lambda x: x}[self._school.activation]
        for layer in self._layers[:-1]:
            vectors = act(layer(vectors))
        return self._layers[-1](vectors)
