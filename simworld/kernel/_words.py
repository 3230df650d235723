"""Free text that becomes part of the record: only what is the same every time, and can be written down."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


def lasting(text: str) -> str:
    """A text without addresses in memory, which are others each time, and without what UTF-8 cannot hold."""
    return _ADDRESS.sub("at 0x…", text).encode("utf-8", "backslashreplace").decode()
