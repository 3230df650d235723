"""What passes between agents and those they ask: waiting, cost, faults, deferral."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simworld_analysis._open import Run
from simworld_analysis.measures._base import NotApplicableError, decisions, measure

if TYPE_CHECKING:
    import pandas as pd

_ASK = ["episode", "role", "agent", "decision", "ask"]


@measure("human-agent", "s", {"asks": ("kind",), "telemetry": ("key", "value")})
def ask_latency(run: Run, kind: Literal["model", "person"] | None = None) -> pd.DataFrame:
    """Seconds from a question to its answer.

    Args:
        run: The run.
        kind: Of models or of people only.

    One row for each ask that was answered, with role, agent, decision, ask and kind.
    """
    return _noted(run, "seconds", kind)


@measure("human-agent", "USD", {"asks": ("kind",), "telemetry": ("key", "value")})
def ask_cost(run: Run, of: Literal["usd", "prompt_tokens", "completion_tokens"] = "usd") -> pd.DataFrame:
    """What a question cost: money, as far as prices are known, or tokens.

    One row for each ask that was answered, as in ``ask_latency``.
    """
    return _noted(run, of, "model")


@measure("human-agent", "", {"asks": ("kind", "fault")})
def answer_faults(run: Run, kind: Literal["model", "person"] | None = None) -> pd.DataFrame:
    """Share of questions whose answer was not the asked one's own: a fallback stood in. Mended answers count as own.

    One row for each episode that asked anybody.
    """
    asks = run.table("asks", ["episode", "kind", "fault"])
    asks = asks if kind is None else asks[asks["kind"] == kind]
    own = asks["fault"].isna() | (asks["fault"] == "mended")
    return (~own).groupby(asks["episode"].astype(str)).mean().rename("value").rename_axis("episode").reset_index()


@measure("human-agent", "", {"asks": ("kind", "role"), "decisions.{role}": ("decision",)})
def deferral_rate(run: Run, role: str) -> pd.DataFrame:
    """Share of a role's decisions for which a person was asked.

    One row for each agent of each episode.
    """
    made = decisions(run, role, ["decision"])
    asks = run.table("asks", ["episode", "role", "agent", "decision", "kind"])
    asked = asks[(asks["kind"] == "person") & (asks["role"] == role)]
    keys = ["episode", "agent", "decision"]
    deferred = asked[keys].astype({"episode": str}).drop_duplicates().assign(deferred=True)
    merged = made.merge(deferred, on=keys, how="left")
    rate = merged["deferred"].notna().groupby([merged["episode"], merged["agent"]]).mean()
    return rate.rename("value").reset_index()


def _noted(run: Run, key: str, kind: str | None) -> pd.DataFrame:
    telemetry = run.table("telemetry", [*_ASK, "key", "value"])
    noted = telemetry[(telemetry["key"] == key) & telemetry["ask"].notna()].drop(columns="key")
    if not len(noted):
        raise NotApplicableError(f"nothing was noted of {key!r} for any ask")
    asks = run.table("asks", [*_ASK, "kind"])
    found = _plain(noted).merge(_plain(asks), on=_ASK, how="inner")
    return found if kind is None else found[found["kind"] == kind].reset_index(drop=True)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """With keys of one type, so that two tables can be joined by them."""
    texts, numbers = ["episode", "role"], ["agent", "decision", "ask"]
    frame[texts], frame[numbers] = frame[texts].astype(str), frame[numbers].astype("int64")
    return frame
