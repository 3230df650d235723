"""Serving the page: on this machine alone, unless somebody says otherwise, and with a token."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from simworld.console._hall import Hall
from simworld.errors import RunError
from simworld.people import FOLDER

_LEAVE = 1
"""Seconds that pages have to leave when it is closed."""


def serve(run: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the page of a run until Ctrl-C.

    Args:
        run: The run directory.
        host: Address to listen at.
        port: Port to listen at; 0 is any that is free.
        say: Is told the address, with its token.

    Raises:
        RunError: Not a run, nobody is asked at a page in it, it has a page already, or nobody can listen there.
    """
    import uvicorn  # noqa: PLC0415  only where a page is served

    from simworld.console._app import make_app  # noqa: PLC0415  starlette, too

    hall, token = Hall(run), secrets.token_urlsafe(24)
    with _alone(run), _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{listener.getsockname()[1]}/?token={token}")
        # No log of requests: it would hold addresses, and the token.
        config = uvicorn.Config(
            make_app(hall, token),
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_LEAVE,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise RunError(f"cannot listen at {host} port {port}: {error}") from error
    with listener:
        yield listener


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """One page for each run: who holds which question is known to one process."""
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / "page.lock").open("a", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"{run} has a page already, served by another process") from error
        yield
