"""Free text that becomes part of the record: only what is the same every time, and can be written down."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_MOST = 2_000
_TOO_DEEP = "maximum recursion depth exceeded"


def lasting(text: str) -> str:
    """A text without addresses in memory, which are others each time, and without what UTF-8 cannot hold."""
    return _ADDRESS.sub("at 0x…", text).encode("utf-8", "backslashreplace").decode()


def shortened(text: str, most: int = _MOST) -> str:
    """A text of about so many characters at most: both its ends, and how much it was."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} … ({len(text):,} characters in all) … {text[-(most // 2) :]}"


def said_by(error: BaseException, most: int = _MOST) -> str:
    """What an exception says, the same every time and not too long; also of one that cannot say anything."""
    try:
        said = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as failure:  # noqa: BLE001  whatever its class does: that must not hide what it is
        said = f"(no text: its __str__ raised {type(failure).__name__})"
    if isinstance(error, RecursionError) and said.startswith(_TOO_DEEP):
        said = _TOO_DEEP  # what follows tells where the limit was met, and that depends on where the stack began
    return shortened(lasting(said), most)
