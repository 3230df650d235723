"""The page of a run over HTTP: who may see it, what they may send, and a stream of what there is to see."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from simworld.console._hall import Hall, Refused
from simworld.console._pages import consent_page, message_page, questions_page, script, style
from simworld.errors import UserError
from simworld.kernel import is_unicode

_LOOK = 0.3
"""Seconds between looks whether there is something new to see."""
_BEAT = 10.0
"""Seconds after which the stream says that it is there, with nothing new."""
_LARGEST = 65_536
"""Bytes of what may be sent."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_CLOSED = ("This page is closed", "Open it with the whole address that simworld human printed: it holds a token.")

Handler = Callable[[Request], Awaitable[Response]]


class Door:
    """Who may come in: whoever shows the token, in the address that is opened first, in its cookie, or as a bearer."""

    def __init__(self, hall: Hall, token: str) -> None:
        self._token = token
        run = hashlib.sha256(hall.run.name.encode()).hexdigest()[:8]
        # Of several pages on one machine each has its own: cookies know no ports.
        self.key, self.me = f"simworld-key-{run}", f"simworld-me-{run}"

    def opens(self, token: str) -> bool:
        """Whether this is the token."""
        return secrets.compare_digest(token.encode(), self._token.encode())

    def let_in(self, request: Request) -> bool:
        """Whether whoever sends this may come in."""
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        return self.opens(request.cookies.get(self.key, "")) or (kind.lower() == "bearer" and self.opens(bearer))

    def own(self, request: Request) -> bool:
        """Whether it was sent by our own page, and by none of another's that is open beside it."""
        origin = request.headers.get("origin")
        return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def make_app(hall: Hall, token: str) -> Starlette:
    """The page of a run as an ASGI application."""
    door = Door(hall, token)
    served = _Served(hall, door)
    routes = [
        Route("/", _guarded(door, served.home, first=True), methods=["GET"]),
        Route("/page.css", _file(style, "text/css"), methods=["GET"]),
        Route("/page.js", _file(script, "text/javascript"), methods=["GET"]),
        Route("/consent", _guarded(door, served.consent), methods=["POST"]),
        Route("/events", _guarded(door, served.events), methods=["GET"]),
        Route("/questions/{question}/{verb}", _guarded(door, served.question), methods=["POST"]),
        Route("/withdraw", _guarded(door, served.withdraw), methods=["POST"]),
    ]
    return Starlette(routes=routes)


class _Served:
    def __init__(self, hall: Hall, door: Door) -> None:
        self._hall, self._door = hall, door

    async def home(self, request: Request) -> Response:
        who = self._who(request)
        if who is None:
            return HTMLResponse(consent_page(self._hall.rules))
        return HTMLResponse(questions_page(self._hall.rules, who))

    async def consent(self, request: Request) -> Response:
        """To agree is to take part; whoever does not leaves no trace."""
        form = dict(part.partition("=")[::2] for part in (await _body(request)).split("&"))
        if form.get("answer") != "agree":
            return HTMLResponse(message_page("You do not take part", "Nothing was stored. You may close this page."))
        if self._who(request) is not None:
            return RedirectResponse("/", 303)
        secret, _ = await asyncio.to_thread(self._hall.agree)
        response = RedirectResponse("/", 303)
        response.set_cookie(self._door.me, secret, max_age=365 * 86_400, httponly=True, samesite="strict")
        return response

    async def events(self, request: Request) -> Response:
        who = self._present(request)

        async def stream() -> AsyncIterator[str]:
            last, told = "", 0.0
            while not await request.is_disconnected() and self._who(request) == who:
                text = json.dumps(await asyncio.to_thread(self._hall.view, who), sort_keys=True)
                if text != last or time.monotonic() - told >= _BEAT:
                    last, told = text, time.monotonic()
                    yield f'data: {{"now": {time.time()}, "view": {text}}}\n\n'
                await asyncio.sleep(_LOOK)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def question(self, request: Request) -> Response:
        """Take one up, hold it longer, give it back, or answer it."""
        who = self._present(request)
        question, verb = request.path_params["question"], request.path_params["verb"]
        if verb == "take":
            await asyncio.to_thread(self._hall.take, question, who)
        elif verb == "let-go":
            await asyncio.to_thread(self._hall.let_go, question, who)
        elif verb == "answer":
            sent = _sent(await _body(request))
            given = sent.get("option") if "option" in sent else sent.get("text")
            reason = sent.get("reason", "")
            if not isinstance(given, str | int) or isinstance(given, bool) or not isinstance(reason, str):
                raise Refused(422, "accepted: option, a number, or text; and reason, a text")
            if not (is_unicode(str(given)) and is_unicode(reason)):
                raise Refused(422, "accepted: text in Unicode")
            await asyncio.to_thread(self._hall.answer, question, who, given, reason)
        else:
            raise Refused(404, "accepted: take, let-go, answer")
        return JSONResponse({"done": verb})

    async def withdraw(self, request: Request) -> Response:
        who = self._present(request)
        done = await asyncio.to_thread(self._hall.withdraw, who)
        told = (
            f"What {who} answered is taken out as soon as the run has stopped or ended."
            if done.waits
            else f"What {who} answered was taken out of the run: {done.answers} answers."
        )
        response = HTMLResponse(message_page("You have withdrawn", told, "Nothing more is asked of you."))
        response.delete_cookie(self._door.me)
        return response

    def _who(self, request: Request) -> str | None:
        found = self._hall.known(request.cookies.get(self._door.me, ""))
        return None if found is None else found.name

    def _present(self, request: Request) -> str:
        who = self._who(request)
        if who is None:
            raise Refused(403, "whoever has not agreed to take part is asked nothing")
        return who


def _guarded(door: Door, handler: Handler, first: bool = False) -> Handler:
    """Only for those who may come in; what goes wrong is said in a line."""

    async def guarded(request: Request) -> Response:
        token = request.query_params.get("token", "") if first else ""
        if token and door.opens(token):
            # The token goes from the address into a cookie: an address is seen, and kept.
            response: Response = RedirectResponse("/", 303)
            response.set_cookie(door.key, token, httponly=True, samesite="strict")
        elif not door.let_in(request):
            response = HTMLResponse(message_page(*_CLOSED), 401)
        elif request.method == "POST" and not door.own(request):
            response = JSONResponse({"error": "sent from another page"}, 403)
        else:
            try:
                response = await handler(request)
            except Refused as refused:
                response = JSONResponse({"error": refused.message}, refused.status)
            except UserError as error:
                response = JSONResponse({"error": str(error)}, 500)
        response.headers.update(_HEADERS)
        return response

    return guarded


def _file(content: Callable[[], str], kind: str) -> Handler:
    async def file(request: Request) -> Response:  # noqa: ARG001  what routes call has it
        return Response(content(), media_type=kind, headers=_HEADERS)

    return file


async def _body(request: Request) -> str:
    """What was sent. Raises Refused if it is too much."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LARGEST:
            raise Refused(413, f"at most {_LARGEST:,} bytes are taken")
    return data.decode(errors="replace")


def _sent(body: str) -> Mapping[str, Any]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise Refused(422, "accepted: a JSON object")
    return sent
