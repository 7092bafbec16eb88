"""A file server on the loopback interface that can be told to misbehave."""

from __future__ import annotations

import hashlib
import http.server
import threading
from typing import Self


class FileServer:
    """Serves bytes by path, with ranges and ETags (RFC 9110); use it as a context manager.

    Attributes
    ----------
    files, redirects : dict
        Contents by path; where a path has moved to.
    ranges : list
        The Range header of each request, or None.
    status : int, optional
        Answered to each request.
    etag : str, optional
        Sent with each file; by default it follows from the contents. None sends no ETag.
    content_length : str, optional
        Sent with each file; by default it is right. None sends none.
    knows_ranges, heeds_if_range : bool
    close_after, stall_after : int, optional
        Bytes of a body after which the connection is closed, or nothing more is sent.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.redirects: dict[str, str] = {}
        self.ranges: list[str | None] = []
        self.status: int | None = None
        self.etag: str | None = "by contents"
        self.content_length: str | None = "right"
        self.knows_ranges = self.heeds_if_range = True
        self.close_after: int | None = None
        self.stall_after: int | None = None
        self.stopped = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def etag_of(self, path: str) -> str | None:
        if self.etag == "by contents":
            return f'"{hashlib.sha256(self.files[path]).hexdigest()}"'
        return self.etag


def _handler(server: FileServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in server.redirects:
                self._answer(302, {"Location": server.redirects[self.path]})
                return
            server.ranges.append(self.headers["Range"])
            if server.status is not None or self.path not in server.files:
                self._answer(server.status or 404, {})
                return
            self._send_file(server.files[self.path])

        def _send_file(self, body: bytes) -> None:
            etag = server.etag_of(self.path)
            headers = {"ETag": etag} if etag else {}
            unchanged = not server.heeds_if_range or self.headers["If-Range"] in (None, etag)
            start = 0
            if self.headers["Range"] and server.knows_ranges and unchanged:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self._answer(416, {"Content-Range": f"bytes */{len(body)}"})
                    return
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            if server.content_length == "right":
                headers["Content-Length"] = str(len(body) - start)
            elif server.content_length is not None:
                headers["Content-Length"] = server.content_length
            self._answer(206 if "Content-Range" in headers else 200, headers)
            self._send_body(body[start:])

        def _send_body(self, body: bytes) -> None:
            if server.stall_after is not None:
                self.wfile.write(body[: server.stall_after])
                server.stopped.wait()
                return
            self.wfile.write(body[: server.close_after])

        def _answer(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    return Handler
