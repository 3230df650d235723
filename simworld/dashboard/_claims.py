"""The table of claims: what was said, what came out, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld.dashboard._render import number

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from simworld_analysis.claims import Verdict

_COLOURS = {"holds": "green", "fails": "red", "undecided": "yellow", "cannot be tested": "red", "post hoc": "dim"}
_COUNTED = {"holds": "hold", "fails": "fail"}


def render_claims(verdicts: Sequence[Verdict], stand_ins: Sequence[str] = ()) -> RenderableType:
    """The verdicts; those on claims that were made afterwards stand below the others."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 1, 1))
    for column in ("claim", "verdict", "estimate, interval", "n"):
        table.add_column(column, justify="right" if column == "n" else "left", no_wrap=column != "claim")
    planned = [v for v in verdicts if v.word != "post hoc"]
    for verdict in [*planned, *(v for v in verdicts if v.word == "post hoc")]:
        word = Text(verdict.word, style=_COLOURS[verdict.word])
        table.add_row(_said(verdict), word, _found(verdict), str(verdict.estimate.n))
    counts: Counter[str] = Counter(v.word for v in verdicts)
    said = ", ".join(f"{counts[word]} {_COUNTED.get(word, word)}" for word in _COLOURS if counts[word])
    parts: list[RenderableType] = [Text(f"claims: {said}", style="italic"), table]
    if stand_ins:
        parts.append(Text(f"{', '.join(stand_ins)} is a stand-in, not a language model", style="yellow"))
    return Group(*parts)


def expected(verdict: Verdict) -> str:
    """Where a claim expects its number, in words."""
    claim = verdict.claim
    if claim.expect.sort == "order":
        return f"{claim.measure}: " + " < ".join(claim.expect.order)
    what = claim.measure if claim.at == "last" else f"{claim.at} {claim.measure}"
    if claim.compare is not None:
        what += f", {claim.compare[0]} - {claim.compare[1]}"
    elif claim.arm is not None:
        what += f", {claim.arm}"
    if claim.relative_to is not None:
        what += f", as a share of {claim.relative_to}"
    where = {"greater": "above 0", "less": "below 0"}.get(claim.expect.sort, str(claim.expect))
    return f"{what}: {where}"


def remarks(verdict: Verdict) -> list[str]:
    """What there is to say about a verdict besides its numbers."""
    said = [verdict.note] if verdict.note else []
    if verdict.word == "undecided" and verdict.more is not None:
        said.append(f"about {verdict.more:,} more episodes would decide it, if the estimate is right")
    if verdict.word == "fails" and verdict.claim.because:
        said.append(f"why: see {verdict.claim.because}")
    return said


def _said(verdict: Verdict) -> Text:
    from rich.text import Text  # noqa: PLC0415

    claim = verdict.claim
    text = Text(claim.name, style="bold")
    says = " ".join([*([claim.says] if claim.says else []), *([f"({claim.source})"] if claim.source else [])])
    if says:
        text.append(f"\n{says}", style="not bold")
    text.append(f"\n{expected(verdict)}", style="not bold cyan")
    for remark in remarks(verdict):
        text.append(f"\n{remark}", style="not bold yellow")
    return text


def _found(verdict: Verdict) -> Text:
    from rich.text import Text  # noqa: PLC0415

    e = verdict.estimate
    if np.isnan(e.value):
        return Text("–")
    if np.isnan(e.low) or np.isnan(e.high):
        return Text(number(e.value))
    found = Text(f"{number(e.value)}\n{number(e.low)} to {number(e.high)}\n")
    return found.append(f"{100 * e.level:.4g} % {e.method}", style="dim")
