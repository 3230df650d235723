"""Group-relative policy optimisation against hand-computed groups and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.spaces import Groups, Grpo, gradient, group_advantages, probabilities


def some(seed, g=5, k=4, d=3):
    draw = np.random.Generator(np.random.Philox(seed))
    allowed = draw.random((g, k)) < 0.8
    allowed[:, 0] = True
    weight = np.where(allowed, draw.random((g, k)), 0.0)
    return Groups(draw.normal(size=(g, k, d)), allowed, draw.normal(size=(g, k)), weight), draw


def test_a_group_by_hand():
    """Two candidates with one cue, 1 and 0; the first earned 1, the second 0; the policy is indifferent."""
    groups = Groups(
        np.array([[[1.0], [0.0]]]), np.ones((1, 2), dtype=bool), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    )
    assert group_advantages(groups.rewards, groups.weight > 0).tolist() == [[0.5, -0.5]]
    found, loss = gradient(np.zeros(1), groups, Grpo(kl=0.0, entropy=0.0), np.zeros(1))
    # L = -(.25 log p1 - .25 log p2); dL/dw = -(.25 (1 - p1) + .25 p1) = -.25 at p1 = .5.
    assert found.tolist() == pytest.approx([-0.25])
    assert loss == pytest.approx(0.0)
    # In units of its standard deviation, .5, the advantage is 1.
    stds, _ = gradient(np.zeros(1), groups, Grpo(advantage="std", kl=0.0, entropy=0.0), np.zeros(1))
    assert stds.tolist() == pytest.approx([-0.5], rel=1e-5)
    # Five advantages of three candidates of which one was not tried.
    assert group_advantages(np.array([[1.0, 0.0, 9.0]]), np.array([[True, True, False]])).tolist() == [[0.5, -0.5, 0.0]]


def test_a_ratio_beyond_its_reach_in_the_good_direction_has_no_gradient():
    groups = Groups(
        np.array([[[1.0], [0.0]]]), np.ones((1, 2), dtype=bool), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    )
    how = Grpo(clip="initial", kl=0.0, entropy=0.0)
    # p1 = .6 is 1.2 times .5, p2 = .4 is .8 times: from there on nothing pulls.
    edge = np.log(0.6 / 0.4)
    inside, _ = gradient(np.array([edge - 0.01]), groups, how, np.zeros(1))
    beyond, _ = gradient(np.array([edge + 0.01]), groups, how, np.zeros(1))
    assert inside[0] < -0.1
    assert beyond.tolist() == [0.0]
    # In the bad direction it is pulled back from however far.
    back, _ = gradient(np.array([-3.0]), groups, how, np.zeros(1))
    assert back[0] < -0.02
    # Against the policy of the last update every update may go on.
    on, _ = gradient(np.array([edge + 0.01]), groups, Grpo(clip="old", kl=0.0, entropy=0.0), np.zeros(1))
    assert on[0] < -0.1


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    clip=st.sampled_from(["none", "old", "initial"]),
    advantage=st.sampled_from(["mean", "std"]),
)
def test_the_gradient_is_that_of_the_loss(seed, clip, advantage):
    groups, draw = some(seed)
    weights, initial, old = (draw.normal(size=3) for _ in range(3))
    how = Grpo(advantage=advantage, clip=clip, kl=0.3, entropy=0.2)
    found, _ = gradient(weights, groups, how, initial, old)
    for place in range(3):
        aside = np.zeros(3)
        aside[place] = 1e-6
        up, down = (gradient(weights + s * aside, groups, how, initial, old)[1] for s in (1.0, -1.0))
        assert (up - down) / 2e-6 == pytest.approx(found[place], abs=2e-4)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), advantage=st.sampled_from(["mean", "std"]))
def test_advantages_of_a_group_add_up_to_nothing_and_equal_ones_are_none(seed, advantage):
    groups, _ = some(seed)
    tried = groups.weight > 0.0
    assert np.allclose(group_advantages(groups.rewards, tried, advantage).sum(axis=1), 0.0)
    equal = np.full_like(groups.rewards, 0.7)
    assert np.allclose(group_advantages(equal, tried, advantage), 0.0)
    silent = Groups(groups.cues, groups.allowed, equal, groups.weight)
    found, _ = gradient(np.ones(3), silent, Grpo(advantage=advantage, kl=0.0, entropy=0.0), np.zeros(3))
    assert np.allclose(found, 0.0)


def test_what_there_is_not_is_never_chosen():
    groups, draw = some(3)
    chances = probabilities(draw.normal(size=3), groups.cues, groups.allowed)
    assert np.array_equal(chances > 0.0, groups.allowed)
    assert np.allclose(chances.sum(axis=1), 1.0)
    with pytest.raises(ContractError, match="a state has no candidate"):
        probabilities(np.zeros(3), groups.cues, np.zeros_like(groups.allowed))


def test_it_finds_the_better_candidate():
    groups, _ = some(9, g=400)
    wanted = np.array([1.0, -0.5, 0.2])
    rewards = (groups.cues @ wanted > 0.4).astype(float)
    weights = np.zeros(3)
    for _ in range(300):
        chances = probabilities(weights, groups.cues, groups.allowed)
        now = Groups(groups.cues, groups.allowed, rewards, chances)
        weights = weights - gradient(weights, now, Grpo(), np.zeros(3))[0]
    first = probabilities(np.zeros(3), groups.cues, groups.allowed)
    last = probabilities(weights, groups.cues, groups.allowed)
    assert (last * rewards).sum(axis=1).mean() > (first * rewards).sum(axis=1).mean() + 0.15
