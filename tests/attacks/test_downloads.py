"""Hostile servers of weights: nothing that they send stays in the cache or is waited for longer than the limits say.

What a server can do wrong without meaning harm is in tests/model/test_download.py."""

import contextlib
import gzip
import time
from http.server import BaseHTTPRequestHandler

import pytest

from exporter.common.errors import RequestError
from exporter.common.files import cache_folder
from exporter.model.checkpoint import read_checkpoint
from exporter.model.download import Limits, fetch
from tests.model.test_download import DATA, SHA, Answer, head, server  # noqa: F401 - a fixture

LIMITS = Limits(silence=0.2, seconds=0.5, size=2_000_000)


def raw(data: bytes, pause: float = 0) -> Answer:
    """Sends these bytes as the whole answer, one at a time with pauses if there are any."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):
            for byte in [data] if not pause else [data[i : i + 1] for i in range(len(data))]:
                handler.wfile.write(byte)
                handler.wfile.flush()
                time.sleep(pause)

    return answer


def sent(body: bytes = b"", code: int = 200, **headers: object) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        head(handler, code, **headers)
        with contextlib.suppress(OSError):
            handler.wfile.write(body)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, Answer] = {
    "fewer bytes than announced": sent(DATA[:100], Content_Length=len(DATA)),
    "more bytes than are taken": sent(bytes(3_000_000), Content_Length=3_000_000),
    "a petabyte": sent(Content_Length=10**15),
    "a negative length": sent(DATA, Content_Length=-5),
    "a length of words": sent(DATA, Content_Length="many"),
    "a length of 5000 digits": sent(DATA, Content_Length="9" * 5000),
    "a length in other digits": sent(DATA, Content_Length="\u00b2"),
    "chunks without end": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffffffffffffffff\r\n"),
    "chunks of negative size": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n"),
    "body in drops": raw(OK + b"Content-Length: 1000\r\n\r\n" + bytes(1000), pause=0.05),
    "headers in drops": raw(OK + b"X: " + b"a" * 1000, pause=0.05),
    "a header of 100 KB": raw(OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n"),
    "ten thousand headers": raw(OK + b"X: a\r\n" * 10_000 + b"\r\n"),
    "no answer": raw(b""),
    "zeros": raw(bytes(1000)),
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.0\r\n"),
    "escapes in its words": raw(b"HTTP/1.1 404 \x1b[2J\x07evil\r\n\r\n"),
    "a redirect to a file": sent(code=302, Location="file:///etc/passwd", Content_Length=0),
    "a redirect to a folder": sent(code=301, Location="/etc/passwd", Content_Length=0),
    "a redirect to ftp": sent(code=307, Location="ftp://127.0.0.1/x", Content_Length=0),
    "a redirect to nowhere": sent(code=302, Content_Length=0),
    "a redirect with an escape": sent(code=302, Location="file:///\x1b[2J", Content_Length=0),
    "a redirect of 100 KB": sent(code=302, Location="/" + "a" * 60_000, Content_Length=0),
    "a page": sent(b"<html>", Content_Type="text/html", Content_Length=6),
    "part of another file": sent(b"x" * 10, 206, Content_Range="bytes 0-9/10", Content_Length=10),
    "no content": sent(code=204),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_refused(what, server):  # noqa: F811 - the fixture
    server.answer = ANSWERS[what]
    with pytest.raises(RequestError) as error:
        fetch("net", server.url, limits=LIMITS)
    line = str(error.value)
    assert line.startswith("http://127.0.0.1") and line.isprintable() and len(line) < 1000, line[:500]
    assert not [path for path in cache_folder("weights").rglob("*") if path.is_file()]


def test_another_digest(server):  # noqa: F811
    server.answer = sent(DATA[::-1], Content_Length=len(DATA))
    with pytest.raises(RequestError, match="what came has the sha256"):
        fetch("net", server.url, SHA, limits=LIMITS)
    assert not [path for path in cache_folder("weights").rglob("*") if path.is_file()]


def test_nothing_is_unpacked(server):  # noqa: F811
    """A gzip bomb stays as small as it came, and is no checkpoint."""
    bomb = gzip.compress(bytes(100 << 20))
    server.answer = sent(bomb, Content_Length=len(bomb), Content_Encoding="gzip")
    path = fetch("net", server.url, limits=LIMITS).path
    assert path.stat().st_size == len(bomb)
    with pytest.raises(RequestError, match="not a PyTorch checkpoint"):
        read_checkpoint(path)


URLS = [
    "file:///etc/passwd", "/etc/passwd", "FILE:///etc/passwd", "ftp://host/x", "data:,x", "jar:http://x!/y", "http:///x",
    "//host/x", "javascript:x", "http://", "", "http://[::1", "http://host:99999/x", "http://127.0.0.1:1/\x1b[2J",
    "http://127.0.0.1:1/a b", "http://127.0.0.1:1/x\r\nHost: evil", "http://" + "a" * 5000 + "/x",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_addresses(url, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(RequestError) as error:
        fetch("net", url, limits=LIMITS)
    assert "\n" not in str(error.value) and not [path for path in tmp_path.rglob("*") if path.is_file()]
