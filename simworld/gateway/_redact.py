"""Secrets never leave the process: not in an error, not in a table, not in a log."""

from __future__ import annotations

import json
import logging
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote, quote_plus

from simworld.kernel import Json

_HIDDEN = "[secret]"
_SHORTEST = 4
"""Shorter ones would hit ordinary words."""


class Redactor:
    """Replaces secrets in texts, however they were escaped on the way. Give it what is used as one, and no more."""

    _guards: ClassVar[weakref.WeakSet[Redactor]] = weakref.WeakSet()
    """Those whose secrets are kept out of this process's logs."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first: one may be part of another.
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without any of them."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def all(self, value: Json) -> Json:
        """Plain data without any of them, in keys or values."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(key): self.all(inner) for key, inner in value.items()}
        if isinstance(value, Sequence):
            return [self.all(inner) for inner in value]
        return value

    def guard_logs(self) -> None:
        """Hide secrets in whatever this process logs from now on, at every level and by every library."""
        if not self._secrets:
            return
        first = not Redactor._guards
        Redactor._guards.add(self)
        if not first:
            return
        make = logging.getLogRecordFactory()

        def guarded(*args: object, **kwargs: object) -> logging.LogRecord:
            record = make(*args, **kwargs)
            for redactor in list(Redactor._guards):
                redactor._clean(record)
            return record

        logging.setLogRecordFactory(guarded)

    def _clean(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = f"{record.msg} {record.args}"  # logging itself will complain of it, in its own way
        if self(message) != message:
            record.msg, record.args = self(message), None
        if record.exc_info:
            # Formatters print this instead of formatting the exception themselves.
            record.exc_text = self(record.exc_text or logging.Formatter().formatException(record.exc_info))


def _forms(secret: str) -> Iterable[str]:
    """The secret as it is, and as servers, clients and formats may write it."""
    in_json = json.dumps(secret)[1:-1]
    plain = {secret, repr(secret)[1:-1], in_json, in_json.replace("/", "\\/")}
    misread = {secret.encode().decode("latin-1"), " ".join(secret.split())}
    return {form for form in plain | misread | {quote(secret, safe=""), quote_plus(secret)} if len(form) >= _SHORTEST}
