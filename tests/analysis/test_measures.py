"""Every measure against a value that is worked out by hand."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from simworld_analysis import OpenError, measures
from simworld_analysis.measures import (
    NotApplicableError,
    action_entropy,
    agreement_network,
    answer_faults,
    ask_cost,
    ask_latency,
    cooperation_rate,
    deferral_rate,
    effort,
    elasticity_of_taxable_income,
    entropy_trend,
    exploitability,
    exploitability_of,
    find_measure,
    forgiveness,
    free_energy,
    gap_between,
    gini_of,
    hours_worked,
    long_run_payoff,
    lorenz_of,
    mean_between,
    memory_one,
    network_agreement,
    reciprocity,
    saco,
    ticks_until,
    total_payoff,
    trajectory_quality,
    variance_between,
    welfare,
    what_applies,
)

# -- individuals ---------------------------------------------------------------------------------------------------


def test_effort_is_what_an_agent_does_on_average(hand, decided):
    run = hand(decisions_player=decided([0, 1, 0, 1], [0, 0, 1, 1], act_lift=[1.0, 5.0, 3.0, 6.0]))
    found = effort(run, role="player", action="lift")
    assert found["agent"].tolist() == [0, 1]
    assert found["value"].tolist() == [2.0, 5.5]


def test_a_closing_row_is_no_decision(hand, decided):
    rows = decided([0, 0, 0], [0, 1, 2], act_hours=[30.0, 50.0, math.nan])
    rows["end"] = [None, None, "truncated"]
    assert hours_worked(hand(decisions_worker=rows))["value"].tolist() == [40.0]


def test_action_entropy_counts_bits(hand, decided):
    # One always does the same; one tosses a coin; one uses four actions, half of the time the first.
    agents, acts = [0] * 4 + [1] * 4 + [2] * 8, [0] * 4 + [0, 3, 0, 3] + [0, 0, 0, 0, 1, 1, 2, 3]
    run = hand(decisions_player=decided(agents, range(16), act_move=acts))
    found = action_entropy(run, role="player", action="move", bins=4)
    # -(1/2 log 1/2 + 1/4 log 1/4 + 2/8 log 1/8) = 1/2 + 1/2 + 3/4
    assert found["value"].tolist() == [0.0, 1.0, 1.75]


def test_action_entropy_of_words(hand, decided):
    run = hand(decisions_player=decided([0, 0], [0, 1], act_say=["yes", "no"]))
    assert action_entropy(run, role="player", action="say")["value"].tolist() == [1.0]


def test_entropy_falls_where_a_convention_forms(hand, decided):
    # Four agents: at tick 0 two say each word (1 bit), at tick 1 one dissents, at tick 2 all agree (0 bits).
    words = [*"aabb", *"aaab", *"aaaa"]
    run = hand(decisions_player=decided([0, 1, 2, 3] * 3, [0] * 4 + [1] * 4 + [2] * 4, act_say=words))
    # The slope through three equidistant points is half the difference of the outer ones.
    assert entropy_trend(run, role="player", action="say")["value"].tolist() == pytest.approx([-0.5])


def test_saco_counts_unique_pairs(hand, decided, joined):
    # The first episode covers 3 of its 4 pairs of two states and two actions, the second 1.
    rows = joined(
        decided([0] * 4, range(4), obs_place=[0, 0, 1, 1], act_move=[0, 1, 0, 0]),
        decided([0] * 4, range(4), "e1", obs_place=[1] * 4, act_move=[1] * 4),
    )
    run = hand(decisions_player=rows)
    asked = {"role": "player", "action": "move", "state": "place", "bins": 2}
    assert saco(run, **asked)["value"].tolist() == pytest.approx([1.0, 1 / 3])
    assert saco(run, **asked, reference=4)["value"].tolist() == [0.75, 0.25]


def test_trajectory_quality_normalises_returns(hand, decided, joined):
    rows = joined(
        decided([0, 0, 1], [0, 1, 0], reward=[1.0, 3.0, 8.0]),
        decided([0], [0], "e1", reward=[10.0]),
    )
    # Mean returns 6 and 10, between 2 (at random) and 10 (the best).
    found = trajectory_quality(hand(decisions_player=rows), role="player", worst=2, best=10)
    assert found["value"].tolist() == [0.5, 1.0]


def test_trajectory_quality_wants_two_references(hand, decided):
    run = hand(decisions_player=decided([0], [0], reward=[1.0]))
    with pytest.raises(ValueError, match="best 1 must exceed worst 1"):
        trajectory_quality(run, role="player", worst=1, best=1)


# -- interaction ---------------------------------------------------------------------------------------------------


@pytest.fixture
def duel(hand, decided):
    """Two players meet: ``duel("CDC", "CCD")`` is what each did in every round."""

    def rows(first, second, **more):
        acts = [int(move == "C") for pair in zip(first, second, strict=True) for move in pair]
        n = len(first)
        return hand(
            decisions_player=decided(
                [0, 1] * n, [t for t in range(n) for _ in "12"], act_cooperate=acts, obs_partner=[1, 0] * n, **more
            )
        )

    return rows


def test_cooperation_rate(duel):
    assert cooperation_rate(duel("CDC", "CCC"))["value"].tolist() == pytest.approx([2 / 3, 1.0])


def test_memory_one_of_tit_for_tat(duel):
    #      the second repeats what the first did before
    run = duel("CDDCC", "CCDDC")
    mine = memory_one(run).query("agent == 1").set_index("after")
    # After CC (round 1): C did D... The second sees (own, other): CC -> C, CD -> D, DD -> D, DC -> C.
    assert mine["value"].to_dict() == {"CC": 1.0, "CD": 0.0, "DD": 0.0, "DC": 1.0}
    assert mine["n"].to_dict() == {"CC": 1, "CD": 1, "DC": 1, "DD": 1}


def test_memory_one_says_nothing_of_what_never_occurred(duel):
    mine = memory_one(duel("CCC", "CCC")).query("agent == 0").set_index("after")
    assert mine.loc["CC", "value"] == 1.0
    assert mine.loc["CC", "n"] == 2
    assert mine.loc[["CD", "DC", "DD"], "value"].isna().all()


def test_memory_one_from_what_was_seen(hand, decided):
    """Where the partner's move is an observation, its own record is not needed: so with partners outside the log."""
    rows = decided(
        [0] * 4, range(4), act_cooperate=[1, 0, 1, 1], obs_partner=[7] * 4, obs_theirs=[math.nan, 1.0, 0.0, 1.0]
    )
    found = memory_one(hand(decisions_player=rows), other="theirs").set_index("after")["value"]
    # Rounds 2 to 4: after CC it did D, after DD it did C, after CC it did C.
    assert found["CC"] == 0.5
    assert found["DD"] == 1.0


def test_memory_one_tells_partners_apart(hand, decided):
    """Each pair has its own history, though rounds with others lie between."""
    rows = decided(
        [0, 1, 0, 2, 0, 1, 0, 2],
        [0, 0, 1, 1, 2, 2, 3, 3],
        act_cooperate=[1, 0, 1, 1, 0, 1, 1, 1],
        obs_partner=[1, 0, 2, 0, 1, 0, 2, 0],
    )
    found = memory_one(hand(decisions_player=rows)).query("agent == 0 and n > 0")
    assert found[["partner", "after", "value"]].to_numpy().tolist() == [[1, "CD", 0.0], [2, "CC", 1.0]]


def test_reciprocity_of_tit_for_tat_is_one_and_of_a_saint_zero(duel):
    found = reciprocity(duel("CDDCC", "CCDDC")).set_index("agent")["value"]
    assert found[1] == 1.0
    saint = reciprocity(duel("CDCDC", "CCCCC")).set_index("agent")["value"]
    assert saint[1] == 0.0
    assert math.isnan(saint[0]), "the saint never gave occasion to see what its partner does to a defector"


def test_forgiveness(duel):
    # The second defects in rounds 1, 2 and 3; the first answers D, C, C.
    found = forgiveness(duel("CDCC", "DDDC")).set_index("agent")["value"]
    assert found[0] == pytest.approx(2 / 3)


def test_forgiveness_needs_an_occasion(duel):
    assert math.isnan(forgiveness(duel("CCC", "CCC"))["value"].iloc[0])


ALWAYS_C, ALWAYS_D, TIT_FOR_TAT = np.array([1.0, 1, 1, 1]), np.zeros(4), np.array([1.0, 0, 1, 0])


@pytest.mark.parametrize(
    ("mine", "theirs", "payoff"),
    [(ALWAYS_C, ALWAYS_C, 3.0), (ALWAYS_D, ALWAYS_C, 5.0), (ALWAYS_C, ALWAYS_D, 0.0), (ALWAYS_D, ALWAYS_D, 1.0)],
)
def test_long_run_payoffs_of_the_unconditional(mine, theirs, payoff):
    assert long_run_payoff(mine, theirs, (3, 0, 5, 1)) == pytest.approx(payoff, abs=0.01)


def test_long_run_payoff_of_tit_for_tat_with_slips():
    """Rare slips lead two of them through all four states alike: (3 + 0 + 5 + 1) / 4, known from Molander (1985)."""
    assert long_run_payoff(TIT_FOR_TAT, TIT_FOR_TAT, (3, 0, 5, 1)) == pytest.approx(2.25, abs=1e-9)


def test_exploitability_of_the_classics():
    # Defecting against a saint earns 5 where two saints earn 3; nothing earns more against a defector than it does.
    assert exploitability_of(ALWAYS_C) == pytest.approx(2.0, abs=0.01)
    assert exploitability_of(ALWAYS_D) == pytest.approx(0.0, abs=0.01)
    # Against tit for tat, always cooperating earns 3, where two of them, with slips, earn 2.25.
    assert exploitability_of(TIT_FOR_TAT) == pytest.approx(0.75, abs=0.01)


def test_exploitability_is_that_of_the_strategy_shown(duel):
    found = exploitability(duel("CDCDCDC", "CCCCCCC")).set_index("agent")["value"]
    # Seen after CC and CD only, where it cooperates; one half elsewhere.
    assert found[1] == pytest.approx(exploitability_of(np.array([1.0, 1.0, 0.5, 0.5])), abs=1e-12)


@pytest.fixture
def village(hand, decided):
    """Four people at two ticks; only the last counts."""
    rows = decided(
        [0, 1, 2, 3] * 2, [0] * 4 + [1] * 4, obs_income=[9.0] * 4 + [1.0, 1, 1, 5], obs_utility=[0.0] * 4 + [1, 2, 3, 4]
    )
    return hand(decisions_worker=rows)


def test_gini_of_the_last_tick(village):
    # Sorted 1, 1, 1, 5: sum over pairs of |difference| is 3 * 4 * 2 = 24; 24 / (2 * 4 * 8).
    assert gini_of(village)["value"].tolist() == pytest.approx([24 / 64])


def test_lorenz_of_the_last_tick(village):
    curve = lorenz_of(village)
    assert curve["people"].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert curve["value"].tolist() == pytest.approx([0, 1 / 8, 2 / 8, 3 / 8, 1])


def test_welfare_of_the_last_tick(village):
    # Weights 1, 1, 1, 1/5: (1 + 2 + 3 + 4/5) / (3 + 1/5).
    assert welfare(village)["value"].tolist() == pytest.approx([6.8 / 3.2])
    assert welfare(village, kind="utilitarian_mean")["value"].tolist() == [2.5]
    assert welfare(village, kind="minimum_utility")["value"].tolist() == [1.0]


def test_elasticity_is_found_in_a_reform(hand, decided):
    """Rates rise from 20 % to 40 % for half of the people; incomes follow the net-of-tax rate with elasticity 0.4."""
    edges = [[0.0, 50_000.0]] * 6
    rows = []
    for agent in range(200):
        base = 10_000.0 + 100.0 * agent
        treated = agent % 2 == 0
        rates = [[0.2, 0.5]] * 3 + [[0.4 if treated else 0.2, 0.5]] * 3
        # What is seen at t was earned under the schedule of t - 1.
        kept = [0.8, 0.8, 0.8, 0.8, *([0.6 if treated else 0.8] * 2)]
        rows.append((agent, rates, [base * k**0.4 for k in kept]))
    agents = [a for a, _, _ in rows for _ in range(6)]
    table = decided(
        agents,
        [t for _ in rows for t in range(6)],
        obs_income=[z for _, _, zs in rows for z in zs],
        obs_rates=[r for _, rs, _ in rows for r in rs],
        obs_edges=[e for _ in rows for e in edges],
    )
    run = hand(decisions_worker=table)
    found = elasticity_of_taxable_income(run, reforms=1)
    assert found["value"].tolist() == pytest.approx([0.4])
    assert found["n"].tolist() == [100]
    # One reform is enough only for those who say that it is.
    assert elasticity_of_taxable_income(run)["value"].isna().all()


def test_elasticity_says_nothing_without_reforms(hand, decided):
    table = decided([0] * 4, range(4), obs_income=[1.0, 2, 1, 2], obs_rates=[[0.2]] * 4, obs_edges=[[0.0]] * 4)
    found = elasticity_of_taxable_income(hand(decisions_worker=table))
    assert math.isnan(found["value"].iloc[0])
    assert found["n"].tolist() == [0]


def test_agreement_network_weighs_common_ticks(hand, decided):
    # 0 and 1 agree in 2 of 3 ticks; 2 is there for the last two only, and agrees with 0 in one of them, with 1 in none.
    table = decided([0, 1, 0, 1, 2, 0, 1, 2], [0, 0, 1, 1, 1, 2, 2, 2], act_vote=[1, 1, 0, 0, 1, 1, 0, 1])
    graph = agreement_network(hand(decisions_player=table), "player", "vote")
    weights = {tuple(sorted(pair)): graph.edges[pair]["weight"] for pair in graph.edges}
    assert weights == pytest.approx({(0, 1): 2 / 3, (0, 2): 0.5, (1, 2): 0.0})
    found = network_agreement(hand(decisions_player=table), role="player", action="vote")
    assert found["value"].tolist() == pytest.approx([(2 / 3 + 1 / 2) / 3])


def test_agreement_within_a_tolerance(hand, decided):
    run = hand(decisions_player=decided([0, 1], [0, 0], act_bid=[1.0, 1.4]))
    assert network_agreement(run, role="player", action="bid")["value"].tolist() == [0.0]
    assert network_agreement(run, role="player", action="bid", within=0.5)["value"].tolist() == [1.0]


# -- humans with agents --------------------------------------------------------------------------------------------


@pytest.fixture
def asked(hand, decided):
    """Player 0 asks a model twice for its first decision (the second time in vain), a person for its second."""
    keys = {
        "episode": ["e0"] * 3,
        "role": ["player"] * 3,
        "agent": [0] * 3,
        "decision": [0, 0, 1],
        "ask": [0, 1, 0],
    }
    noted = {
        **{name: [*values, *values, values[0]] for name, values in keys.items()},
        "key": ["seconds"] * 3 + ["usd"] * 3 + ["seconds"],
        "value": [1.5, 2.5, 60.0, 0.25, 0.5, 0.0, 9.0],
    }
    noted["role"][-1], noted["agent"][-1] = "system", -1  # not of an ask of ours
    return hand(
        decisions_player=decided([0, 0, 1, 1], [0, 1, 0, 1], act_bid=[1.0] * 4),
        asks={**keys, "kind": ["model", "model", "person"], "fault": ["mended", "no-answer", None]},
        telemetry=noted,
    )


def test_ask_latency(asked):
    assert ask_latency(asked)["value"].tolist() == [1.5, 2.5, 60.0]
    assert ask_latency(asked, kind="person")["value"].tolist() == [60.0]


def test_ask_cost_is_that_of_models(asked):
    assert ask_cost(asked)["value"].tolist() == [0.25, 0.5]
    with pytest.raises(NotApplicableError, match="nothing was noted of 'prompt_tokens'"):
        ask_cost(asked, of="prompt_tokens")


def test_a_mended_answer_is_the_asked_ones_own(asked):
    assert answer_faults(asked)["value"].tolist() == pytest.approx([1 / 3])
    assert answer_faults(asked, kind="model")["value"].tolist() == [0.5]


def test_deferral_rate_counts_decisions_not_asks(asked):
    assert deferral_rate(asked, role="player")["value"].tolist() == [0.5, 0.0]


# -- what applies --------------------------------------------------------------------------------------------------


def test_every_measure_says_what_it_needs(hand, decided):
    run = hand(decisions_worker=decided([0], [0], act_hours=[40.0]))
    said = what_applies(run).set_index("measure")
    assert set(said.index) == {m.name for m in measures.all_measures()}
    assert said.loc["hours_worked", "applies"]
    assert (
        said.loc["cooperation_rate", "why"]
        == "the run has no table 'decisions.player'; it has decisions.worker, episodes"
    )
    assert said.loc["effort", "why"] == "needs the option 'role'"
    assert said.loc["elasticity_of_taxable_income", "why"].startswith(
        "table 'decisions.worker' has no column 'obs.income'"
    )
    assert (said["meaning"] != "").all()


def test_levels_are_the_order_of_chapters():
    levels = [m.level for m in measures.all_measures()]
    assert levels == sorted(levels, key=["individual", "interaction", "human-agent"].index)


def test_a_measure_that_does_not_apply_says_why(hand, decided):
    run = hand(decisions_player=decided([0], [0], act_lift=[1.0]))
    with pytest.raises(NotApplicableError, match=r"no column 'act.lit'; it has act.lift"):
        effort(run, role="player", action="lit")


def test_a_misspelt_measure_is_pointed_out():
    with pytest.raises(OpenError, match="there is no measure 'cooperaton_rate'; did you mean 'cooperation_rate'"):
        find_measure("cooperaton_rate")


def test_every_measure_has_a_test_here():
    """One measure, one function, one test with a value by hand."""
    names = {m.name for m in measures.all_measures()}
    tests = "".join(inspect.getsource(f) for n, f in globals().items() if n.startswith("test_"))
    assert [name for name in sorted(names) if f"{name}(" not in tests] == []


def test_payoffs_and_means_in_a_stretch_of_time(hand, decided):
    table = decided(
        [0, 1] * 3, [0, 0, 1, 1, 2, 2], reward=[1.0, 10.0, 2.0, 20.0, 4.0, 40.0], act_x=[0.0, 1, 2, 3, 4, 5]
    )
    run = hand(decisions_player=table)
    assert total_payoff(run)["value"].tolist() == [7.0, 70.0]
    assert total_payoff(run, agent=1, since=1, until=2)["value"].tolist() == [20.0]
    assert mean_between(run, "player", "act.x", since=1)["value"].tolist() == [3.0, 4.0]
    assert mean_between(run, "player", "act.x", agent=0, until=2)["value"].tolist() == [1.0]


def test_how_much_a_column_varies_and_when_it_gets_somewhere(hand, decided):
    run = hand(decisions_player=decided([0] * 5, range(5), act_x=[0.0, 0.2, 0.4, 0.9, 0.8]))
    assert variance_between(run, "player", "act.x", until=3)["value"].tolist() == pytest.approx([0.08 / 3])
    assert ticks_until(run, "player", "act.x", 0.85, since=1)["value"].tolist() == [2.0]
    assert ticks_until(run, "player", "act.x", 0.85, since=3)["value"].tolist() == [0.0]
    assert ticks_until(run, "player", "act.x", 0.85, until=3)["value"].tolist() == [3.0]  # never: all of it
    assert ticks_until(run, "player", "act.x", 0.95, until=99)["value"].tolist() == [5.0]  # it ends before
    with pytest.raises(NotApplicableError, match="there are no decisions from tick 9 on"):
        ticks_until(run, "player", "act.x", 0.85, since=9)


def test_by_how_much_a_column_is_greater_where_another_is_true(hand, decided):
    nan = float("nan")
    table = decided(
        [0] * 5 + [1] * 2,
        [*range(5), 0, 1],
        mind_risk=[0.1, 0.5, 0.7, nan, 0.3, 1.0, 2.0],
        act_ask=[0.0, 1, 1, 1, 0, 0, 0],
    )
    found = gap_between(hand(decisions_player=table), "player", "mind.risk", "act.ask")
    assert found["agent"].tolist() == [0]  # the other one never asks
    assert found["value"].tolist() == pytest.approx([0.4])


def test_texts_are_not_added_up(hand, decided):
    run = hand(decisions_player=decided([0] * 2, range(2), mind_thought=["so", "so"]))
    for column in ("mind.thought", "end", "tick"):
        with pytest.raises(NotApplicableError, match=f"column '{column}' of decisions.player has no numbers"):
            mean_between(run, "player", column)


def test_free_energy_weighs_cost_against_payoff(hand, decided):
    nan = float("nan")
    table = decided([0] * 3, range(3), reward=[1.0, 2.0, 3.0], mind_complexity=[nan, nan, 0.5])
    assert free_energy(hand(decisions_player=table), weight=8.0)["value"].tolist() == [2.0]
