"""Fetching published weights once, into a cache: whole and verified, or not at all.

By hand: pooch (1.9), which does the like, begins a broken download anew, knows no limit of size or of time, follows
every redirect and needs requests, so that all that keeps a server in bounds would have to be written around it.
"""

import hashlib
import http.client
import os
import queue
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from exporter.common.errors import RequestError
from exporter.common.files import cache_folder, file_digest

ADDRESSES = (
    "https://d2gjn4b69gu75n.cloudfront.net/models/{file}",
    "https://sg-hub-nv.s3.amazonaws.com/models/{file}",  # has answered 403 since spring 2026
)
"""Of the published weights, in the order in which they are tried."""
DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        "yolo_nas_s": "c1b1d9148ab8ae5d5984699547e850955ff9efccaf568c67b3d605acb4bfe1cb",
        "yolo_nas_m": "b194fc7fa196f76161c6356558bedf04fb99a62325a74a36a4bec3ca8ba48250",
        "yolo_nas_l": "91a06beaa1ce1a651d6691e3198061da996eafc8890503238dedacbd4c392a32",
    }
)
"""sha256 of the published weights, where they are known."""
ATTEMPTS = 4  # of one download whose connection breaks
CHUNK = 1 << 18
DIGITS = 20  # of a length that can be meant
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


@dataclass(frozen=True)
class Limits:
    """When a download is given up: seconds without a byte, seconds in all, bytes in all."""

    silence: float = 30
    seconds: float = 3600
    size: int = 2 << 30


LIMITS = Limits()


@dataclass(frozen=True)
class Downloaded:
    """A file of the cache, the address it came from, and its digest."""

    path: Path
    url: str
    sha256: str


class DownloadError(RequestError):
    """The file cannot be had from one address."""

    def __init__(self, url: str, what: str):
        self.problem = "".join(filter(str.isprintable, f"{url}: {what}"))  # of a server's words, of any length
        super().__init__(f"{self.problem}: give a file that you have, model.weights=PATH")


class OtherBytesError(DownloadError):
    """What the address gave is another file."""


def fetch_published(name: str, addresses: Sequence[str] = ADDRESSES, limits: Limits = LIMITS) -> Downloaded:
    """The published COCO weights of a network, from the cache or from the first of the addresses that has them.

    Raises RequestError as `fetch` does where no address has them, and for a file of another digest than that in
    `DIGESTS`, whatever further addresses there are.
    """
    sha256, problems = DIGESTS.get(name), []
    kept = [url for url in addresses if _place(name, url).exists()]
    for url in kept or addresses:
        try:
            return fetch(name, url, sha256, limits)
        except OtherBytesError:
            raise
        except DownloadError as error:
            problems.append(error.problem)
    raise RequestError(f"{'; '.join(problems)}: give a file that you have, model.weights=PATH")


def fetch(name: str, url: str, sha256: str | None = None, limits: Limits = LIMITS) -> Downloaded:
    """`<name>_coco.pth` from the cache, else from `url`, in which `{file}` stands for that file's name.

    A file in the cache belongs to the address it came from. Progress goes to standard error. Raises RequestError for
    an address that is not http or https, every failure on the way, and a file of another length than announced or of
    another digest than `sha256`; the cache then holds nothing of it.
    """
    path = _place(name, url)
    file, url = path.name, url.replace("{file}", path.name)
    if not _is_address(url):
        raise DownloadError(url, "not an http or https address")
    try:
        if path.exists():
            digest = file_digest(path)
            if sha256 not in (None, digest):
                raise OtherBytesError(
                    url, f"its copy {path} has the sha256 {digest}, not {sha256}: remove it and try again"
                )
            return Downloaded(path, url, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # a name of its own for every process
            part = Path(folder) / file
            with part.open("wb") as out:
                _Download(url, out, limits, needs_length=sha256 is None).run()
                out.flush()
                os.fsync(out.fileno())
            digest = file_digest(part)
            if sha256 not in (None, digest):
                raise OtherBytesError(url, f"what came has the sha256 {digest}, not {sha256}")
            part.replace(path)
    except OSError as error:
        raise DownloadError(url, f"cannot be kept in {path.parent} ({error.strerror})") from error
    return Downloaded(path, url, digest)


def _place(name: str, url: str) -> Path:
    """Where the cache keeps what comes from this address."""
    file = f"{name}_coco.pth"
    return cache_folder("weights") / hashlib.sha256(url.replace("{file}", file).encode()).hexdigest()[:8] / file


class _Download:
    """One file from one address into `out`. A broken connection is taken up where it broke, if the server can say that
    the file is still the same one; else the file is begun anew."""

    def __init__(self, url: str, out: BinaryIO, limits: Limits, needs_length: bool):
        self._url, self._out, self._limits, self._needs_length = url, out, limits, needs_length
        self._deadline = time.monotonic() + limits.seconds
        self._total: int | None = None
        self._validator: str | None = None  # the file's version, as the server names it
        self._opener = urllib.request.build_opener(_OnlyHttp)

    def run(self) -> None:
        """Raises RequestError unless all of the file has come."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(f"download {self._url.rpartition('/')[2]}", total=None)
            problem = ""
            for _ in range(ATTEMPTS):
                before = self._out.tell()
                try:
                    problem = self._attempt(lambda done: progress.update(task, completed=done, total=self._total))
                except urllib.error.HTTPError as error:
                    raise DownloadError(self._url, f"the server answers {error.code} {error.reason}") from error
                except BROKEN as error:
                    problem = str(getattr(error, "reason", error)) or type(error).__name__
                if not problem:
                    return
                if self._out.tell() == before:  # nothing came
                    break
        raise DownloadError(self._url, problem)

    def _attempt(self, show: Any) -> str:
        """Goes on from where `out` ends; what was wrong if the file is not whole then."""
        headers = {"User-Agent": "exporter"}
        if self._out.tell() and self._validator:
            headers |= {"Range": f"bytes={self._out.tell()}-", "If-Range": self._validator}
        request = urllib.request.Request(self._url, headers=headers)
        with self._opened(request) as response:
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {self._out.tell()}-")
            if not (response.status == 206 and goes_on and "Range" in headers):
                self._begin(response)
            while chunk := response.read1(CHUNK):
                self._out.write(chunk)
                show(self._out.tell())
                if self._out.tell() > self._limits.size:
                    raise DownloadError(
                        self._url, f"more than {self._limits.size} bytes have come, too many for weights"
                    )
                if time.monotonic() > self._deadline:
                    raise DownloadError(self._url, f"not done after {self._limits.seconds:g} seconds")
        if self._total in (None, self._out.tell()):
            return ""
        return f"{self._out.tell()} of {self._total} bytes came, then the connection ended"

    def _opened(self, request: urllib.request.Request) -> Any:
        """The server's answer, its headers read; those too may come in drops, each of which begins the silence anew."""
        found: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def open_it() -> None:
            try:
                found.put(self._opener.open(request, timeout=self._limits.silence))
            except Exception as error:  # noqa: BLE001 - raised below, in the thread that asked
                found.put(error)

        threading.Thread(target=open_it, daemon=True).start()
        try:
            answer = found.get(timeout=max(0, self._deadline - time.monotonic()))
        except queue.Empty:
            raise DownloadError(self._url, f"not done after {self._limits.seconds:g} seconds") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _begin(self, response: Any) -> None:
        """Takes down what the server says about the file, and begins it anew."""
        if response.status != 200:
            raise DownloadError(self._url, f"the server answers {response.status} {response.reason}")
        if response.headers.get("Content-Type", "").startswith("text/"):
            raise DownloadError(self._url, "the server sends a page of text")
        length = response.headers.get("Content-Length", "")
        self._total = int(length) if length.isdecimal() and len(length) < DIGITS else None
        if self._total is None and self._needs_length:
            raise DownloadError(self._url, "the server does not say how long the file is, so it may not be whole")
        if self._total is not None and self._total > self._limits.size:
            raise DownloadError(self._url, f"the server announces {self._total} bytes, too many for weights")
        etag = response.headers.get("ETag", "")
        self._validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
        self._out.seek(0)
        self._out.truncate()


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to another scheme, and none from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("https", req.type):
            raise urllib.error.HTTPError(newurl, code, f"{msg}: a redirect to {newurl}, not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:  # of a host or port that cannot be one
        return False
    return parts.scheme in ("http", "https") and bool(host) and url.isprintable() and " " not in url
