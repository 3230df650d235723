"""Claims in a scenario: what cannot be tested is refused before anything is run, with its place."""

from __future__ import annotations

import pytest
import yaml

from simworld.scenario import resolve_text

TEXT = """\
world: {kind: "@Town"}
roles: {worker: {kind: "@Worker", count: 2, skill: 1}}
horizon: 5
arms:
  old: {}
  new: {world.rate: 0.2}
claims:
  - name: better
    says: The new rate is better
    source: us
    measure: gini
    compare: {new: old}
    paired_by: seed
    expect: less
    alpha: 0.01
  - name: in_the_band
    measure: gini
    arm: new
    relative_to: old
    expect: within [0.45, 0.65]
    because: better
  - name: in_order
    measure: cooperation_rate
    of: {role: worker}
    expect: order [old, new]
"""


def test_claims_are_read_and_kept(scenario, tmp_path):
    loaded = scenario(TEXT)
    assert [c.name for c in loaded.model.claims] == ["better", "in_the_band", "in_order"]
    resolved = yaml.safe_load(resolve_text(loaded))
    assert resolved["claims"] == [
        {k: v for k, v in c.items() if k != "paired_by"} for c in yaml.safe_load(TEXT)["claims"]
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("expect: less", "expect: lower"), ":14:5: claims.0.expect: found 'lower'; accepted: greater, less, within"),
        (("expect: within [0.45, 0.65]", "expect: within [0.65, 0.45]"), "claims.1.expect: found 'within [0.65, 0.45]'"),
        (("order [old, new]", "order [old, newer]"), "claims.2: there is no arm 'newer'; did you mean 'new'? accepted: old, new"),
        (("compare: {new: old}", "compare: {new: bold}"), "x.yaml:8:5: claims.0: there is no arm 'bold'; did you mean 'old'?"),
        (("    compare: {new: old}\n", ""), "claims.0: claim 'better': expect 'less' needs two arms to compare"),
        (("{new: old}", "[new, old]"), "claims.0.compare: found ['new', 'old']; accepted: a mapping"),
        (("name: in_order", "name: better"), "x.yaml:22:5: claims.2.name: found 'better' a second time; accepted: a name of its"),
        (("because: better", "because: bitter"), "claims.1.because: found no claim 'bitter'; did you mean 'better'?"),
        (("paired_by: seed", "paired_by: mood"), "claims.0.paired_by: found 'mood'; accepted: 'seed'"),
        (("alpha: 0.01", "alpha: 5"), "claims.0.alpha: found 5; accepted: a number above 0 and below 1"),
        (("    relative_to: old\n", "    correlated_with: gini\n"), "claims.1: claim 'in_the_band': correlated_with 'gini', the measure"),
        (("    relative_to: old\n", "    correlated_with: [a]\n"), "claims.1.correlated_with: found ['a']; accepted: letters, digits"),
        (("measure: gini\n    arm", "mesure: gini\n    arm"), "claims.1.mesure: unknown key; did you mean 'measure'?"),
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_tested_is_refused(refused, change, message):
    assert TEXT.count(change[0]) == 1
    assert message in refused(TEXT.replace(*change))


def test_a_variant_of_a_sweep_is_named_with_its_values(scenario, refused):
    swept = TEXT.replace("claims:", "sweep: {grid: {world.size: [1, 2]}}\nclaims:")
    assert scenario(swept.replace("arm: new", "arm: new size=1")).model.claims[1].arm == "new size=1"
    assert scenario(swept).model.claims[1].arm == "new"  # all of its values
    assert "there is no arm 'knew size=1'; did you mean 'new'?" in refused(
        swept.replace("arm: new", "arm: knew size=1")
    )
    accepted = "accepted: 'new', or 'new' with one of each of size=['1', '2']"
    for wrong in ("size=3", "sise=1", "size=1 size=2"):
        assert f"no variant 'new {wrong}'; {accepted}" in refused(swept.replace("arm: new", f"arm: new {wrong}"))
    assert "there is no arm 'new size=1'" in refused(TEXT.replace("arm: new", "arm: new size=1"))
