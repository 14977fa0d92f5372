"""The server of the page: its files, the network, and what the network makes of a drawing or of a picture.

Other sites must not use it through the reader's browser: requests for another host (a name that was made to point here)
and from pages of another origin are refused, and a body must be of a type that no form can send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.demo.sight import facts, see
from workbench.network.checkpoint import TrainedRun
from workbench.network.predict import prepared
from workbench.pictures.images import decode_image, to_channels
from workbench.system.errors import InputError, first_line, raised
from workbench.system.terminal import print_line

HOST = "127.0.0.1"

MOST_SIDE = 512
"""The largest side of a drawing, in pixels."""

MOST_DRAWING, MOST_PICTURE = 2**19, 2**24
"""The most bytes of a request with a drawing, and of a picture file."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every response."""


class Drawing(Struct, frozen=True, forbid_unknown_fields=True):
    """A drawing: grey pixels, 0 to 255, row by row."""

    width: Annotated[int, Meta(ge=1, le=MOST_SIDE)]
    height: Annotated[int, Meta(ge=1, le=MOST_SIDE)]
    pixels: bytes

    def __post_init__(self) -> None:
        if len(self.pixels) != self.width * self.height:
            raise ValueError(f"pixels has {len(self.pixels):,} bytes, {self.width} x {self.height} are needed")


def application(run: TrainedRun, port: int) -> ASGIApp:
    """Return the server of a network as an ASGI application, for requests to this port of this machine only."""
    told = msgspec.json.encode(facts(run))
    kernels = ThreadPoolExecutor(1, thread_name_prefix="kernels")  # Numba's threads serve one caller at a time

    async def network(_request: Request) -> Response:
        return _json(told)

    async def drawing(request: Request) -> Response:
        body = await _body(request, "application/json", MOST_DRAWING)
        try:
            drawn = msgspec.json.decode(body, type=Drawing)
        except msgspec.DecodeError as error:
            raise HTTPException(400, f"not a drawing: {first_line(error)}") from error
        image = np.frombuffer(drawn.pixels, np.uint8).reshape(1, drawn.height, drawn.width)
        return await seen(lambda channels: to_channels(image, channels or 1), "the drawing")

    async def picture(request: Request) -> Response:
        body = await _body(request, "application/octet-stream", MOST_PICTURE)
        return await seen(lambda channels: decode_image(body, "the picture", channels), "the picture")

    async def seen(read: Callable[[int | None], NDArray[np.uint8]], name: str) -> Response:
        def compute() -> bytes:
            return msgspec.json.encode(see(run, prepared(run, read, name)))

        try:
            return _json(await asyncio.get_running_loop().run_in_executor(kernels, compute))
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    routes = [Route(f"/{name}", _sender(content, kind)) for name, (content, kind) in page_files().items()]
    routes += [
        Route("/network", network),
        Route("/drawing", drawing, methods=["POST"]),
        Route("/picture", picture, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refusal})
    app.router.redirect_slashes = False
    return _Guarded(app, port)


def page_files() -> dict[str, tuple[bytes, str]]:
    """Return the content and the type of every file of the page by its path in the address; that of the page is empty."""
    files = sorted((Path(__file__).parent / "page").iterdir())
    return {each.name.replace("index.html", ""): (each.read_bytes(), TYPES[each.suffix]) for each in files}


def _sender(content: bytes, kind: str) -> Callable[[Request], Response]:
    async def send(_request: Request) -> Response:
        return Response(content, media_type=kind)

    return send  # type: ignore[return-value]


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code, error.headers)


async def _body(request: Request, kind: str, most: int) -> bytes:
    """Return the body of a request, of a type and of at most so many bytes."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise HTTPException(415, f"the content type must be {kind}")
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise HTTPException(413, f"too large: at most {most:,} bytes", {"Connection": "close"})
        pieces.append(piece)
    return b"".join(pieces)


class _Guarded:
    """Refuses requests for another host or from another origin, adds HEADERS, and prints an error as one line."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            await self._checked(scope)(scope, receive, send_guarded)
        except ClientDisconnect:
            pass  # nobody waits for the answer
        except Exception as error:
            print_line(f"workbench: {scope.get('path')}: {raised(error)}", err=True)

    def _checked(self, scope: Scope) -> ASGIApp:
        headers: Any = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return PlainTextResponse("this server answers to its own address only", 403)
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return PlainTextResponse("this server answers to its own page only", 403)
        return self._app
