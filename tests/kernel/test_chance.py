"""An address, not a sequence, determines a number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ChanceError
from simworld.kernel import Chance

METHODS = ["uniform", "normal", "exponential"]
members = st.sets(st.integers(0, 3000), min_size=1, max_size=40).map(lambda s: np.array(sorted(s)))


@given(st.sampled_from(METHODS), members, st.integers(0, 10**6), st.sampled_from([(), (1,), (3,), (2, 2)]))
def test_a_members_number_does_not_depend_on_who_else_is_there(method, who, tick, width):
    everybody = Chance(5).draw(method, "s", tick, np.arange(3001), width)
    other = Chance(5)
    other.draw("normal", "t", 3, np.arange(7))  # what was drawn before does not matter either
    assert np.array_equal(other.draw(method, "s", tick, who, width), everybody[who])
    alone = [other.draw(method, "s", tick, who[i : i + 1], width)[0] for i in range(len(who))]
    assert np.array_equal(np.array(alone), everybody[who])


def test_seeds_streams_ticks_and_methods_are_independent():
    base = Chance(1).draw("uniform", "a", 0, np.arange(1000))
    for other in (
        Chance(2).draw("uniform", "a", 0, np.arange(1000)),
        Chance(1).draw("uniform", "b", 0, np.arange(1000)),
        Chance(1).draw("uniform", "a", 1, np.arange(1000)),
    ):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.1
        assert not np.intersect1d(base, other).size


@pytest.mark.parametrize(
    ("method", "mean", "sd"), [("uniform", 0.5, 12**-0.5), ("normal", 0, 1), ("exponential", 1, 1)]
)
def test_the_distributions_are_what_they_say(method, mean, sd):
    drawn = Chance(7).draw(method, "s", 0, np.arange(100_000))
    assert drawn.mean() == pytest.approx(mean, abs=5 * sd / 100_000**0.5)
    assert drawn.std() == pytest.approx(sd, rel=0.02)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ChanceError, match="'cauchy' is not one of"):
        Chance(1).draw("cauchy", "s", 0, np.arange(2))
    for members in ([1, 0], [0, 0]):
        with pytest.raises(ChanceError, match="sorted, each once"):
            Chance(0).draw("normal", "s", 0, np.array(members))
    with pytest.raises(ChanceError, match="negative"):
        Chance(1).draw("normal", "s", -1, np.arange(2))


def test_private_generators_have_an_address_too():
    one = Chance(3).rng("order", 4, 5).permutation(20)
    assert np.array_equal(one, Chance(3).rng("order", 4, 5).permutation(20))
    assert not np.array_equal(one, Chance(3).rng("order", 4, 6).permutation(20))


def test_the_chain_tells_any_other_number_in_a_draw_of_many():
    from simworld.kernel._chain import Chain

    members, values = np.arange(3), Chance(1).draw("normal", "x", 0, np.arange(3), (5,))

    def link(drawn):
        chain = Chain(7)
        chain.drew(("x", 0), members, drawn)
        return chain.close(0, 0)

    seen = {link(values)}
    for place in np.ndindex(3, 5):
        for bit in (0, 31, 63):
            other = values.copy()
            other.view(np.uint64)[place] ^= np.uint64(1) << np.uint64(bit)
            seen.add(link(other))
    swapped = values.copy()
    swapped[0, [0, 1]] = swapped[0, [1, 0]]
    seen.add(link(swapped))
    assert len(seen) == 1 + 15 * 3 + 1
