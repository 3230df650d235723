"""The table of claims: what was said, what came out, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld.dashboard._render import interval, number

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from simworld_analysis.claims import Verdict

_COLOURS = {"holds": "green", "fails": "red", "undecided": "yellow", "cannot be tested": "red", "post hoc": "dim"}


def render_claims(verdicts: Sequence[Verdict], stand_ins: Sequence[str] = ()) -> RenderableType:
    """The verdicts, in the order in which they come."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld_analysis.claims import counted  # noqa: PLC0415  the analysis is imported only to look at a run

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 1, 1))
    for column in ("claim", "verdict", "estimate, interval", "n"):
        table.add_column(column, justify="right" if column == "n" else "left", no_wrap=column != "claim")
    for verdict in verdicts:
        word = Text(verdict.word, style=_COLOURS[verdict.word])
        table.add_row(_said(verdict), word, _found(verdict), str(verdict.estimate.n))
    parts: list[RenderableType] = [Text(f"claims: {counted(verdicts)}", style="italic"), table]
    if stand_ins:
        parts.append(Text(f"{', '.join(stand_ins)} is a stand-in, not a language model", style="yellow"))
    return Group(*parts)


def _said(verdict: Verdict) -> Text:
    from rich.text import Text  # noqa: PLC0415

    from simworld_analysis.claims import expected, remarks  # noqa: PLC0415

    claim = verdict.claim
    text = Text(claim.name, style="bold")
    says = " ".join([*([claim.says] if claim.says else []), *([f"({claim.source})"] if claim.source else [])])
    if says:
        text.append(f"\n{says}", style="not bold")
    text.append(f"\n{expected(claim)}", style="not bold cyan")
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
    found = Text(f"{number(e.value, like=e.half_width)}\n{interval(e)}\n")
    return found.append(f"{100 * e.level:.4g} % {e.method}", style="dim")
