"""Episodes that earlier runs have: known by their cell's digest and seed, they are not run again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from simworld import __version__
from simworld.errors import RunError
from simworld.execution._course import Course
from simworld.execution._plan import check, specs_of
from simworld.execution._sources import sources_of
from simworld.execution._spec import EpisodeSpec
from simworld.recording import (
    BLOCKS,
    Environment,
    EpisodeTables,
    Manifest,
    Sheaf,
    Shelf,
    adopt,
    damaged_files,
    is_locked,
    read_episodes,
    read_manifest,
)
from simworld.scenario import Scenario


def reuse(run: Path, specs: Sequence[EpisodeSpec], like: Manifest) -> dict[str, str]:
    """Take over what runs beside this one have of its episodes; returns the name of the run by episode.

    An episode counts if it succeeded, with the same code, the same versions and CPU features: then it would come out
    the same. Of one that asked, the answers are taken over with it.

    Args:
        run: The run directory.
        specs: Episodes that it lacks.
        like: Its manifest.

    Raises:
        RunError: What is taken over cannot be written.
    """
    wanted = {spec.id: spec for spec in specs}
    taken: dict[str, str] = {}
    sheaf = Sheaf(run, {spec.id: spec.number for spec in specs})
    tables: dict[tuple[str, str], EpisodeTables] = {}
    for other, found in _others(run, like):
        shelf = Shelf(other)
        for episode in found:
            spec = wanted.get(episode)
            if spec is None:
                continue
            # A society is built for each cell and not for each episode: only the key differs.
            cell = spec.cell, spec.arm
            if cell not in tables:
                tables[cell] = Course(spec).tables
            if adopt(run, shelf, replace(tables[cell], key=spec.key), sheaf):
                taken[episode] = other.name
                del wanted[episode]
            if len(sheaf) >= max(BLOCKS):
                sheaf.write()
        sheaf.write()
        if not wanted:
            break
    return taken


def known_episodes(scenario: Scenario, out: Path) -> tuple[int, int]:
    """How many episodes a scenario has, and how many of them runs in a folder have already.

    Raises:
        ScenarioError: The scenario does not fit its world.
    """
    check(scenario)
    known, specs = _known(scenario, out), specs_of(scenario, out / "none")
    return len(specs), sum(spec.id in known for spec in specs)


def missing_bases(scenario: Scenario, out: Path) -> set[str]:
    """Episodes that others of a scenario are forks of, and that no run in a folder has.

    Raises:
        ScenarioError: The scenario does not fit its world.
    """
    check(scenario)
    specs = specs_of(scenario, out / "none")
    bases = {spec.base for spec in specs} & {spec.id for spec in specs}
    return bases - _known(scenario, out)


def _known(scenario: Scenario, out: Path) -> set[str]:
    """Episodes that runs in a folder have, and that would come out the same here."""
    like = Manifest("running", scenario.name, "", sources=sources_of(scenario))
    like = replace(like, environment=Environment.here(), simworld=__version__)
    return {episode for _, episodes in _others(out / "none", like) for episode in episodes}


def _others(run: Path, like: Manifest) -> Iterator[tuple[Path, list[str]]]:
    """Runs that may be taken from, the newest first, with the episodes that succeeded there."""
    for other in sorted(run.parent.iterdir(), reverse=True) if run.parent.is_dir() else ():
        try:
            manifest = read_manifest(other)
            if other == run or is_locked(other) or not _alike(manifest, like) or damaged_files(other, manifest):
                continue
            rows = read_episodes(other)
        except RunError:
            continue  # no run, or one that cannot be read: nothing is taken from it
        yield other, [row.episode for row in rows if row.status == "success"]


def _alike(manifest: Manifest, like: Manifest) -> bool:
    """Whether an episode that was run there would come out the same here."""
    same_code = manifest.sources == like.sources and manifest.simworld == like.simworld
    return same_code and manifest.environment.identity == like.environment.identity
