"""Downloads, against a small server on this machine that misbehaves in every way a server can."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter.common.errors import RequestError
from exporter.common.files import cache_folder
from exporter.model.download import ADDRESSES, DIGESTS, Limits, fetch, fetch_published

DATA = bytes(range(256)) * 4000
SHA = hashlib.sha256(DATA).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Gives each request to `answer`; `requests` keeps the Range header of each."""

    def __init__(self) -> None:
        self.answer: Answer = whole
        self.requests: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.headers.get("Range"))
                outer.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/weights/{{file}}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def head(handler: BaseHTTPRequestHandler, code: int = 200, **headers: object) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def whole(handler: BaseHTTPRequestHandler) -> None:
    head(handler, Content_Length=len(DATA))
    handler.wfile.write(DATA)


def breaks(after: int, **headers: object) -> Answer:
    """A server that closes the connection after that many bytes and understands ranges of the version it names."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        if start and handler.headers.get("If-Range") == headers.get("ETag"):
            head(
                handler,
                206,
                Content_Range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}",
                Content_Length=len(DATA) - start,
            )
        else:
            start = 0
            head(handler, Content_Length=len(DATA), **headers)
        handler.wfile.write(DATA[start : start + after])

    return answer


def files() -> list[Path]:
    return [path for path in cache_folder("weights").rglob("*") if path.is_file()]


def refused(server: Server, reason: str, url: str | None = None, **options) -> str:
    """The line, after which nothing may be left in the cache, not even a part."""
    with pytest.raises(RequestError) as error:
        fetch("net", url or server.url, **options)
    line = str(error.value)
    assert reason in line and "\n" not in line, line
    assert line.endswith(": give a file that you have, model.weights=PATH")
    assert not [path for path in cache_folder("weights").rglob("*") if path.name.endswith(".pth")]
    assert not files()
    return line


def test_once(server, capfd):
    got = fetch("net", server.url)
    assert got.path.read_bytes() == DATA and got.path.name == "net_coco.pth"
    assert got.sha256 == SHA and got.url == server.url.replace("{file}", "net_coco.pth")
    assert fetch("net", server.url, SHA) == got
    assert len(server.requests) == 1 and files() == [got.path]
    out, err = capfd.readouterr()
    assert out == "" and "net_coco.pth" in err


def test_another_address_is_another_file(server):
    first = fetch("net", server.url)
    second = fetch("net", server.url + "?v=2")
    assert first.path != second.path and len(server.requests) == 2


def test_goes_on_where_it_broke(server):
    server.answer = breaks(400_000, ETag='"v1"')
    assert fetch("net", server.url).sha256 == SHA
    assert server.requests == [None, "bytes=400000-", "bytes=800000-"]


def test_begins_anew_if_the_file_has_changed_meanwhile(server):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if len(server.requests) == 1:
            head(handler, Content_Length=len(DATA), ETag='"old"')
            handler.wfile.write(b"x" * 400_000)
        else:
            assert handler.headers["If-Range"] == '"old"'
            whole(handler)  # as a server must whose file is not "old"

    server.answer = answer
    assert fetch("net", server.url).sha256 == SHA


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_does_not_mend_what_may_have_changed(server, headers):
    """Without a name for the file's version no two parts are put together."""
    server.answer = breaks(400_000, **headers)
    refused(server, "400000 of 1024000 bytes came, then the connection ended")
    assert set(server.requests) == {None}


def test_a_range_that_was_not_asked_for(server):
    server.answer = lambda handler: head(handler, 206, Content_Range="bytes 5-9/10", Content_Length=5)
    refused(server, "the server answers 206")


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_error_pages(server, code):
    server.answer = lambda handler: handler.send_error(code)
    refused(server, f"the server answers {code}")
    assert len(server.requests) == 1


def test_a_page_instead_of_a_file(server):
    server.answer = lambda handler: head(handler, Content_Type="text/html; charset=utf-8", Content_Length=5)
    refused(server, "a page of text")


def test_another_digest(server):
    refused(server, f"what came has the sha256 {SHA}, not {'0' * 64}", sha256="0" * 64)


def test_a_copy_in_the_cache_with_another_digest_is_not_used(server):
    path = fetch("net", server.url, SHA).path
    path.write_bytes(b"damaged")
    with pytest.raises(RequestError, match=r"its copy .*net_coco.pth has the sha256 .* remove it and try again"):
        fetch("net", server.url, SHA)


def test_no_length(server):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        head(handler)
        handler.wfile.write(DATA)

    server.answer = answer
    refused(server, "does not say how long the file is")
    assert fetch("net", server.url, SHA).sha256 == SHA


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x"])
def test_redirects_to_other_schemes(server, target):
    server.answer = lambda handler: head(handler, 302, Location=target, Content_Length=0)
    refused(server, "302")


def test_redirects(server):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/end":
            whole(handler)
        else:
            head(handler, 302, Location="/end", Content_Length=0)

    server.answer = answer
    assert fetch("net", server.url).sha256 == SHA
    server.answer = lambda handler: head(handler, 302, Location=handler.path, Content_Length=0)
    with pytest.raises(RequestError, match="302"):
        fetch("loop", server.url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "ftp://host/x", "http:///x", "nonsense"])
def test_other_addresses(server, url):
    refused(server, "not an http or https address", url=url)
    assert not cache_folder("weights").exists()


def test_nobody_there(server):
    refused(server, "refused", url="http://127.0.0.1:9/{file}")


def test_a_server_that_says_nothing(server):
    server.answer = lambda handler: time.sleep(1)
    refused(server, "timed out", limits=Limits(silence=0.2))


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Sends for ever."""
    head(handler)
    try:
        while True:
            handler.wfile.write(b"x" * 10_000)
            time.sleep(0.001)
    except OSError:
        pass


def test_a_server_that_never_ends(server):
    server.answer = drip
    refused(server, "more than 500000 bytes", sha256=SHA, limits=Limits(size=500_000))
    refused(server, "not done after 0.3 seconds", sha256=SHA, limits=Limits(seconds=0.3))
    server.answer = lambda handler: head(handler, Content_Length=10**15)
    refused(server, "announces 1000000000000000 bytes, too many")


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "exporter").write_text("a file")
    with pytest.raises(RequestError, match=r"cannot be kept in .*: give a file that you have"):
        fetch("net", server.url)


@pytest.fixture
def published(monkeypatch):
    """As if `DATA` were the published weights of `net`."""
    monkeypatch.setattr("exporter.model.download.DIGESTS", {"net": SHA})


def test_the_first_address_that_has_the_published_weights(server, published):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        whole(handler) if handler.path.startswith("/lives/") else handler.send_error(403)

    server.answer = answer
    host = server.url.removesuffix("/weights/{file}")
    addresses = [
        f"{host}/dead/{{file}}",
        "http://127.0.0.1:9/{file}",
        f"{host}/lives/{{file}}",
        f"{host}/more/{{file}}",
    ]
    got = fetch_published("net", addresses)
    assert got.url == f"{host}/lives/net_coco.pth" and got.path.read_bytes() == DATA
    assert len(server.requests) == 2
    assert fetch_published("net", addresses) == got
    assert len(server.requests) == 2, "the dead address is asked again though the file is there"


def test_no_address_has_the_published_weights(server, published):
    server.answer = lambda handler: handler.send_error(403)
    with pytest.raises(RequestError) as error:
        fetch_published("net", [server.url, "http://127.0.0.1:9/{file}"])
    line = str(error.value)
    assert "the server answers 403" in line and "127.0.0.1:9/net_coco.pth: " in line and "\n" not in line, line
    assert line.endswith(": give a file that you have, model.weights=PATH") and not files()


def test_published_weights_of_another_digest_are_an_error(server, published):
    server.answer = lambda handler: (head(handler, Content_Length=4), handler.wfile.write(b"evil"))[0]
    with pytest.raises(RequestError, match=f"what came has the sha256 .*, not {SHA}: give a file"):
        fetch_published("net", [server.url, server.url + "?more"])
    assert len(server.requests) == 1 and not files()


def test_the_known_addresses():
    for url in ADDRESSES:
        assert url.startswith("https://") and url.endswith("/models/{file}")
    assert {name: len(digest) for name, digest in DIGESTS.items()} == dict.fromkeys(
        ("yolo_nas_s", "yolo_nas_m", "yolo_nas_l"), 64
    )


def test_the_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder("weights") == Path("/home/somebody/.cache/exporter/weights")
