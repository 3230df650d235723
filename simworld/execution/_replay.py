"""Replay: re-execute a run from its tape, asking nobody, and compare every link of the hash chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from simworld.errors import RedactedError, RunError
from simworld.execution._aside import own_words_aside
from simworld.execution._course import Course, tape_path
from simworld.execution._plan import specs_of_run
from simworld.execution._sources import changed_sources, import_folder
from simworld.execution._spec import EpisodeSpec
from simworld.kernel import Broker, Silent, Tape, said_by
from simworld.recording import Environment, Link, Manifest, damaged_files, read_links, read_manifest

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class EpisodeReplay:
    """How the replay of one episode compares."""

    episode: str
    arm: str
    seed: int
    moments: int
    """Moments that were compared."""
    difference: str = ""
    """The first moment that differs, in words; empty if all are identical."""
    redacted: str = ""
    """From which moment on it cannot be executed again, in words, as an answer was withdrawn; empty if it can."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How the replay of a run compares."""

    run: Path
    episodes: tuple[EpisodeReplay, ...]
    damaged: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with its sealed files, by their paths."""
    unlike: tuple[str, ...] = ()
    """What here differs from where the run was recorded: versions, CPU, the code beside the scenario."""

    withdrawn: Mapping[str, int] = field(default_factory=dict)
    """Answers that were taken out of the run, by the pseudonym of whoever withdrew."""

    @property
    def same(self) -> bool:
        """Whether every moment that could be executed again is the same, and no table was changed."""
        return not self.damaged and all(not e.difference for e in self.episodes)

    @property
    def identical(self) -> bool:
        """Whether every moment of every episode is the same, and no table was changed."""
        return self.same and not self.redacted

    @property
    def redacted(self) -> bool:
        """Whether some moments cannot be executed again, as answers were withdrawn; all before them may be the same."""
        return any(e.redacted for e in self.episodes)

    def lines(self) -> list[str]:
        """The result in words."""
        moments = sum(e.moments for e in self.episodes)
        plural = "" if len(self.episodes) == 1 else "s"
        if self.identical:
            return [f"identical: {len(self.episodes)} episode{plural}, {moments:,} moments", *self.unlike]
        if self.same:
            whole = sum(not e.redacted for e in self.episodes)
            answers = sum(self.withdrawn.values())
            told = f"redacted: {answers} answer{'' if answers == 1 else 's'} withdrawn by {', '.join(self.withdrawn)}"
            many = f"{whole} of {len(self.episodes)} episode{plural} identical to the end"
            return [f"{told}; {many}, the others up to there ({moments:,} moments)", *self.unlike]
        differing = [e for e in self.episodes if e.difference]
        lines = [f"{e.episode} (arm {e.arm or '-'}, seed {e.seed}): {e.difference}" for e in differing[:_SHOWN]]
        if len(differing) > _SHOWN:
            lines.append(f"and {len(differing) - _SHOWN} more of {len(self.episodes)} episodes")
        return [*lines, *(f"{name}: {what}" for name, what in self.damaged.items()), *self.unlike]

    def as_dict(self) -> dict[str, object]:
        """The result as plain data."""
        return {
            "run": str(self.run),
            "identical": self.identical,
            "redacted": self.redacted,
            "withdrawn": dict(self.withdrawn),
            "damaged": dict(self.damaged),
            "notes": list(self.unlike),
            "episodes": [asdict(e) for e in self.episodes],
        }


def replay_run(
    run: Path, episodes: Sequence[str] = (), advance: Callable[[int, int], None] = lambda _done, _total: None
) -> Replay:
    """Re-execute the finished episodes of a run, or those named.

    Args:
        run: A run directory.
        episodes: Ids of episodes; none means all.
        advance: Told (done, total) after each.

    Raises:
        RunError: Not a run directory, nothing finished in it, or an episode that it does not have.
    """
    manifest = read_manifest(run)
    damaged = damaged_files(run, manifest)
    if any("/chain/" in name or "/episodes/" in name for name in damaged):
        # What would be compared with is not what was recorded.
        return Replay(run, (), damaged)
    recorded = read_links(run)
    specs = [s for s in specs_of_run(run, manifest) if s.id in recorded]
    known = {s.id for s in specs}
    unknown = [e for e in episodes if e not in known]
    if unknown:
        raise RunError(f"{run}: no finished episode {unknown[0]!r}; it has {', '.join(sorted(known)[:5])}, ...")
    if not specs:
        raise RunError(f"{run}: no finished episode to replay")
    chosen = [s for s in specs if not episodes or s.id in episodes]
    results = []
    for done, spec in enumerate(chosen):
        advance(done, len(chosen))
        with own_words_aside():
            results.append(_replay_episode(spec, recorded[spec.id]))
    replay = Replay(run, tuple(results), damaged, withdrawn=manifest.redacted)
    return replace(replay, unlike=tuple(_notes(run, manifest, replay.same)))


def _replay_episode(spec: EpisodeSpec, links: Sequence[Link]) -> EpisodeReplay:
    if not links:
        # It failed before its first moment, or was given up: there is nothing to compare.
        return EpisodeReplay(spec.id, spec.arm, spec.seed, 0)
    course = Course(spec)
    kernel = course.kernel
    checker = _Checker(links)
    kernel.attach(checker, Broker(None, Tape(tape_path(spec.run, spec.id))))
    difference = redacted = ""
    try:
        course.run()
        if checker.number < len(links):
            difference = f"ended after moment {checker.number}; the run has {len(links)}"
    except _Differs as found:
        difference = str(found)
    except RedactedError as error:
        if checker.number < len(links):
            redacted = f"moment {checker.number}, tick {kernel.tick}: {said_by(error)}"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  an episode that failed must fail again, at the same moment
        if checker.number < len(links):
            words = f"{type(error).__name__}: {said_by(error)}"
            difference = f"moment {checker.number}, tick {kernel.tick}: {words}"
    return EpisodeReplay(spec.id, spec.arm, spec.seed, checker.number, difference, redacted)


class _Differs(Exception):  # noqa: N818  a signal within this module, never an error
    """The first moment that is not the same."""


class _Checker(Silent):
    """A recorder that keeps nothing and compares every link."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links
        self.number = 0

    def linked(self, tick: int, priority: int, link: bytes) -> None:
        """Compare a moment."""
        if self.number >= len(self._links):
            raise _Differs(f"tick {tick}: a moment that the run does not have")
        expected = self._links[self.number]
        if expected != (tick, priority, link):
            where = f"first difference at moment {self.number}, tick {expected[0]}"
            raise _Differs(
                where if (expected[0], expected[1]) == (tick, priority) else f"{where} (replay: tick {tick})"
            )
        self.number += 1


def _notes(run: Path, manifest: Manifest, same: bool) -> Iterator[str]:
    """What one should know beside the result."""
    if not manifest.tables:
        yield "note: its tables were not checked, as run.json has no digests: the run did not come to its end"
    if not same:
        changed = changed_sources(manifest, import_folder(run, manifest))
        if changed:
            yield f"note: changed since it was run: {', '.join(changed)}"
        if unlike := _unlike(manifest.environment):
            yield unlike


def _unlike(recorded: Environment) -> str:
    here = Environment.here().identity
    differing = [name for name, value in recorded.identity.items() if value != here[name]]
    if not differing:
        return ""
    return (
        f"note: recorded with another {', '.join(differing)}; identity is promised for the same versions and CPU only"
    )
