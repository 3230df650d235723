"""From a scenario to the episodes of its run, in canonical order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simworld.errors import RunError, ScenarioError
from simworld.execution._build import build_interventions, build_seating
from simworld.execution._probes import build_probes
from simworld.execution._sources import import_folder
from simworld.execution._spec import EpisodeSpec, episode_id
from simworld.files import beside
from simworld.recording import Manifest, parameter_types
from simworld.scenario import Scenario, cells, check_roles, find, load, scenario_digest


def check(scenario: Scenario) -> None:
    """Check what only the built world can tell: roles, seats, and whether the minds fit them.

    Raises:
        ScenarioError: With file, line and key of the block that does not fit.
    """
    with beside(scenario.folder):
        _check_cells(scenario)


def _check_cells(scenario: Scenario) -> None:
    for cell in cells(scenario):
        world = cell.build_world()
        check_roles(cell, world.roles)
        resolved: Any = cell.resolved
        names = [*(f.name for f in world.measures), *resolved.get("probes", {})]
        unknown = set(scenario.model.measures) - set(names)
        if unknown:
            known = ", ".join(names)
            raise ScenarioError(
                f"{scenario.place(('measures',))}: unknown measure {sorted(unknown)[0]!r}; accepted: {known}"
            )
        build_seating(resolved, world, cell.places)
        build_interventions(resolved, world)
        build_probes(resolved, world)


def models_of(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """The models that the scenario's minds ask, by the names that they use, over all cells."""
    found: dict[str, list[str]] = {}
    for cell in scenario.cells:
        models: Any = cell.resolved.get("models", {})
        for name, block in models.items():
            found.setdefault(name, []).append(block["model"])
    return {name: tuple(dict.fromkeys(models)) for name, models in sorted(found.items())}


def prompts_of(scenario: Scenario) -> dict[str, str]:
    """Digests of the texts that the scenario's minds ask with."""
    kinds = {seating.kind for cell in scenario.cells for seating in cell.seatings}
    return {
        f"{kind}.{name}": digest
        for kind in sorted(kinds)
        for name, digest in getattr(find("agent", kind).parameters.cls, "prompts", {}).items()
    }


def specs_of(scenario: Scenario, run: Path, import_from: str | None = None) -> list[EpisodeSpec]:
    """Episodes of a scenario in canonical order: cells in file order, then seeds."""
    found = cells(scenario)
    sweep: Any = [c.overrides for c in found]
    kinds = parameter_types(sweep)
    here = str(scenario.folder) if import_from is None else import_from
    specs: list[EpisodeSpec] = []
    for cell in found:
        resolved: Any = cell.resolved
        parameters: Any = dict(cell.overrides)
        for seed in scenario.seeds:
            base = episode_id(cell.base, seed) if cell.base else ""
            where = (run, len(specs), cell.digest, resolved, seed, cell.arm, parameters, kinds, here)
            spec = EpisodeSpec(*where, base, cell.shared)
            specs.append(spec)
    return specs


def specs_of_run(run: Path, manifest: Manifest, import_from: str = "") -> list[EpisodeSpec]:
    """Episodes of a run directory, from the scenario as it was resolved.

    Args:
        run: The run directory.
        manifest: Its manifest.
        import_from: Where its code is imported from; by default where it was, if it is there.

    Raises:
        RunError: The resolved scenario is missing, or is not the one that was run.
    """
    path, folder = run / "resolved.yaml", import_from or import_folder(run, manifest)
    if (run / "checkpoints").is_dir():
        raise RunError(f"{run} is a training, and has no episodes of its own: simworld show tells of it")
    if not path.exists():
        raise RunError(f"{run}: resolved.yaml is missing")
    try:
        scenario = load(path, import_from=folder)
    except ScenarioError as error:
        raise RunError(f"{error} (the run cannot be built again here)") from error
    if scenario_digest(scenario) != manifest.digest:
        raise RunError(f"{path}: not the scenario that was run (its digest differs from run.json)")
    return specs_of(scenario, run, folder)
