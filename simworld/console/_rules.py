"""What a run's scenario says of its page: what people agree to, and whether they see the society."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simworld.errors import RunError, UserError
from simworld.execution import specs_of_run
from simworld.recording import read_manifest

FACTS = tuple(
    """\
Recorded are: each answer, the reason if you write one, how long it took, and a pseudonym (p-001, p-002, ...) that is \
made up for you. They lie in the folder of this run, on the machine that runs it, and go into its tables.
Not recorded are: your name, your network address, your browser. This page loads nothing from anywhere else and sends \
nothing anywhere else. One cookie makes it know you again, so that you can withdraw.
You may stop at any time. You may withdraw, now or later: your answers, your reasons and what was decided by them are \
then taken out of the run, which says that they were. What others had seen of them and done because of them stays in \
their own rows, and so do copies that somebody made of the tables before.""".splitlines()
)
"""What everybody agrees to, whatever the scenario adds."""


@dataclass(frozen=True, slots=True)
class Label:
    """An episode. People are told its number alone: the name of its arm may tell what is tried on them."""

    number: int
    arm: str
    seed: int
    horizon: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a run's page."""

    scenario: str
    description: str
    consent: tuple[str, ...]
    """The scenario's own text, paragraph by paragraph; none if it has none."""
    society: bool
    """Whether people see the society."""
    measures: tuple[str, ...]
    watch: tuple[str, ...]
    episodes: Mapping[str, Label]
    numbers: tuple[str, ...]
    """Ids of the episodes by their number."""

    @staticmethod
    def of(run: Path) -> Rules:
        """Those of a run.

        Raises:
            RunError: Not a run, or nobody is asked at a page in it.
        """
        manifest = read_manifest(run)
        specs = specs_of_run(run, manifest)
        blocks: list[Mapping[str, Any]] = [b for spec in specs for b in _people(spec.resolved) if b["kind"] == "web"]
        if not blocks:
            raise RunError(f"{run}: nobody is asked at a page; that needs 'people: {{default: {{kind: web}}}}'")
        texts = dict.fromkeys(str(block["consent"]).strip() for block in blocks)
        return Rules(
            manifest.scenario,
            manifest.description,
            tuple(part.strip() for text in texts for part in text.split("\n\n") if part.strip()),
            all(block["society"] for block in blocks),
            manifest.measures,
            manifest.watch,
            {spec.id: Label(spec.number, spec.arm, spec.seed, spec.horizon) for spec in specs},
            tuple(spec.id for spec in specs),
        )

    @property
    def agreement(self) -> str:
        """All that people agree to, as one text."""
        return "\n\n".join([self.description, *self.consent, *FACTS])


def _people(resolved: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(resolved.get("people", {}).values())


def asks_people(run: Path) -> bool:
    """Whether people are asked at a page in a run, as far as that can be told."""
    try:
        Rules.of(run)
    except UserError:
        return False
    return True
