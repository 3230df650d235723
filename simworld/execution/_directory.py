"""Run directories: the one of an earlier command that is the same, or a new one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from simworld import __version__
from simworld.errors import RunError
from simworld.execution._sources import keep_sources
from simworld.recording import Environment, FoundRun, Manifest, create_run, find_run
from simworld.scenario import Scenario, resolve_text
from simworld.threads import VARIABLES


def earlier_runs(out: Path, digest: str, sources: Mapping[str, str]) -> tuple[FoundRun | None, FoundRun | None]:
    """The newest finished run of a digest, and the newest that is not; other code beside it makes another run."""
    found = [one for one in reversed(find_run(out, digest)) if one.sources == sources]
    return next((one for one in found if one.finished), None), next((one for one in found if not one.finished), None)


def begun(scenario: Scenario, name: str, digest: str, sources: Mapping[str, str]) -> Manifest:
    """What the manifest of any run of a scenario says when it begins."""
    return Manifest(
        status="running",
        scenario=name,
        digest=digest,
        started=now(),
        description=scenario.model.description,
        source=str(scenario.folder),
        sources=sources,
        overrides=scenario.overrides,
        environment=Environment.here(dict.fromkeys(VARIABLES, 1)),
        simworld=__version__,
    )


def make_run(out: Path, scenario: Scenario, manifest: Manifest) -> Path:
    """A new run directory, with the scenario as written and as resolved, its code, and its manifest.

    Raises:
        RunError: It cannot be written.
    """
    run = create_run(out, manifest.scenario, manifest.digest, datetime.now(UTC))
    try:
        (run / "scenario.yaml").write_text(scenario.text, encoding="utf-8")
        (run / "resolved.yaml").write_text(resolve_text(scenario), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {run}: {error.strerror or error}") from error
    keep_sources(scenario, manifest.sources, run)
    manifest.write(run)
    return run


def now() -> str:
    """The time, as manifests write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
