"""The recorder of one episode: takes what the kernel tells, and leaves sealed tables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa

from simworld.errors import RunError
from simworld.kernel import MENDED, Acts, Answer, Array, Ask, Members, answer_digest
from simworld.recording._encoding import Born, Encoder, Links, Row, leaves
from simworld.recording._kept import LEFTOVERS, SEALED, Growing, Kept, first_batches, remove, set_aside
from simworld.recording._ledger import Columns, Ledger
from simworld.recording._schema import EpisodeTables
from simworld.recording._sealed import Source, batch_rows
from simworld.recording._sealing import is_finished, table_dir
from simworld.recording._sheaf import Sheaf
from simworld.recording._writer import Stream, Writer

_FLUSH_ROWS = 100_000
_MANY_SAMPLES = 10_000
_LASTING = ("_returns", "_born", "_streamed", "_left", "_moment", "_chain", "decisions", "faults")
"""What makes a recorder's state when all that is complete has been handed over."""
_SLOW_SECONDS = 0.1
"""After a moment that took this long, rows are handed over at once: the next one may take as long again."""


class EpisodeRecorder:
    """Records one episode of a run; implements the kernel's ``Recorder``.

    Rows are handed to a writer thread by number and about once a second, so that a watcher can follow and a crash
    loses little; ``finish`` seals them. An episode that is over before the first flush never touches a stream; given a
    sheaf, it is left there.
    What an earlier attempt at the episode left behind is removed, unless it was kept: then it goes on from there.

    Raises:
        ContractError: The declaration holds what cannot be a column.
        RunError: The episode is already recorded in this run, or the directory is gone or cannot be written.
        SnapshotError: The streams do not hold any more what they held when the recorder was kept.
    """

    def __init__(
        self,
        run: Path,
        tables: EpisodeTables,
        flush_rows: int = _FLUSH_ROWS,
        flush_seconds: float = 1.0,
        kept: Kept | None = None,
        sheaf: Sheaf | None = None,
    ) -> None:
        self._run, self._tables, self.episode = Path(run), tables, tables.key.episode
        self._sheaf = sheaf
        schemas = tables.schemas()
        _remove_leftovers(self._run, schemas, self.episode, LEFTOVERS if kept is None else SEALED)
        self._encoders = {name: Encoder(s, self.episode, tables.tick_length) for name, s in schemas.items()}
        self._streams = {n: Stream(table_dir(self._run, n) / f"{self.episode}.arrows", s) for n, s in schemas.items()}
        self._growing = {name: Growing(stream.path) for name, stream in self._streams.items()}
        self._old: list[Path] = []
        """Streams of an earlier process, until there is something newer to go on from."""
        self._rows: dict[str, list[Row]] = {n: [] for n in ("measures", "asks", "faults", "telemetry")}
        self._links = Links()
        self._ledgers: dict[str, Ledger] = {}
        for table in tables.roles:
            if table.every:
                name = table.role.name
                unit = batch_rows(schemas[f"decisions.{name}"])
                # Somewhat more than a unit: the rows beyond it are carried over.
                limit = max(1, min(flush_rows, unit + unit // 4))
                self._ledgers[name] = Ledger(table, limit, partial(self._hand_over, name), unit)
        self._returns = {t.role.name: 0.0 for t in tables.roles}
        self._born: list[Born] = []
        self._streamed = 0
        """How many of them are in the stream."""
        self._left: dict[tuple[str, int], int] = {}
        self._moment = 0
        self._chain = b""
        self.decisions = 0
        """Decisions that were made, recorded or not."""
        self.faults = 0
        """Decisions that were not the mind's own, or were discarded; a mended answer is flagged, but its mind's own."""
        self._writer: Writer | None = None
        self._flush_rows, self._flush_seconds = flush_rows, flush_seconds
        self._flushed = self._linked = time.monotonic()
        if kept is not None:
            self._take_up(kept)

    # -- what the kernel tells -------------------------------------------------------------------------------------

    def joined(self, role: str, tick: int, members: Members, groups: Members, traits: Mapping[str, Array]) -> None:
        """Members took their seats."""
        copies = {name: array.copy() for name, array in traits.items()}
        self._born.append(Born(role, tick, members.copy(), groups.copy(), copies))
        ledger = self._ledgers.get(role)
        if ledger is not None:
            ledger.joined(members, groups)

    def left(self, role: str, tick: int, members: Members) -> None:
        """Members left for good."""
        for member in members.tolist():
            self._left[role, member] = tick

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Members decided."""
        self.decisions += len(acts.members)
        ledger = self._ledgers.get(role)
        if ledger is not None:
            ledger.decided(tick, acts)

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Rewards, for the members' latest decisions or those named."""
        self._returns[role] += float(amounts.sum()) if len(amounts) != 1 else amounts.item()
        ledger = self._ledgers.get(role)
        if ledger is not None:
            ledger.rewarded(members, amounts, decisions)

    def closed(self, role: str, tick: int, members: Members, seen: Mapping[str, Array], end: str) -> None:
        """Members' records end."""
        ledger = self._ledgers.get(role)
        if ledger is not None:
            ledger.closed(tick, members, seen, end)

    def sampled(self, tick: int, values: Mapping[str, float]) -> None:
        """The world emitted measures."""
        row = [float(values[f.name]) if f.name in values else None for f in self._tables.measures]
        rows = self._rows["measures"]
        rows.append((tick, tick * self._tables.tick_length, *row))
        if len(rows) >= _MANY_SAMPLES:
            # A world of callback entries alone has no moments after which rows are handed over.
            self._flush()

    def asked(self, tick: int, ask: Ask, answer: Answer | None, since: int) -> None:
        """A decision used an answer, or was discarded before it came."""
        role, member, decision, number = ask.key
        digest = None if answer is None else answer_digest(answer)
        source, fault = (None, None) if answer is None else (answer.source or None, answer.fault or None)
        self._rows["asks"].append(
            (role, member, decision, number, ask.kind, since, tick, ask.after, ask.digest, digest, source, fault)
        )
        if answer is not None:
            for key, value in leaves("", answer.telemetry):
                self.telemetry(key, value, role, member, decision, number)

    def faulted(self, tick: int, role: str, member: int, decision: int, fault: tuple[str, str]) -> None:
        """A decision was flagged or discarded."""
        self.faults += fault[0] != MENDED
        self._rows["faults"].append((tick, role, member, decision, *fault))

    def linked(self, tick: int, priority: int, link: bytes) -> None:
        """A moment is over."""
        self._links.add(tick, priority, link)
        self._moment += 1
        self._chain = link
        now = time.monotonic()
        if (
            now - self._flushed >= self._flush_seconds
            or now - self._linked >= min(_SLOW_SECONDS, self._flush_seconds)
            or self._moment % self._flush_rows == 0
        ):
            self._flush()
            self._flushed = now
        self._linked = now

    def hand_over(self) -> None:
        """The simulation waits for an answer: whoever looks on sees how things stand. Raises RunError."""
        self._flush()

    # -- what the run tells ----------------------------------------------------------------------------------------

    def telemetry(
        self,
        key: str,
        value: float | str | None,
        role: str | None = None,
        agent: int | None = None,
        decision: int | None = None,
        ask: int | None = None,
    ) -> None:
        """Note what scenario and tape do not determine: wall time, money, attempts, hosts."""
        number, text = (None, value) if isinstance(value, str) else (value, None)
        number = None if number is None else float(number)
        self._rows["telemetry"].append((role, agent, decision, ask, key, number, text))

    def kept(self) -> Kept:
        """What it takes to go on from here in another process; all that is complete is safe in the streams then.

        What this recorder itself went on from stays there until ``forget``.

        Raises:
            RunError: Something could not be written.
        """
        self._flush()
        if self._writer is None:
            self._writer = Writer(self._streams)
        self._writer.settle()
        try:
            held = {name: self._growing[name].prefix(stream.batches) for name, stream in self._streams.items()}
        except OSError as error:
            raise RunError(f"cannot record: {error}") from error
        return Kept(
            held,
            {name: encoder.kept for name, encoder in self._encoders.items()},
            {role: ledger.kept() for role, ledger in self._ledgers.items()},
            {name: getattr(self, name) for name in _LASTING},
        )

    def forget(self) -> None:
        """Remove the streams of an earlier process: what was kept last is on disk, or nobody goes on from them.

        Raises:
            RunError: They cannot be removed.
        """
        try:
            for path in self._old:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot record: {error}") from error
        self._old = []

    def finish(self, status: Literal["success", "failed"], moments: int, ticks: int, error: str | None = None) -> None:
        """Complete the tables and seal them.

        Args:
            status: How the episode ended.
            moments: Moments that were stepped through (``Kernel.moments``).
            ticks: Tick at which it ended (``Kernel.tick``).
            error: What a failed episode failed of, in one line.

        Raises:
            RunError: Something could not be written.
        """
        # The row in `episodes` is the last: it says that all the others are complete.
        self._seal(self._episode_row(status, moments, ticks, error))

    def interrupt(self) -> None:
        """Seal what was recorded of an episode that is not finished: readable, and replaced when it is done again."""
        self._seal(None)

    def _seal(self, ending: pa.RecordBatch | None) -> None:
        if self._writer is None and self._sheaf is not None and ending is not None:
            self._sheaf.add(self.episode, {name: self._in_memory(name, ending) for name in self._streams})
            return
        if self._writer is not None:
            self._flush(everything=True)
            self._writer.close()
        for name, stream in self._streams.items():
            if name == "agents":
                self._seal_kept(stream, [self._agents()])
            elif name == "episodes":
                self.forget()
                if ending is None:
                    stream.path.unlink(missing_ok=True)
                else:
                    self._seal_kept(stream, [ending])
            elif stream.rows:
                stream.seal(self.episode)
            else:
                self._seal_kept(stream, self._kept(name))

    def abandon(self) -> None:
        """Stop without sealing: what is complete stays readable in the streams; the episode can be done again."""
        # Whoever abandons an episode has an error of his own to report.
        with contextlib.suppress(RunError):
            self._flush()
        with contextlib.suppress(RunError):
            if self._writer is not None:
                self._writer.close()
        for stream in self._streams.values():
            stream.give_up()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _take_up(self, kept: Kept) -> None:
        """Copy what the streams held when it was kept, and go on with what was open then."""
        old = set_aside({name: stream.path for name, stream in self._streams.items()}, kept)
        self._writer = Writer(self._streams)
        for name, path in old.items():
            for batch in first_batches(path, kept.streams[name].batches):
                self._writer.put(name, partial(_same, batch))
        self._writer.settle()
        self._old = list(old.values())
        for name, encoder in self._encoders.items():
            encoder.take_up(kept.encoders[name])
        for role, ledger in self._ledgers.items():
            ledger.take_up(kept.ledgers[role])
        for name in _LASTING:
            setattr(self, name, kept.own[name])
        self._links = Links(self._moment)

    def _flush(self, everything: bool = False) -> None:
        """Hand over all that is complete."""
        for role, ledger in self._ledgers.items():
            taken = ledger.take(everything)
            if taken is not None:
                self._hand_over(role, taken)
        for name, rows in self._rows.items():
            if rows:
                self._rows[name] = []
                self._put(name, partial(self._encoders[name].rows, rows))
        if len(self._links):
            self._put("chain", partial(self._encoders["chain"].chain, self._links))
            self._links = Links(self._moment)
        if self._streamed < len(self._born):
            # Who left later is known only in the sealed table.
            new = self._born[self._streamed :]
            self._streamed = len(self._born)
            self._put("agents", partial(self._encoders["agents"].agents, new, self._tables.roles, {}))

    def _hand_over(self, role: str, rows: Columns) -> None:
        name = f"decisions.{role}"
        self._put(name, partial(self._encoders[name].decisions, rows, self._ledgers[role].faults.values()))

    def _put(self, name: str, make: Callable[[], pa.RecordBatch]) -> None:
        if self._writer is None:
            self._writer = Writer(self._streams)
        self._writer.put(name, make)

    def _kept(self, name: str) -> list[pa.RecordBatch]:
        """What an episode without streams still holds of a table."""
        if name in self._rows:
            return [self._encoders[name].rows(self._rows[name])] if self._rows[name] else []
        if name == "chain":
            return [self._encoders[name].chain(self._links)]
        role = name.removeprefix("decisions.")
        ledger = self._ledgers.get(role)
        taken = None if ledger is None else ledger.take(everything=True)
        return (
            [] if ledger is None or taken is None else [self._encoders[name].decisions(taken, ledger.faults.values())]
        )

    def _in_memory(self, name: str, ending: pa.RecordBatch) -> Source:
        """A whole table of an episode that never touched the disk."""
        whole = {"agents": lambda: [self._agents()], "episodes": lambda: [ending]}
        batches = whole[name]() if name in whole else self._kept(name)
        stream = Stream(self._streams[name].path, self._streams[name].schema)
        for batch in batches:
            stream.add(batch)
        return stream.source(self.episode, batches)

    def _seal_kept(self, stream: Stream, batches: list[pa.RecordBatch]) -> None:
        fresh = Stream(stream.path, stream.schema)
        for batch in batches:
            fresh.add(batch)
        fresh.seal(self.episode, batches)

    def _agents(self) -> pa.RecordBatch:
        order = [t.role.name for t in self._tables.roles]
        born = sorted(self._born, key=lambda b: order.index(b.role))
        return self._encoders["agents"].agents(born, self._tables.roles, self._left)

    def _episode_row(self, status: str, moments: int, ticks: int, error: str | None) -> pa.RecordBatch:
        key = self._tables.key
        schema = self._encoders["episodes"].schema
        given = [
            str(v) if pa.types.is_string(schema.field(f"param.{k}").type) and v is not None else v
            for k, v in key.parameters.items()
        ]
        row = (
            key.cell,
            key.arm,
            key.seed,
            status,
            moments,
            ticks,
            self._chain.hex(),
            self.decisions,
            self.faults,
            *self._returns.values(),
            *given,
            error,
        )
        return self._encoders["episodes"].rows([row])


def _same(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _remove_leftovers(run: Path, tables: Iterable[str], episode: str, endings: Iterable[str]) -> None:
    """Remove what a crashed attempt left behind. Raises RunError if the episode is complete, or cannot be written."""
    if is_finished(run, episode):
        raise RunError(f"{run}: episode {episode!r} is already recorded")
    for name in tables:
        folder = table_dir(run, name)
        try:
            folder.parent.mkdir(exist_ok=True)  # never the run: somebody may have removed it
            folder.mkdir(exist_ok=True)
            remove(folder, episode, endings)
        except OSError as error:
            raise RunError(f"cannot record in {folder}: {error}") from error
