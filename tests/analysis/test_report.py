"""The report says what the run says, stands for itself, and is the same every time."""

from __future__ import annotations

import html
import json
import re
import shutil

import pytest

from simworld_analysis import OpenError, open_run
from simworld_analysis.report import render_report, write_report
from simworld_analysis.report._parameters import parameters_of
from simworld_analysis.report._words import number, plain, without_paths
from simworld_analysis.statistics import mean_interval, paired

PLAIN, RICH = (10.0, 12.0, 11.5), (14.0, 15.8, 15.7)
RESOLVED = """
name: village
world: {kind: "village:Village", size: 7}
roles: {walker: [{kind: slow, count: 3}]}
horizon: 2
arms:
  plain: {}
  rich: {roles.walker: [{kind: quick, count: 3, pace: 2.5}]}
"""


def episodes(status="success"):
    names = [f"e{i}" for i in range(6)]
    return {"episode": names, "arm": ["plain"] * 3 + ["rich"] * 3, "seed": [0, 1, 2] * 2, "status": [status] * 6}


def measures():
    rows = [(f"e{i}", tick, last - 1.0 + tick) for i, last in enumerate(PLAIN + RICH) for tick in (0, 1)]
    return dict(zip(("episode", "tick", "wealth"), map(list, zip(*rows, strict=True)), strict=True))


@pytest.fixture
def village(hand):
    """Two arms over three seeds; ``more`` goes to the manifest, tables to the run."""

    def make(more=None, resolved=RESOLVED, **tables):
        said = {"scenario": "village", "seeds": [0, 1, 2], "measures": ["wealth"], "digest": "ab" * 32}
        run = hand(manifest=said | dict(more or {}), **({"episodes": episodes(), "measures": measures()} | tables))
        (run.path / "resolved.yaml").write_text(resolved)
        return run

    return make


def text_of(page):
    """What a page says, without its pictures and style."""
    body = re.sub(r"<svg.*?</svg>|<style.*?</style>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_needs_nothing_besides_itself(village):
    page = render_report(village())
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    assert not re.search(r"<script|<link|<iframe|@import|\bon\w+=|<img", page)
    assert page.count("<svg") == 2  # over time, and at the end
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)


def test_the_numbers_are_those_of_the_analysis(village):
    page = text_of(render_report(village()))
    for values in (PLAIN, RICH):
        e = mean_interval(values)
        assert f"{number(e.value, e.half_width)} {number(e.low, e.half_width)} to" in page
    d = paired(dict(enumerate(RICH)), dict(enumerate(PLAIN)))
    assert f"{number(d.value, d.half_width, sign=True)} {number(d.low, d.half_width)} to" in page
    assert "Differences to plain" in page
    assert "6 of 6 planned episodes succeeded: 2 arms, 3 seeds." in page


def test_the_same_directory_gives_the_same_bytes_wherever_it_lies(village, tmp_path):
    run = village({"source": str(tmp_path), "claims": [{"name": "odd", "measure": "nothing", "expect": "above 1"}]})
    first = render_report(run)
    assert render_report(run) == first
    elsewhere = tmp_path / "elsewhere" / run.path.name
    shutil.copytree(run.path, elsewhere)
    assert render_report(open_run(elsewhere)) == first
    assert str(tmp_path) not in first


def test_names_and_texts_of_others_are_text(village):
    evil = '<script>alert("x")</script>'
    table = episodes() | {"arm": [evil] * 3 + ["$\\alpha {{ 7*7 }}"] * 3}
    faults = {
        "episode": ["e0"],
        "tick": [1],
        "role": [evil],
        "agent": [0],
        "decision": [0],
        "kind": [evil],
        "detail": [evil],
    }
    more = {"scenario": evil, "description": evil, "reason": evil, "models": {evil: [evil]}, "overrides": [evil]}
    page = render_report(village(more, episodes=table, faults=faults, resolved=f"name: '{evil}'"))
    assert "<script" not in page
    assert "{{ 7*7 }}" in page
    assert evil in text_of(page)


def test_claims_stand_first_with_their_verdicts(village):
    claims = [
        {
            "name": "richer",
            "says": "the rich are richer",
            "measure": "wealth",
            "compare": {"rich": "plain"},
            "expect": "greater",
        },
        {"name": "poor", "measure": "wealth", "arm": "rich", "expect": "below 1", "because": "richer"},
        {"name": "lost", "measure": "wealth", "arm": "nobody", "expect": "above 1"},
    ]
    page = render_report(village({"claims": claims}))
    assert page.index('id="claims"') < page.index('id="results"')
    text = text_of(page)
    assert "1 holds, 1 fails, 1 cannot be tested" in text
    assert "The rich are richer." in text
    assert "wealth, rich − plain: above 0" in text
    assert "why: see richer" in text
    assert "there is no arm 'nobody'" in text
    assert page.count("<svg") == 3


def test_a_stand_in_is_called_one_wherever_its_arm_is(village):
    asks = {"episode": ["e3", "e4"], "source": ["stand-in/in-context"] * 2, "fault": [None, "fallback"]}
    claim = {"name": "richer", "measure": "wealth", "compare": {"rich": "plain"}, "expect": "greater"}
    page = render_report(village({"models": {"default": ["stand-in/in-context"]}, "claims": [claim]}, asks=asks))
    body = page[page.index("<main>") :]
    tables = re.findall(r"<table.*?</table>", body, flags=re.DOTALL)
    about_arms = [t for t in tables if re.search(r'<th scope="row">rich\b', t)]
    assert len(about_arms) >= 5
    for table in about_arms:
        assert re.search(r'<th scope="row">rich <span class="tag">stand-in</span>', table)
        assert not re.search(r'<th scope="row">plain <span class="tag">', table)
    assert re.search(r'<table class="claims">.*?<span class="tag">stand-in</span>', body, flags=re.DOTALL)
    assert "not a language model" in text_of(page)


def test_answers_of_a_person_and_of_a_stand_in_are_counted_apart(village):
    asks = {"episode": ["e3", "e3", "e4"], "source": ["web", "stand-in/in-context", "web"], "fault": [None] * 3}
    body = village({"models": {"default": ["stand-in/in-context"]}}, asks=asks)
    assert "<td>web: 2, stand-in/in-context: 1</td>" in render_report(body)
    # Where people alone are asked, the table of costs tells of them, too.
    alone = render_report(village({}, asks={name: column[:1] for name, column in asks.items()}))
    assert '<td>web</td><td class="n">1</td>' in alone


def test_an_arm_changes_the_group_at_its_place_alone():
    groups = [{"kind": "slow", "pace": 1}, {"kind": "slow", "pace": 2}]
    arms = {
        "swap": {"roles.walker.0": {"kind": "quick"}},
        "tune": {"roles.walker.1.pace": 9},
        "all": {"roles.walker.pace": 7},
    }
    found = parameters_of({"roles": {"walker": groups}, "arms": arms})
    told = {name: dict(zip(found.differing, values, strict=True)) for name, values in found.arms}
    assert told["swap"]["walker[0].kind"] == "quick"
    assert ("walker[1].kind", "slow") in found.common
    assert [told["tune"][f"walker[{n}].pace"] for n in (0, 1)] == ["1", "9"]
    assert [told["all"][f"walker[{n}].pace"] for n in (0, 1)] == ["7", "7"]


def test_parameters_and_methods_come_from_the_resolved_scenario(village):
    page = text_of(render_report(village({"description": "Who walks faster"})))
    assert "arm walker.kind walker.pace plain slow rich quick 2.5" in page
    assert "world.size 7" in page
    for element in ("Purpose", "Process overview and scheduling", "Stochasticity", "Submodels"):
        assert element in page
    assert "Who walks faster. It compares 2 arms (plain and rich)" in page
    assert "walker 3 slow (plain); quick (rich)" in page


def test_a_run_without_anything_says_so(hand):
    page = text_of(render_report(hand()))
    for said in (
        "The scenario makes no claims.",
        "No episode has succeeded",
        "No model was asked.",
        "The resolved scenario is not in this directory.",
        "no episode failed",
    ):
        assert said in page


def test_a_run_in_which_nothing_succeeded_shows_what_went_wrong(village):
    error = 'Traceback:\n  File "/home/somebody/secret/minds.py", line 3, in act\nValueError: no way'
    table = episodes("failed") | {"error": [error] * 6}
    claim = {"name": "richer", "measure": "wealth", "compare": {"rich": "plain"}, "expect": "greater"}
    page = render_report(village({"status": "failed", "claims": [claim]}, episodes=table))
    text = text_of(page)
    assert "0 of 6 planned episodes succeeded" in text
    assert "ValueError: no way 6 plain, seed 0" in text
    assert "No episode has succeeded" in text
    assert "…/minds.py" in text
    assert "/home/somebody" not in page


def test_a_killed_run_tells_what_is_missing(village):
    ended = {name: values[:4] for name, values in episodes().items()}
    page = text_of(render_report(village({"status": "running", "episodes": 8, "ended": None}, episodes=ended)))
    assert "interrupted" in page
    assert "8 planned 2 not run 6 started 2 broken off 4 ended 0 failed 4 succeeded" in page


def test_a_sweep_is_compared_at_the_same_parameters(village):
    table = episodes() | {"param.world.size": [7, 7, 9, 7, 7, 9]}
    page = text_of(render_report(village(episodes=table)))
    assert "plain size=7" in page
    assert "Differences to plain" not in page
    assert "rich size=9 1 plain size=9" in page


def test_many_variants_are_all_in_the_tables_and_some_in_the_figures(hand):
    names = [f"e{i}" for i in range(40)]
    table = {"episode": names, "arm": [f"arm{i:02}" for i in range(40)], "seed": [0] * 40, "status": ["success"] * 40}
    page = render_report(hand(episodes=table, measures={"episode": names, "tick": [0] * 40, "wealth": [1.0] * 40}))
    assert "The figures show the first 16 of 40" in text_of(page)
    assert text_of(page).count("arm39") >= 2


def test_networks_where_members_choose_among_few(village, decided, joined):
    rows = [decided([0, 1, 2] * 2, [0] * 3 + [1] * 3, f"e{i}", act_way=["left", "left", "right"] * 2) for i in range(6)]
    page = render_report(village(decisions_walker=joined(*rows)))
    assert "walker: agreement in way" in text_of(page)
    assert "plain 0.333" in text_of(page)
    numbers = [decided([0, 1, 2] * 20, [t for t in range(20) for _ in range(3)], act_pace=[i / 7 for i in range(60)])]
    page = text_of(render_report(village(decisions_walker=joined(*numbers))))
    assert "walker, pace: a continuous number" in page


def test_watched_columns_are_drawn_over_time(village, decided, joined):
    rows = joined(*(decided([0, 1] * 2, [0, 0, 1, 1], f"e{i}", mind_calm=[0.5, 0.1, 0.6, 0.2]) for i in range(6)))
    watch = ["walker.mind.calm", "walker.mind.brave"]
    page = render_report(village({"watch": watch}, decisions_walker=rows))
    assert "of member 0" in page
    assert "of member 1" in page
    assert "walker.mind.brave" in text_of(page)
    assert "It has no numbers that could be drawn." in text_of(page)
    crowd = joined(*(decided(list(range(5)), [0] * 5, f"e{i}", mind_calm=[0.5] * 5) for i in range(6)))
    assert "of the mean over members" in render_report(village({"watch": watch[:1]}, decisions_walker=crowd))


def test_a_measure_that_is_never_emitted_is_no_error(village):
    table = measures()
    page = text_of(render_report(village(measures=table | {"wealth": [float("nan")] * len(table["tick"])})))
    assert "Means over episodes" in page


def test_only_reports_are_replaced(village, tmp_path):
    run, mine = village(), tmp_path / "mine.html"
    assert write_report(run, mine) == mine
    first = mine.read_bytes()
    assert write_report(run, mine).read_bytes() == first
    mine.write_text("<p>notes")
    with pytest.raises(OpenError, match="not a report of simworld"):
        write_report(run, mine)
    assert mine.read_text() == "<p>notes"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("value", "like", "said"),
    [
        (12345.6, None, "12,346"),
        (12345.6, 3456.0, "12,346"),
        (0.85551, 0.0075, "0.8555"),
        (-0.004, 0.3, "0.00"),
        (-3.16e-6, 8e-6, "−3.16 × 10⁻⁶"),
        (1e-12, None, "0"),
        (float("nan"), None, "–"),
        (5e14, None, "500,000,000,000,000"),
    ],
)
def test_numbers_as_people_read_them(value, like, said):
    assert number(value, like) == said


def test_values_and_paths_in_words():
    assert [plain(v) for v in (None, True, 3.0, 12000, 0.5, [1, "a"], {"k": None})] == [
        *("none", "yes", "3", "12,000", "0.5", "[1, a]", "{k: none}"),
    ]
    assert without_paths("in /a/b/c.py: 3 USD/year, 1/max(z, floor)") == "in …/c.py: 3 USD/year, 1/max(z, floor)"


def test_the_manifest_may_lack_what_older_ones_lack(hand):
    run = hand(measures=measures())
    data = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({k: data[k] for k in ("status", "scenario", "schema_version")}))
    assert "6 of 6 planned episodes succeeded" in text_of(render_report(run))


@pytest.mark.parametrize(
    "text",
    ["arms: 3", "arms: [3]", "roles: 3", "roles: {p: {count: 2}}", "horizon: abc", "sweep: 4", "sweep: {grid: 3}"],
)
def test_a_resolved_scenario_of_another_shape_is_one_line(hand, text):
    run = hand(measures=measures())
    (run.path / "resolved.yaml").write_text(f"{text}\n")
    with pytest.raises(OpenError, match=r"resolved.yaml: (arms|roles|horizon|sweep|sweep.grid): not what a run writes"):
        render_report(run)


def test_a_report_touches_no_other_file(hand, tmp_path):
    run = hand(measures=measures())
    beside = tmp_path / ".r.html.new"
    beside.write_text("mine")
    write_report(run, tmp_path / "r.html")
    assert beside.read_text() == "mine"
    (tmp_path / "link.html").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OpenError, match="not a report of simworld"):
        write_report(run, tmp_path / "link.html")
