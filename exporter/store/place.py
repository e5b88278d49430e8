"""Where results lie: a folder for each, under its key, that many processes use at once.

    STORE/results/ab/abcdef…/   entry.json and the result's files
    STORE/making/…              what is being written; whoever writes it holds a lock (flock) on it
    STORE/locks/abcdef…         held while that result is computed, so that nobody else computes it too

A result is written elsewhere and renamed into place: it is there whole or not at all. What is read is held against the
digests in entry.json: a damaged result is dropped, said and computed again.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.common.errors import BuildError

Files = dict[str, bytes]


@dataclass(frozen=True)
class Entry:
    """A result that is there. stage: what made it; label: the recipe it was made for; key_inputs: see `exporter.store
    .key`; seconds: how long that took; bytes: of its files; used: when it was last read or written, in seconds since
    1970."""

    key: str
    stage: str
    label: str
    key_inputs: dict[str, Any]
    seconds: float
    bytes: int
    used: float


class Store:
    """The results below one folder. `warn` is told what went wrong and did not stop anything."""

    def __init__(self, path: Path, max_bytes: int, warn: Callable[[str], None]):
        self.path = path
        self._max_bytes = max_bytes
        self._warn = warn
        self._unusable = False  # said once, not for every result
        self._unseen = max_bytes  # bytes written since sizes were last added up: at first nobody knows

    def read(self, key: str) -> Files | None:
        """The files of a result, None where there is none. A damaged one is dropped."""
        folder = self._folder(key)
        try:
            entry = json.loads((folder / "entry.json").read_bytes())
            files = {name: (folder / name).read_bytes() for name in entry["files"]}
        except (FileNotFoundError, NotADirectoryError):  # never made, or somebody needed room
            # A file of it alone is gone where a removal was cut short: it would stand in the way of the next one.
            return self._drop(key, "is not whole") if key in self else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return self._drop(key, f"cannot be read ({error})")
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != entry["files"][name]:
                return self._drop(key, f"{name} is not what was written")
        with contextlib.suppress(OSError):
            os.utime(folder / "entry.json")
        return files

    def __contains__(self, key: str) -> bool:
        return (self._folder(key) / "entry.json").is_file()

    def write(
        self, key: str, stage: str, label: str, key_inputs: Mapping[str, Any], files: Files, seconds: float
    ) -> bool:
        """Keeps a result; whether that went well. A full disk or a folder that cannot be written is said and no more:
        whoever computed it has it."""
        entry = {
            "stage": stage, "label": label, "seconds": round(seconds, 2), "material": key_inputs,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            "bytes": sum(map(len, files.values())),
        }  # fmt: skip
        try:
            making = self.path / "making"
            making.mkdir(parents=True, exist_ok=True)
            folder = making / uuid.uuid4().hex  # not a temporary folder's mode: others may share the store
            folder.mkdir()
            try:
                with _locked(folder):
                    for name, content in files.items():
                        (folder / name).write_bytes(content)
                    (folder / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
                    target = self._folder(key)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if target.exists() and key not in self:  # left of a removal that was cut short
                        self._discard(target)
                    try:
                        folder.rename(target)  # which never replaces a folder that holds something
                    except OSError as error:
                        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # somebody else was faster: the same
                            raise
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            self._unseen += entry["bytes"]
            if self._unseen * 100 >= self._max_bytes:  # all of the store is looked through: not for every small result
                self._make_room(self._max_bytes)
        except OSError as error:
            self._say_unusable(error)
            return False
        return True

    @contextlib.contextmanager
    def computing(self, key: str) -> Iterator[None]:
        """Held while a result is computed: others who need it wait and find it. Where files cannot be locked there, all
        compute it, which is slower and no worse."""
        try:
            locks = self.path / "locks"
            locks.mkdir(parents=True, exist_ok=True)
            lock = os.open(locks / key, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            self._say_unusable(error)
            yield
            return
        try:
            with contextlib.suppress(OSError):  # a network file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def entries(self) -> list[Entry]:
        """All results, the one longest unused first."""
        found = []
        for file in self.path.glob("results/*/*/entry.json"):
            try:
                entry, used = json.loads(file.read_bytes()), file.stat().st_mtime
                found.append(
                    Entry(file.parent.name, entry["stage"], entry["label"], entry["material"], entry["seconds"],
                          entry["bytes"], used)
                )  # fmt: skip
            except (OSError, ValueError, KeyError, TypeError):
                continue  # whoever needs it drops it
        return sorted(found, key=lambda entry: entry.used)

    def collect(self, everything: bool = False) -> tuple[int, int]:
        """Removes what killed builds left and what is beyond the largest size, or all results; how many results that
        were, and their bytes. Raises BuildError for what cannot be removed."""
        for folder in self.path.glob("making/*"):
            if _unlocked(folder):
                shutil.rmtree(folder, ignore_errors=True)
        for lock in self.path.glob("locks/*"):
            with contextlib.suppress(OSError):
                if _unlocked(lock):
                    lock.unlink()
        count, freed, left = self._make_room(0 if everything else self._max_bytes)
        if left:
            raise BuildError(f"store: {self.path}: {left} results cannot be removed: write permission is needed there")
        if everything:
            shutil.rmtree(self.path / "results", ignore_errors=True)  # what has no entry.json
        return count, freed

    def _make_room(self, wanted: int) -> tuple[int, int, int]:
        """Removes results, the one longest unused first, until the rest fits into `wanted` bytes: how many that were,
        their bytes, and how many could not be removed."""
        sizes = []
        for file in self.path.glob("results/*/*/entry.json"):
            with contextlib.suppress(OSError):
                used = file.stat().st_mtime
                sizes.append((used, sum(each.stat().st_size for each in file.parent.iterdir()), file.parent))
        total, count, freed, left = sum(size for _, size, _ in sizes), 0, 0, 0
        for _, size, folder in sorted(sizes):
            if total - freed <= wanted:
                break
            if self._discard(folder):
                count, freed = count + 1, freed + size
            else:
                left += 1
        self._unseen = 0
        return count, freed, left

    def _folder(self, key: str) -> Path:
        return self.path / "results" / key[:2] / key

    def _drop(self, key: str, reason: str) -> None:
        self._warn(f"store: {self._folder(key)}: {reason}: dropped, to be made again")
        self._discard(self._folder(key))

    def _discard(self, folder: Path) -> bool:
        """Out of the way in one step, so that nobody reads half of it, then away; whether it is."""
        aside = self.path / "making" / uuid.uuid4().hex
        try:
            aside.parent.mkdir(exist_ok=True)
            folder.rename(aside)
        except OSError:  # where there is no room to move it there may be to remove it: half of it is not taken for all
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
        return not folder.exists()

    def _say_unusable(self, error: OSError) -> None:
        if not self._unusable:
            self._unusable = True
            self._warn(f"store: {self.path}: {error.strerror or error}: results are not kept")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unlocked(path: Path) -> bool:
    """Whether nobody holds a lock on it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
