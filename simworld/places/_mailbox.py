"""Letters between members that wait until they are taken."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simworld.errors import ContractError
from simworld.kernel import Array, Field, Members


class Mailbox:
    """Letters with declared content; a world posts them and hands them out."""

    def __init__(self, content: tuple[Field, ...]) -> None:
        """An empty mailbox.

        Args:
            content: What a letter holds: fields, their shapes in numbers.
        """
        self._content = content
        self._letters: list[dict[str, Array]] = []

    def __len__(self) -> int:
        """How many letters wait."""
        return sum(len(batch["to"]) for batch in self._letters)

    def post(self, sender: Members, to: Members, **content: Array) -> None:
        """Post letters: from each of ``sender`` to the member at the same place in ``to``, shape (n,).

        Raises:
            ContractError: The content is not what was declared, or of another length.
        """
        declared = [f.name for f in self._content]
        if sorted(content) != sorted(declared):
            raise ContractError(f"a letter holds {sorted(content)}; declared: {declared}")
        batch = {"sender": np.asarray(sender, dtype=np.int64), "to": np.asarray(to, dtype=np.int64)}
        for field in self._content:
            batch[field.name] = np.asarray(content[field.name]).astype(field.numpy_dtype)
        wrong = [name for name, values in batch.items() if len(values) != len(batch["to"])]
        if wrong:
            found = len(batch[wrong[0]])
            raise ContractError(f"a letter's {wrong[0]!r} has {found} entries for {len(batch['to'])} letters")
        if len(batch["to"]):
            self._letters.append(batch)

    def take(self, members: Members) -> Mapping[str, Array]:
        """Take out the letters to these members: ``sender``, ``to`` and content, by receiver, as they were posted."""
        every = self._all()
        mine = np.isin(every["to"], members)
        rest = {name: values[~mine] for name, values in every.items()}
        self._letters = [rest] if len(rest["to"]) else []
        taken = {name: values[mine] for name, values in every.items()}
        order = np.argsort(taken["to"], kind="stable")
        return {name: values[order] for name, values in taken.items()}

    def waiting(self, members: Members) -> Array:
        """How many letters wait for each of these members, int64 of shape (n,)."""
        to = self._all()["to"]
        counts = np.bincount(to, minlength=int(members.max(initial=-1)) + 1)
        found: Array = counts[members]
        return found

    def _all(self) -> dict[str, Array]:
        names = ["sender", "to", *(f.name for f in self._content)]
        if not self._letters:
            none = {f.name: np.zeros((0, *f.sizes), dtype=f.numpy_dtype) for f in self._content}
            return {"sender": np.zeros(0, dtype=np.int64), "to": np.zeros(0, dtype=np.int64)} | none
        return {name: np.concatenate([batch[name] for batch in self._letters]) for name in names}
