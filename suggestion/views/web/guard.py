"""Who may ask the page's server for anything.

The server shows what is on this machine, and any site that a browser visits can send requests to
it. So a request must name an address of this server (no DNS rebinding), must not come from another
site, and must carry the token: every user of this machine can reach the loopback, too.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Middleware that lets only requests of this server's own page through.

    Args:
        hosts: Values of ``Host`` that name this server; None for any, where other machines can
            reach it under names that it does not know.
        token: That the first request must have in its address, and later ones in a cookie.
        cookie: Name of that cookie.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] | None, token: str, cookie: str
    ) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(hosts)
        self._token = token
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope) or self._entry(scope)
        await (answer or self._app)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self._hosts is not None and host not in self._hosts:
            known = ", ".join(sorted(self._hosts))
            return _refused(f"Host: must be one of {known}, got {host[:200]!r}")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return _refused(f"Origin: must be http://{host}, got {origin[:200]!r}")
        if scope["method"] == "POST":
            # What changes something comes from the page itself: a form of another site can neither
            # say so nor send JSON.
            if origin is None:
                return _refused(f"Origin: must be http://{host}, got none")
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                return _refused(f"Content-Type: must be application/json, got {kind[:200]!r}")
        # A link from elsewhere may lead to the page, and to nothing that it would load.
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            visits = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
            if not visits or scope["method"] != "GET":
                return _refused("Sec-Fetch-Site: must be same-origin, got that of another site")
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """Return what somebody gets who has no cookie with the token; None if he has."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if scope["path"] == "/" and self._matches(query.get("token", "")):
            entry = RedirectResponse("/", 303)
            entry.set_cookie(self._cookie, self._token, httponly=True, samesite="lax")
            return entry
        if self._matches(_cookie(Headers(scope=scope).get("cookie", ""), self._cookie)):
            return None
        return PlainTextResponse(
            "The address that 'suggest ui' has printed, with its token, is needed once.\n", 401
        )

    def _matches(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _refused(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 403)
