"""The page: facts in, one HTML file out."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simworld_analysis._open import OpenError, Run, open_run
from simworld_analysis._scenario import resolved_scenario
from simworld_analysis.report._claims import Claims, claims_of
from simworld_analysis.report._facts import Happened, happened, money
from simworld_analysis.report._learning import Learning, duration, learning_of
from simworld_analysis.report._methods import Methods, methods_of
from simworld_analysis.report._networks import Networks, networks_of
from simworld_analysis.report._parameters import Parameters, parameters_of
from simworld_analysis.report._results import Picture, Results, claims_picture, results_of
from simworld_analysis.report._trained import Trained, trained_methods, trained_parameters
from simworld_analysis.report._trajectories import Trajectories, trajectories_of
from simworld_analysis.report._words import count, number, plain, without_paths

if TYPE_CHECKING:
    import pandas as pd

_TEMPLATE = "report.html.j2"
_MARK = '<meta name="generator" content="simworld report">'
_HEAD_BYTES = 600


@dataclass(frozen=True, slots=True)
class Reproduce:
    """How to run it again."""

    commands: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    """Of prompts and of code that the scenario brought."""


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page says."""

    run: str
    """Name of its directory."""
    scenario: str
    description: str
    status: str
    reason: str
    summary: str
    tiles: tuple[tuple[str, str], ...]
    """Key numbers: the number, and what it is of."""
    claims: Claims
    claims_picture: Picture | None
    results: Results
    trajectories: Trajectories | None
    networks: Networks
    happened: Happened
    methods: Methods
    stand_in_arms: frozenset[str]
    """Arms in which a stand-in answered."""
    parameters: Parameters
    resolved: str
    codebook: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...]
    reproduce: Reproduce
    learning: Learning | None = None
    """What was learned, if the run is a training: it has no episodes, and none of what is about them is told."""


def write_report(run: Run, path: str | Path) -> Path:
    """Write the report of a run, and say where.

    Raises:
        OpenError: The run cannot be read, or there already is a file that is no report.
        OSError: The file cannot be written.
    """
    path = Path(path)
    if (path.exists() or path.is_symlink()) and not is_report(path):
        raise OpenError(f"{path}: there already is something that is not a report of simworld; it is left as it is")
    text = render_report(run)
    # A name of its own: no file that is there already is touched.
    handle, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(new, 0o644)
        os.replace(new, path)
    finally:
        Path(new).unlink(missing_ok=True)
    return path


def is_report(path: Path) -> bool:
    """Whether a file is a report that was written by ``write_report``."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _MARK.encode() in file.read(_HEAD_BYTES)


def render_report(run: Run) -> str:
    """The report of a run as one HTML page that needs nothing besides itself.

    Works on a run that is still going, was killed, or in which nothing succeeded: the page says so.

    Raises:
        OpenError: The run cannot be read.
    """
    import jinja2  # noqa: PLC0415  importing the analysis must stay cheap

    # By its own name, however it was found: the same directory gives the same page.
    page = page_of(open_run(run.path.resolve()))
    home = str(run.path.resolve())

    def told(value: object) -> object:
        if isinstance(value, str) and not hasattr(value, "__html__"):
            return without_paths(value.replace(home, page.run))
        return value

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simworld_analysis.report", "."),
        autoescape=True,
        finalize=told,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "money": money, "count": count, "duration": duration}
    return environment.get_template(_TEMPLATE).render(page=page)


def page_of(run: Run) -> Page:
    """All that the page of a run says."""
    manifest = run.manifest
    scenario, resolved = resolved_scenario(run)
    done = happened(run, manifest)
    stand_ins = {variant.name: variant.stand_in for variant in done.variants}
    claims = claims_of(run, stand_ins)
    paths = trajectories_of(run, len(done.variants))
    drawn = paths.column if paths else ""
    watched = [name for name in _texts(manifest, "watch") if not drawn or name.partition(".")[2] != drawn]
    codebook = run.codebook()
    codebook["type"] = codebook["type"].map(_type)
    page = Page(
        run=run.path.name,
        scenario=str(manifest.get("scenario") or run.path.name),
        description=str(manifest.get("description") or ""),
        status=run.status,
        reason=str(manifest.get("reason") or ""),
        summary=_summary(manifest, done, claims),
        tiles=tuple(_tiles(manifest, done, claims)),
        claims=claims,
        claims_picture=claims_picture(claims),
        results=results_of(run, _texts(manifest, "measures"), stand_ins, watched),
        trajectories=paths,
        networks=networks_of(run, done.variants),
        happened=done,
        methods=methods_of(run, manifest, scenario, done, codebook),
        stand_in_arms=frozenset(v.name.split(" ")[0] for v in done.variants if v.stand_in),
        parameters=parameters_of(scenario),
        resolved=resolved,
        codebook=tuple(
            (str(table), tuple(rows[["column", "type", "unit", "meaning"]].itertuples(index=False, name=None)))
            for table, rows in codebook.groupby("table", sort=False)
        ),
        reproduce=_reproduce(run, manifest),
    )
    learning = learning_of(run, scenario)
    return page if learning is None else _of_training(page, learning, scenario, run, codebook)


def _of_training(page: Page, learning: Learning, scenario: Mapping[str, Any], run: Run, codebook: pd.DataFrame) -> Page:
    """The page of a training: of the one arm that was trained, with the command that trains again."""
    trained = Trained.of(scenario)
    methods = methods_of(run, run.manifest, trained.scenario, page.happened, codebook)
    return replace(
        page,
        learning=learning,
        summary=learning.summary,
        tiles=learning.tiles,
        methods=trained_methods(methods, trained),
        parameters=trained_parameters(trained),
        reproduce=_reproduce(run, run.manifest, training=True),
    )


def _type(name: str) -> str:
    """An Arrow type in few words."""
    if name.startswith("dictionary<values="):
        return name.removeprefix("dictionary<values=").partition(",")[0]
    return name.replace("fixed_size_list<item: ", "").replace(">[", " × ").replace("]", "")


def _summary(manifest: Mapping[str, Any], done: Happened, claims: Claims) -> str:
    flow, cost = done.flow, done.cost
    arms, seeds = len(done.variants), len(manifest.get("seeds") or ())
    told = f"{flow.succeeded:,} of {count(flow.planned, 'planned episode')} succeeded"
    parts = [count(arms, done.noun)] if arms > 1 else []
    parts += [count(seeds, "seed")] if seeds > 1 else []
    told += f": {', '.join(parts)}" if parts else ""
    told += f". {flow.failed:,} failed" if flow.failed else ". None failed"
    if flow.broken:
        told += f", {_so_many(flow.broken)} {'under way' if flow.going else 'broken off'}"
    told += f", {_so_many(flow.not_run)} not run." if flow.not_run else "."
    faults = sum(fault.times for fault in done.faults)
    told += f" {count(faults, 'fault').capitalize()} of decisions and answers."
    if gone := sum(int(n) for n in (manifest.get("redacted") or {}).values()):
        told += f" {count(gone, 'answer').capitalize()} {'was' if gone == 1 else 'were'} withdrawn afterwards."
    if claims.rows:
        told += f" Of {count(len(claims.rows), 'claim')}, {claims.counted}."
    if cost.stand_ins:
        told += f" Minds asked {', '.join(cost.stand_ins)}: a stand-in, not a language model."
    elif not cost.models:
        told += " No model was asked."
    return told


def _so_many(n: int) -> str:
    return f"{n:,} {'was' if n == 1 else 'were'}"


def _tiles(manifest: Mapping[str, Any], done: Happened, claims: Claims) -> list[tuple[str, str]]:
    flow, cost = done.flow, done.cost
    tiles = [
        (f"{flow.succeeded:,}/{flow.planned:,}", "episodes succeeded"),
        (f"{len(done.variants):,}", f"{done.noun}s"),
    ]
    if manifest.get("seeds"):
        tiles.append((f"{len(manifest['seeds']):,}", "seeds"))
    if claims.rows:
        good = sum(row.word == "holds" for row in claims.rows)
        tiles.append((f"{good}/{len(claims.rows)}", "claims hold"))
    tiles.append((f"{sum(fault.times for fault in done.faults):,}", "faults"))
    others = int(cost.total("asks")) - cost.of_stand_ins
    tiles += [(f"{others:,}", "asks")] if others else []
    tiles += [(f"{cost.of_stand_ins:,}", "asks of a stand-in")] if cost.of_stand_ins else []
    return tiles


def _reproduce(run: Run, manifest: Mapping[str, Any], training: bool = False) -> Reproduce:
    environment = manifest.get("environment") or {}
    name = shlex.quote(run.path.name)
    sets = "".join(f" --set {shlex.quote(str(o))}" for o in manifest.get("overrides") or ())
    seeds = [str(seed) for seed in manifest.get("seeds") or ()]
    told = ", ".join(seeds) if len(seeds) <= 12 else f"{seeds[0]} … {seeds[-1]} ({len(seeds)})"
    facts = {
        "digest of the resolved scenario (SHA-256)": manifest.get("digest"),
        "seeds of the trainings" if training else "seeds": told,
        "simworld": manifest.get("simworld"),
        "Python": environment.get("python"),
        "platform": environment.get("platform"),
        "CPU features": ", ".join(environment.get("cpu") or ()),
        "threads": ", ".join(f"{k}={v}" for k, v in (environment.get("threads") or {}).items()),
        "layout of the tables": manifest.get("schema_version"),
        "started": manifest.get("started"),
        "ended": manifest.get("ended"),
    }
    # A scenario looks for its own code beside itself; of a run, the copy lies one folder further down.
    code = f"PYTHONPATH={name}/sources " if manifest.get("sources") else ""
    digests = {**(manifest.get("sources") or {}), **(manifest.get("prompts") or {})}
    commands: tuple[str, ...] = (
        f"{code}simworld run {name}/scenario.yaml{sets} --new    # the same episodes again",
        f"simworld replay {name}    # re-executes the tape and compares every moment",
    )
    if training:
        commands = (f"{code}simworld train {name}/scenario.yaml{sets} --new    # the same trainings again",)
    return Reproduce(
        commands=commands,
        facts=tuple((key, plain(value)) for key, value in facts.items() if value),
        packages=tuple((str(k), str(v)) for k, v in (environment.get("packages") or {}).items()),
        digests=tuple((str(k), str(v)) for k, v in digests.items()),
    )


def _texts(manifest: Mapping[str, Any], key: str) -> list[str]:
    return [str(text) for text in manifest.get(key) or ()]
