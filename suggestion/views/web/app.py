"""The page's server: what it shows, as JSON, as a stream of changes, and as files."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from suggestion.controller import objectives, requests
from suggestion.controller.experiment import Experiment
from suggestion.controller.store import Store
from suggestion.controller.trials import Trial
from suggestion.runner import asking
from suggestion.runner.points import Point, examine
from suggestion.views import listing, status
from suggestion.views.directory import changed_at
from suggestion.views.web import contents, detail, reading
from suggestion.views.web.catalog import Catalog
from suggestion.views.web.guard import Guard
from suggestion.views.web.importance import importance
from suggestion.views.web.watch import Watches

_ALIVE_SECONDS: Final = 10.0
# That a browser waits for a runner; what it has not done by then, it does later.
_ANSWER_SECONDS: Final = 5.0
_LONGEST: Final = 256 * 1024
# More than any experiment has, and no more than its database can look for.
_MOST_TRIALS: Final = 2**31
# Of whatever trials have left, which is not packed again: browsers show how much has come.
_BYTES: Final = "application/octet-stream"
_TYPES: Final = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
}


def application(
    folders: Sequence[Path],
    hosts: Collection[str] | None,
    token: str,
    cookie: str,
    watches: Watches | None = None,
) -> Starlette:
    """Return the application that shows the experiments below `folders`.

    Args:
        hosts, token, cookie: As for `Guard`.
        watches: Whose `end` ends what is streamed.
    """
    page = _Page(Catalog(folders), watches or Watches())
    one = "/api/experiments/{experiment}"
    routes = [
        Route("/", _static("index.html")),
        Route("/app.js", _static("app.js")),
        Route("/app.css", _static("app.css")),
        Route("/api/experiments", page.list),
        Route(one, page.show),
        Route(f"{one}/changes", page.changes),
        Route(f"{one}/requests", page.ask, methods=["POST"]),
        Route(f"{one}/point", page.point, methods=["POST"]),
        Route(f"{one}/importance", page.importance),
        Route(f"{one}/servers", page.servers),
        Route(f"{one}/experiment.yaml", page.file),
        Route(f"{one}/trials.csv", page.csv),
        Route(f"{one}/trials/{{number:int}}", page.trial),
        Route(f"{one}/trials/{{number:int}}/output", page.output),
        Route(f"{one}/trials/{{number:int}}/artifacts", page.artifact),
        Route(f"{one}/trials/{{number:int}}/files", page.remaining),
    ]
    guard = Middleware(Guard, hosts=hosts, token=token, cookie=cookie)
    packed = Middleware(
        GZipMiddleware,
        compresslevel=1,
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, _BYTES),
    )
    return Starlette(
        routes=routes,
        middleware=[guard, packed],
        exception_handlers={HTTPException: _refused},
    )


def _static(name: str) -> Callable[[Request], Response]:
    content = files("suggestion.views.web").joinpath("static", name).read_bytes()

    def answer(_: Request) -> Response:
        return Response(content, media_type=_TYPES[name])

    return answer


async def _refused(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)
    return JSONResponse({"error": raised.detail}, raised.status_code, raised.headers)


class _Page:
    def __init__(self, catalog: Catalog, watches: Watches) -> None:
        self._catalog = catalog
        self._watches = watches
        self._importance: dict[Path, _Importance] = {}
        self._computing = asyncio.Lock()

    async def list(self, _: Request) -> Response:
        return JSONResponse({"experiments": await run_in_threadpool(self._catalog.list)})

    async def show(self, request: Request) -> Response:
        directory = await self._directory(request)
        return JSONResponse(await _reading(reading.read, directory))

    async def changes(self, request: Request) -> Response:
        directory = await self._directory(request)

        async def events() -> AsyncIterator[str]:
            async with self._watches.subscribed(directory) as queue:
                while True:
                    try:
                        message = await asyncio.wait_for(queue.get(), _ALIVE_SECONDS)
                    except TimeoutError:
                        yield ": still here\n\n"
                        continue
                    if message is None:
                        return
                    kind, text = message
                    yield f"event: {kind}\ndata: {text}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def ask(self, request: Request) -> Response:
        directory = await self._directory(request)
        content = await _content(request)
        try:
            action = requests.read(str(content.pop("action", "")), content)
            outcome = await _reading(asking.ask, directory, action, _ANSWER_SECONDS)
        except (ValueError, asking.Refused) as refusal:
            raise HTTPException(409, str(refusal)) from refusal
        return JSONResponse({"done": outcome.done, "text": outcome.text})

    async def point(self, request: Request) -> Response:
        """Say what is known of a point while it is typed."""
        directory = await self._directory(request)
        texts = (await _content(request)).get("assignment")
        if not isinstance(texts, dict) or not all(isinstance(t, str) for t in texts.values()):
            raise HTTPException(400, f"assignment: must be an object of texts, got {texts!r}")
        found = await _reading(_point, directory, texts)
        return JSONResponse({"inactive": sorted(found.inactive), "errors": dict(found.errors)})

    async def importance(self, request: Request) -> Response:
        directory = await self._directory(request)
        async with self._computing:  # one forest at a time
            known = self._importance.get(directory)
            changed = await run_in_threadpool(changed_at, directory)
            if known is None or known.changed != changed:
                known = await _reading(_importance, directory, changed, known)
                self._importance[directory] = known
        return JSONResponse(known.made)

    async def servers(self, request: Request) -> Response:
        directory = await self._directory(request)
        return JSONResponse({"servers": await _reading(detail.server_logs, directory)})

    async def file(self, request: Request) -> Response:
        shown = await _reading(reading.read, await self._directory(request))
        return _download(shown["file"], "application/yaml", "experiment.yaml")

    async def csv(self, request: Request) -> Response:
        experiment, trials = await _reading(status.load, await self._directory(request))
        out = io.StringIO(newline="")
        listing.write_csv(experiment, trials, out)
        return _download(out.getvalue(), "text/csv; charset=utf-8", "trials.csv")

    async def trial(self, request: Request) -> Response:
        return JSONResponse(await _reading(_trial, *await self._trial(request)))

    async def output(self, request: Request) -> Response:
        directory, number = await self._trial(request)
        asked = request.query_params.get("after", "")
        after = int(asked) if asked.isdecimal() and len(asked) < 16 else None

        def read() -> dict[str, Any]:
            _, trial = _stored(directory, number)
            return {
                **detail.output(directory, trial, after),
                "attempt": trial.attempt,
                "active": trial.condition.active,
            }

        return JSONResponse(await _reading(read))

    async def artifact(self, request: Request) -> Response:
        return await self._content(request, contents.artifact)

    async def remaining(self, request: Request) -> Response:
        return await self._content(request, contents.file)

    async def _content(
        self, request: Request, opener: Callable[[Path, Trial, str], contents.Content | None]
    ) -> Response:
        directory, number = await self._trial(request)
        path = request.query_params.get("path", "")

        def read() -> contents.Content | None:
            _, trial = _stored(directory, number)
            return opener(directory, trial, path)

        content = await _reading(read)
        if content is None:
            raise HTTPException(404, f"there is no file {path!r}")
        headers = {"Content-Length": str(content.size), **_attached(content.name)}
        return StreamingResponse(content.pieces(), media_type=_BYTES, headers=headers)

    async def _directory(self, request: Request) -> Path:
        found = await run_in_threadpool(self._catalog.find, request.path_params["experiment"])
        if found is None:
            raise HTTPException(404, "there is no such experiment")
        return found

    async def _trial(self, request: Request) -> tuple[Path, int]:
        number = min(request.path_params["number"], _MOST_TRIALS)
        return await self._directory(request), number


def _stored(directory: Path, number: int) -> tuple[Experiment, Trial]:
    store = Store(directory)
    try:
        experiment, trial = store.experiment(), store.trial(number)
    finally:
        store.close()
    if experiment is None or trial is None:
        raise HTTPException(404, f"there is no trial {number}")
    return experiment, trial


async def _content(request: Request) -> dict[str, Any]:
    """Return the JSON object that is sent.

    Raises:
        HTTPException: If it is none, or too long.
    """
    received = b""
    async for piece in request.stream():
        received += piece
        if len(received) > _LONGEST:
            raise HTTPException(413, f"content: must have at most {_LONGEST} bytes")
    try:
        content = json.loads(received)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"content: must be JSON: {error}") from error
    if not isinstance(content, dict):
        raise HTTPException(400, "content: must be a JSON object")
    return content


def _point(directory: Path, texts: dict[str, str]) -> Point:
    experiment, _ = status.load(directory)
    return examine(experiment.document, texts)


@dataclass(frozen=True, slots=True)
class _Importance:
    """What was computed of the trials `judged`, when the experiment had last changed."""

    changed: float
    judged: int
    made: dict[str, Any]


def _importance(directory: Path, changed: float, known: _Importance | None) -> _Importance:
    experiment, trials = status.load(directory)
    judged = hash((experiment.started, *((t.number, t.attempt, t.condition) for t in trials)))
    if known is not None and known.judged == judged:
        return replace(known, changed=changed)
    return _Importance(changed, judged, importance(experiment, trials))


def _trial(directory: Path, number: int) -> dict[str, Any]:
    experiment, trial = _stored(directory, number)
    objective = objectives.read(experiment.document)
    return {
        "command": detail.command(directory, experiment, trial),
        **contents.listed(directory, trial),
        "metrics": [
            {"name": name, "min": s.min, "max": s.max, "latest": s.latest, "reports": s.count}
            for name in objective.metrics
            if (s := trial.series.get(name)) is not None
        ],
    }


async def _reading(read: Callable[..., Any], *arguments: Any) -> Any:
    """Call `read` in a thread.

    Raises:
        HTTPException: If the experiment cannot be read.
    """
    try:
        return await run_in_threadpool(read, *arguments)
    except (OSError, ValueError, sqlite3.Error) as error:
        raise HTTPException(503, str(error)) from error


def _download(text: str, kind: str, name: str) -> Response:
    return Response(text, media_type=kind, headers=_attached(name))


def _attached(name: str) -> dict[str, str]:
    """Return the header under which a browser saves what is sent, and never shows it (RFC 6266)."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
