"""The control API: what is known of a node over HTTP, and on the control socket what can be done with it.

Two faces of one app. The control socket (only the node's user can open it) has the actions; the TCP face is
read-only, because it has no password. Streams are lines of JSON; an error inside a stream is its last line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import resources
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sync.errors import AdminSyncError, UsageError
from sync.ops.metrics import CONTENT_TYPE, Metrics
from sync.ops.status import Json, StatusBoard

BODY_BYTES_MAX = 64 * 1024
TABLES_MAX = 1000
SECURITY = {
    "content-security-policy": "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


Stream = AsyncIterator[Json] | Awaitable[AsyncIterator[Json]]


class Actions(Protocol):
    """What the control socket can ask of a node; called on the node's own event loop."""

    async def snapshot(self, tables: Sequence[str]) -> int:
        """Start a run; gives its number."""
        ...

    def verify(self, tables: Sequence[str], *, repair: bool) -> Stream:
        """Give progress, and the result last: an async iterator, or an awaitable of one."""
        ...

    def tail(self, tables: Sequence[str]) -> Stream:
        """Give changes as they pass."""
        ...


class Control:
    """Builds the two apps. `close` ends all open streams, so that a server can shut down at once."""

    def __init__(self, board: StatusBoard, actions: Actions | None) -> None:
        self._board = board
        self._actions = actions
        self._metrics = Metrics(board)
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams."""
        self._closing.set()

    def public_app(self) -> Starlette:
        """The read-only face."""
        return Starlette(routes=self._reading())

    def socket_app(self) -> Starlette:
        """The face with actions."""
        actions = [
            Route("/snapshot", self._snapshot, methods=["POST"]),
            Route("/verify", self._verify, methods=["POST"]),
            Route("/tail", self._tail, methods=["GET"]),
        ]
        return Starlette(routes=[*self._reading(), *actions])

    def _reading(self) -> list[Route]:
        return [
            Route("/", self._page),
            Route("/status.json", self._status),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._show_metrics),
        ]

    async def _page(self, _: Request) -> Response:
        page = resources.files("sync.ops").joinpath("page.html").read_text("utf-8")
        return Response(page, media_type="text/html", headers=SECURITY)

    async def _status(self, _: Request) -> Response:
        return JSONResponse(self._board.report(), headers=SECURITY)

    async def _healthz(self, _: Request) -> Response:
        """The process lives and its event loop turns."""
        return PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        """Whether the node does its work; `?role=primary` also asks whether it is the active one."""
        ready, state = self._board.ready()
        role = self._board.role
        wanted = request.query_params.get("role", role)
        good = ready and wanted == role
        return JSONResponse({"ready": good, "role": role, "state": state}, status_code=200 if good else 503)

    async def _show_metrics(self, _: Request) -> Response:
        return Response(self._metrics.render(), media_type=CONTENT_TYPE)

    async def _snapshot(self, request: Request) -> Response:
        try:
            asked = await _asked(request)
            run = await self._node().snapshot(_tables(asked))
        except AdminSyncError as error:
            return _refusal(error)
        return JSONResponse({"run": run})

    async def _verify(self, request: Request) -> Response:
        try:
            asked = await _asked(request)
            tables, node = _tables(asked), self._node()
        except AdminSyncError as error:
            return _refusal(error)
        return self._stream(lambda: node.verify(tables, repair=asked.get("repair") is True))

    async def _tail(self, request: Request) -> Response:
        try:
            tables, node = _tables({"tables": request.query_params.getlist("table")}), self._node()
        except AdminSyncError as error:
            return _refusal(error)
        return self._stream(lambda: node.tail(tables))

    def _node(self) -> Actions:
        if self._actions is None:
            raise UsageError("the node is not up yet", "it is still starting", "Try again in a moment.")
        return self._actions

    def _stream(self, begin: Callable[[], Stream]) -> Response:
        return StreamingResponse(self._lines(begin), media_type="application/x-ndjson", headers=SECURITY)

    async def _lines(self, begin: Callable[[], Stream]) -> AsyncIterator[bytes]:
        closing = asyncio.ensure_future(self._closing.wait())
        items: AsyncIterator[Json] | None = None
        try:
            started = begin()
            items = started if isinstance(started, AsyncIterator) else await started
            while True:
                upcoming = asyncio.ensure_future(anext(items))
                try:
                    await asyncio.wait({upcoming, closing}, return_when=asyncio.FIRST_COMPLETED)
                    if not upcoming.done():
                        return
                    yield _line(upcoming.result())
                finally:
                    await _ended(upcoming)
        except StopAsyncIteration:
            return
        except AdminSyncError as error:
            yield _line({"error": describe(error)})
        finally:
            closing.cancel()
            if items is not None and hasattr(items, "aclose"):
                await items.aclose()


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait for it: a generator can not be closed while it is inside `anext`."""
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration, AdminSyncError):
            await task


def _line(item: Json) -> bytes:
    return json.dumps(item, ensure_ascii=False, default=_plain).encode(errors="surrogatepass") + b"\n"


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)


def describe(error: AdminSyncError) -> Json:
    """An error as JSON; `sync.ops.client` makes the error of it again."""
    return {"kind": type(error).__name__, "what": error.what, "why": error.why, "remedy": error.remedy}


def _refusal(error: AdminSyncError) -> Response:
    return JSONResponse({"error": describe(error)}, status_code=400 if isinstance(error, UsageError) else 409)


async def _asked(request: Request) -> Json:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise UsageError("the request is too large", f"more than {BODY_BYTES_MAX} bytes")
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise UsageError("the request is not a JSON object")
    return asked


def _tables(asked: Json) -> tuple[str, ...]:
    tables = asked.get("tables", [])
    if not isinstance(tables, list) or len(tables) > TABLES_MAX or not all(isinstance(name, str) for name in tables):
        raise UsageError("`tables` is not a list of names", f"at most {TABLES_MAX} texts are allowed")
    return tuple(tables)
