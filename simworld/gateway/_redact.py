"""Secrets never leave the process: not in an error, not in a table, not in a log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from simworld.kernel import Json

_HIDDEN = "[secret]"
_SHORTEST = 6
"""Shorter ones would hit ordinary words."""


class Redactor:
    """Replaces secrets in texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may be part of another.
        self._secrets = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without any of them."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def all(self, value: Json) -> Json:
        """Plain data without any of them."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {key: self.all(inner) for key, inner in value.items()}
        if isinstance(value, Sequence):
            return [self.all(inner) for inner in value]
        return value

    def guard_logs(self) -> None:
        """Hide secrets in whatever this process logs from now on, at every level and by every library."""
        if not self._secrets:
            return
        make = logging.getLogRecordFactory()

        def guarded(*args: object, **kwargs: object) -> logging.LogRecord:
            record = make(*args, **kwargs)
            message = record.getMessage()
            if self(message) != message:
                record.msg, record.args = self(message), None
            if record.exc_info:
                # Formatters print this instead of formatting the exception themselves.
                record.exc_text = self(logging.Formatter().formatException(record.exc_info))
            return record

        logging.setLogRecordFactory(guarded)
