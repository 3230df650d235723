"""What the page shows of the society: the dashboard's own view of an episode, as plain data."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from simworld.console._rules import Label, Rules
from simworld.dashboard import Bars, EpisodeLabel, Histogram, Lines, Map, Panel, Said, number, read_episode, watched
from simworld.kernel import Json

_LOOK = 1.0
"""Seconds for which what was read of an episode is good: its tables are flushed about as often."""
_MEASURES = 6
_KEPT = 16
"""Episodes of which the last view is kept."""
_DIGITS = 5


class Society:
    """Reads episodes of a run that goes on; safe to use from several threads."""

    def __init__(self, run: Path, rules: Rules) -> None:
        self._run, self._rules = run, rules
        self._seen: dict[str, tuple[float, dict[str, Json] | None]] = {}
        self._lock = threading.Lock()

    def of(self, episode: str) -> dict[str, Json] | None:
        """An episode as it stands; None if there is nothing to see of it, or nobody is to see it."""
        label = self._rules.episodes.get(episode)
        if label is None or not self._rules.society:
            return None
        with self._lock:
            when, seen = self._seen.get(episode, (0.0, None))
            if time.monotonic() - when >= _LOOK or episode not in self._seen:
                # What cannot be read just now stays as it was seen last.
                seen = self._read(episode, label) or seen
                self._seen[episode] = (time.monotonic(), seen)
                if len(self._seen) > _KEPT:
                    del self._seen[min(self._seen, key=lambda name: self._seen[name][0])]
            return seen

    def _read(self, episode: str, label: Label) -> dict[str, Json] | None:
        from simworld_analysis import OpenError, open_run  # noqa: PLC0415  only to look at a run

        try:
            run = open_run(self._run)
            if "measures" not in run.tables:
                return None
            measures = (self._rules.measures or tuple(run.measures))[:_MEASURES]
            which = EpisodeLabel(episode, label.arm, label.seed)
            found = read_episode(run, which, measures, self._rules.watch or watched(run, which))
        except OpenError:
            return None
        if found is None:
            return None
        rows = [
            _row(name.replace("_", " "), values, found.units.get(name, "")) for name, values in found.series.items()
        ]
        return {
            "episode": label.number + 1,
            "tick": found.tick,
            "of": label.horizon,
            "measures": [row for row in rows if row is not None],
            "panels": [_panel(panel) for panel in found.panels],
        }


def _row(name: str, values: Sequence[float], unit: str) -> dict[str, Json] | None:
    if not values:
        return None
    return {"name": name, "last": f"{number(values[-1])} {unit}".strip(), "series": _short(values)}


def _panel(panel: Panel) -> dict[str, Json]:
    title = panel.column
    if isinstance(panel, Lines):
        rows = [_row(who, values, panel.unit) for who, values in panel.series]
        return {"kind": "lines", "title": title, "rows": [row for row in rows if row is not None]}
    if isinstance(panel, Bars):
        top = max([1e-12, *(abs(value) for value in panel.values if math.isfinite(value))])
        bars: list[Json] = [
            {"name": name, "share": round(abs(value) / top, 3), "last": f"{number(value)} {panel.unit}".strip()}
            for name, value in zip(panel.labels, panel.values, strict=True)
            if math.isfinite(value)
        ]
        return {"kind": "bars", "title": title, "rows": bars}
    if isinstance(panel, Histogram):
        low, high = f"{number(panel.low)} {panel.unit}".strip(), f"{number(panel.high)} {panel.unit}".strip()
        return {"kind": "histogram", "title": title, "counts": list(panel.counts), "low": low, "high": high}
    if isinstance(panel, Said):
        return {"kind": "said", "title": title, "rows": [{"name": who, "text": what} for who, what in panel.texts]}
    return _map(panel)


def _map(panel: Map) -> dict[str, Json]:
    return {
        "kind": "map",
        "title": panel.column,
        "low": list(panel.low),
        "high": list(panel.high),
        "lines": [_short(line) for line in panel.backdrop.tolist()],
        "tracks": [
            {
                "name": track.name,
                "now": [_short(place) for place in track.now.tolist()],
                "before": [_short(place) for place in track.trail.tolist()],
            }
            for track in panel.tracks
        ],
    }


def _short(values: Sequence[float]) -> list[float]:
    """Numbers as short as a picture needs them; a place that is none is none."""
    return [float(f"{value:.{_DIGITS}g}") for value in values if math.isfinite(value)]
