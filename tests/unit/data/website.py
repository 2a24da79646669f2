"""A web site on this machine, which misbehaves as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What it serves and how; tests change it between requests.

    Attributes:
        address: of its root, with a slash at the end.
        files: path to content.
        etag: of every file; empty for none.
        date: Last-Modified; empty for none.
        kind: Content-Type.
        ranges: whether it can send a part of a file.
        length: whether it says how long a file is.
        cuts: how many bytes to send before breaking off, one a request; when they are used up, all is sent.
        codes: status codes to answer with instead, one a request.
        asked: the path, the Range and the If-Range header of every request.
        sent: bytes of every answer.
        moved: path to the path that it leads to.
        hold: if there is one, no answer ends before it is set.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    date: str = ""
    kind: str = "application/zip"
    ranges: bool = True
    length: bool = True
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            site.asked.append((self.path, self.headers["Range"], self.headers["If-Range"]))
            if site.codes or self.path not in (*site.files, *site.moved):
                self.send_error(site.codes.pop(0) if site.codes else 404)
                return
            if self.path in site.moved:
                self.send_response(302)
                self.send_header("Location", site.moved[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = site.files[self.path]
            begin = self.begin(len(content))
            if begin and begin >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.head(content, begin)
            self.body(content[begin:])

        def begin(self, size: int) -> int:
            asked, known = self.headers["Range"], self.headers["If-Range"]
            if not asked or not site.ranges or (known and known not in (site.etag, site.date)):
                return 0
            return int(asked.removeprefix("bytes=").removesuffix("-"))

        def head(self, content: bytes, begin: int) -> None:
            self.send_response(206 if begin else 200)
            self.send_header("Content-Type", site.kind)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            if site.length:
                self.send_header("Content-Length", str(len(content) - begin))
            for name, value in (("ETag", site.etag), ("Last-Modified", site.date)):
                if value:
                    self.send_header(name, value)
            self.close_connection = True
            self.end_headers()

        def body(self, rest: bytes) -> None:
            rest = rest[: site.cuts.pop(0)] if site.cuts else rest
            site.sent.append(len(rest))  # before, so that who has read all finds it here
            self.wfile.write(rest)
            self.wfile.flush()
            if site.hold:
                site.hold.wait(30)

        def log_message(self, *_):
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Say nothing when a client breaks off: some are killed."""


@contextmanager
def website() -> Iterator[Site]:
    """A site that answers on 127.0.0.1 while the block runs."""
    site = Site()
    with _Server(("127.0.0.1", 0), _handler(site)) as server:
        site.address = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            if site.hold:
                site.hold.set()
            server.shutdown()
            thread.join()
