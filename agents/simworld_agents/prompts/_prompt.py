"""Templates in jinja2's language, read from files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.errors import ContractError

if TYPE_CHECKING:
    from jinja2 import Template


class Prompt:
    """A text with places for inputs, in a file.

    The file is read at once, so that its digest is that of what is used; it is compiled on first use. Numbers are
    written by the filters ``money`` (``$31,200``), ``amount`` (``31,200``) and ``plain`` (``12.5``, ``40``).

    Raises:
        ContractError: The template uses other inputs than those declared.
    """

    def __init__(self, path: Path, inputs: Iterable[str]) -> None:
        self.name = path.stem
        self._source = path.read_text(encoding="utf-8")
        self._inputs = frozenset(inputs)

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self._source.encode()).hexdigest()

    def render(self, **inputs: object) -> str:
        """The text with its inputs filled in.

        Raises:
            ContractError: An input is missing, or is none.
        """
        if inputs.keys() != self._inputs:
            raise ContractError(
                f"prompt {self.name!r}: found inputs {sorted(inputs)}; accepted: {sorted(self._inputs)}"
            )
        return self._template.render(inputs).strip()

    @cached_property
    def _template(self) -> Template:
        from jinja2 import Environment, StrictUndefined, meta  # noqa: PLC0415  only for those who ask

        # Text for a model, not for a browser: nothing is escaped.
        environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
        environment.filters |= {"money": _money, "amount": _amount, "plain": _plain}
        used = meta.find_undeclared_variables(environment.parse(self._source))
        if used != self._inputs:
            raise ContractError(f"prompt {self.name!r}: uses {sorted(used)}; declared: {sorted(self._inputs)}")
        return environment.from_string(self._source)

    def __getstate__(self) -> dict[str, object]:
        """Pickle without the compiled template."""
        return {key: value for key, value in self.__dict__.items() if key != "_template"}


def _money(value: float) -> str:
    return f"-${-value:,.0f}" if value < 0 else f"${value:,.0f}"


def _amount(value: float) -> str:
    return f"{value:,.0f}"


def _plain(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
