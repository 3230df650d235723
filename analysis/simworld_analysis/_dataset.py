"""One table over many runs, read batch by batch: every row says which run, arm, seed and cell it comes from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from simworld_analysis._files import common, fitted
from simworld_analysis._open import OpenError, Run

if TYPE_CHECKING:
    import pandas as pd

_TEXT = pa.dictionary(pa.int32(), pa.string())
_LABELS = {
    "run": (_TEXT, "name of the run's directory"),
    "arm": (_TEXT, "arm of the scenario; null until the episode is over"),
    "seed": (pa.int64(), "seed of the episode, which arms share"),
}


_PANDAS = {"std": "stddev", "var": "variance", "nunique": "count_distinct"}
"""What pandas calls them, and what pyarrow does."""


class Dataset:
    """A table of one or more runs. Nothing is read before it is asked for, and then only these columns.

    Before the table's own columns stand ``run`` (name of its directory), ``arm``, ``seed`` and the parameters of the
    sweep, ``param.*``. They are null for an episode that is not over yet, and where a run has no such parameter.
    """

    def __init__(self, runs: Sequence[Run], name: str, columns: Sequence[str] | None = None) -> None:
        """Choose what to read.

        Args:
            runs: The runs.
            name: The table; runs that have nothing of it are passed over.
            columns: Which of its own columns; all by default.

        Raises:
            OpenError: No run has such a table, or such a column.
        """
        self.name = name
        self._runs = [run for run in runs if run.has(name)]
        if not self._runs:
            known = ", ".join(sorted({table for run in runs for table in run.tables})) or "none"
            raise OpenError(f"no run has rows of a table {name!r}; they have {known}")
        own = common([run.schema(name) for run in self._runs])
        missing = [c for c in columns or () if own.get_field_index(c) < 0 and c not in _LABELS]
        if missing:
            raise OpenError(f"table {name!r} has no column {missing[0]!r}; it has {', '.join(own.names)}")
        kept = [own.field(c) for c in columns if own.get_field_index(c) >= 0] if columns is not None else list(own)
        self._lead = [f for f in self._lead_fields() if f.name not in {k.name for k in kept}]
        self.schema: pa.Schema = pa.schema([*self._lead, *kept])
        self._kept = [f.name for f in kept]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batch by batch, for what does not fit into memory; every batch has this dataset's schema.

        Raises:
            OpenError: A file is damaged.
        """
        for run in self._runs:
            names = set(run.schema(self.name).names)
            known = _episodes(run, [f.name for f in self._lead])
            wanted = list(dict.fromkeys(["episode", *(c for c in self._kept if c in names)]))
            for batch in run.batches(self.name, wanted):
                yield self._labelled(batch, run, known)

    def arrow(self) -> pa.Table:
        """All of it as one pyarrow table."""
        return pa.Table.from_batches(list(self.batches()), self.schema).unify_dictionaries()

    def pandas(self) -> pd.DataFrame:
        """All of it as a pandas frame; texts are categories."""
        frame: pd.DataFrame = self.arrow().to_pandas()
        return frame

    def group(self, by: str | Sequence[str], **results: tuple[str, str]) -> pd.DataFrame:
        """Rows grouped and summed up while they are read, so that memory does not grow with them.

        Args:
            by: Columns that make a group, of the table or before it.
            **results: By their new names, (column, function): mean, sum, min, max, count, std, var, nunique, and what
                else pyarrow's hash aggregations can do while rows are read (a median they cannot).

        Raises:
            OpenError: There is no such column or function.
        """
        from pyarrow import acero  # noqa: PLC0415

        keys = [by] if isinstance(by, str) else list(by)
        needed = list(dict.fromkeys([*keys, *(column for column, _ in results.values())]))
        narrow = Dataset(self._runs, self.name, [c for c in needed if c not in {f.name for f in self._lead}])
        schema = pa.schema([_plain(narrow.schema.field(name)) for name in needed])
        # Groups are told apart by what texts say: batches number them differently.
        rows = pa.RecordBatchReader.from_batches(schema, (fitted(b, schema) for b in narrow.batches()))
        # As pandas does it: divided by one less than there are.
        sample = pc.VarianceOptions(ddof=1)
        told = [
            (column, f"hash_{_PANDAS.get(f, f)}", sample if f in ("std", "var") else None, name)
            for name, (column, f) in results.items()
        ]
        plan = acero.Declaration.from_sequence(
            [
                acero.Declaration("record_batch_reader_source", acero.RecordBatchReaderSourceNodeOptions(rows)),
                acero.Declaration("aggregate", acero.AggregateNodeOptions(told, keys=keys)),
            ]
        )
        try:
            table: pa.Table = plan.to_table(use_threads=False)
        except (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError) as error:
            raise OpenError(f"table {self.name!r} cannot be grouped so: {str(error).splitlines()[0]}") from error
        self._warn_of_overlap(keys)
        frame: pd.DataFrame = table.to_pandas()
        return frame.sort_values(keys, ignore_index=True)

    def _warn_of_overlap(self, keys: Sequence[str]) -> None:
        """Runs that share arms and seeds are versions of each other: together they are no larger sample."""
        if "run" in keys or len(self._runs) < 2:
            return
        seen: dict[tuple[object, object], str] = {}
        for run in self._runs:
            rows = run.arrow("episodes", ["arm", "seed"]).to_pylist() if run.has("episodes") else []
            for key in {(row["arm"], row["seed"]) for row in rows}:
                if seen.setdefault(key, run.path.name) != run.path.name:
                    warnings.warn(
                        f"{seen[key]} and {run.path.name} share arms and seeds: group by 'run', too, or open one",
                        stacklevel=3,
                    )
                    return

    def _lead_fields(self) -> list[pa.Field]:
        found = {name: pa.field(name, kind, metadata=_meaning(text)) for name, (kind, text) in _LABELS.items()}
        schemas = [run.schema("episodes") for run in self._runs if run.has("episodes")]
        for field in common(schemas) if schemas else ():
            if field.name.startswith("param."):
                found[field.name] = field
        return list(found.values())

    def _labelled(self, batch: pa.RecordBatch, run: Run, known: Mapping[str, Mapping[str, object]]) -> pa.RecordBatch:
        """The batch with its labels before it."""
        episode = batch.column("episode")
        columns: dict[str, pa.Array] = {}
        for field in self._lead:
            if field.name == "run":
                zeros = pa.repeat(pa.scalar(0, pa.int32()), batch.num_rows)
                columns["run"] = pa.DictionaryArray.from_arrays(zeros, [run.path.name])
                continue
            coded = episode.dictionary_encode()
            each = [known.get(e, {}).get(field.name) for e in coded.dictionary.to_pylist()]
            kind = pa.string() if field.type == _TEXT else field.type
            columns[field.name] = pc.take(pa.array(each, kind), coded.indices).cast(field.type)
        columns |= {name: batch.column(name) for name in batch.schema.names if name in self._kept}
        return fitted(pa.RecordBatch.from_pydict(columns), self.schema)


def _episodes(run: Run, labels: Sequence[str]) -> dict[str, dict[str, object]]:
    """What each episode that is over is one of."""
    if not run.has("episodes"):
        return {}
    have = set(run.schema("episodes").names)
    rows = run.arrow("episodes", ["episode", *(name for name in labels if name in have)]).to_pylist()
    return {str(row["episode"]): row for row in rows}


def _meaning(text: str) -> dict[str, str]:
    return {"unit": "", "meaning": text}


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
