"""Publishing a directory all or nothing.

A build writes into a hidden staging directory beside `output_dir`, on the same filesystem, and the whole directory is
swapped in at the end. Whoever builds holds a lock (flock) on the staging directory itself: it vanishes with the
process, so a staging directory that nobody has locked is what a killed build left behind, and the next build to the
same place takes it over. No file beside `output_dir` outlives a build.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from exporter.artifact import signature
from exporter.common.errors import BuildError, RequestError
from exporter.common.folders import folder_for
from exporter.common.interrupts import has_published, heed, held
from exporter.common.swap import fsync, recover, swap

MANIFEST, STAGING = "manifest.json", ".exporter-staging"
ARTIFACT = frozenset({
    "model.onnx", MANIFEST, "preview.png", "report.html", ".hydra/", "sensitivity.png", "tradeoff.png", "model.engine",
    *signature.NAMES,
})  # fmt: skip
"""What an artifact may hold at its top level besides the files that a backend wrote, which its manifest names;
directories end with a slash."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BROKEN = (errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV)


@contextmanager
def publishing(output_dir: Path, owned: Collection[str] = ARTIFACT, key: str = "output_dir=") -> Iterator[Path]:
    """The staging directory, empty; what the block has written into it becomes `output_dir` when the block succeeds.

    owned: the names that an earlier artifact may hold at its top level, key: what gave the place, for messages.
    When the block raises, `output_dir` is as it was and nothing else is left behind, made parents included.
    Raises RequestError before the block for what `check_output_dir` refuses and while another build writes to the
    same place, and after it if somebody else's file has appeared in `output_dir`; BuildError where the disk is full.
    """
    check_output_dir(output_dir, owned, key)
    given = f"{key}{output_dir}"
    output = Path(os.path.realpath(output_dir))  # a link to a directory stays; the directory behind it is replaced
    staging = output.with_name(f".{output.name}{STAGING}")
    with ExitStack() as opened:
        locks: list[int] = []
        with _in_one_line(given, OSError):
            opened.enter_context(folder_for(staging.parent))
        try:
            with _in_one_line(given, OSError):
                with held():  # a signal between making and locking would leave what nobody removes
                    locks.append(_claim(staging, given))
                    opened.callback(os.close, locks[0])
                recover(staging, output)
                _empty(staging)
            with _in_one_line(given, staging=staging):
                yield staging
            with _in_one_line(given, OSError):
                _sync(staging)
                check_output_dir(output_dir, owned, key)  # a build takes minutes: somebody may have put a file there
                if output.exists():
                    # It goes to the staging path. Locked, so that the next build cannot claim it there while it is
                    # being removed; whoever has it locked is a build that has published and is about to let go.
                    locks.append(os.open(output, os.O_RDONLY | os.O_DIRECTORY))
                    opened.callback(os.close, locks[1])
                    fcntl.flock(locks[1], fcntl.LOCK_EX)
                heed()
                with held():  # between the swap and the note of it a signal would say that nothing was published
                    swap(staging, output)
                    has_published(output_dir)
        finally:
            with held():
                _remove(staging, locks)


def check_output_dir(output_dir: Path, owned: Collection[str] = ARTIFACT, key: str = "output_dir=") -> None:
    """Raises RequestError if an artifact cannot be published there; changes nothing. Absent and empty are fine."""
    given, output = f"{key}{output_dir}", Path(os.path.realpath(output_dir))
    if os.path.ismount(output):
        raise RequestError(f"{given} is a mount point, which cannot be replaced in one step: give a directory below it")
    parent = next(parent for parent in output.parents if os.path.lexists(parent))
    if not parent.is_dir() or (output.exists() and not output.is_dir()):
        file = output if parent.is_dir() else parent
        raise RequestError(f"{given}: {file} is not a directory: give a directory that is new, empty or an artifact's")
    if Path.cwd().is_relative_to(output):
        raise RequestError(f"{given} is or holds the working directory: give a directory below it")
    for directory in [parent, output] if output.exists() else [parent]:
        if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            raise RequestError(f"{given}: {directory} cannot be written: give a directory that can")
    if output.exists() and (foreign := _foreign(output, owned)):
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        raise RequestError(f"{given} holds files that are not an artifact's ({shown}): give a new or empty directory")


def remove_abandoned(folder: Path) -> None:
    """Removes what killed builds to places in `folder` have left there, if no build is going to take it over."""
    for staging in folder.glob(f".*{STAGING}"):
        with suppress(OSError), ExitStack() as opened:
            lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            opened.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            recover(staging, staging.with_name(staging.name.removeprefix(".").removesuffix(STAGING)))
            _remove(staging, [lock])


def _foreign(output: Path, owned: Collection[str]) -> list[str]:
    """The names in `output` that are not a published artifact's: all of them if there is no manifest of ours."""
    with os.scandir(output) as entries:
        names = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
    beside = _backends_files(output / MANIFEST)
    return [name for name in names if beside is None or name not in (*owned, *beside)]


def _backends_files(manifest: Path) -> list[str] | None:
    """The names of the files that a backend wrote beside an artifact; None where that is no manifest of ours."""
    try:
        content = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not {"schema_version", "artifact"} <= content.keys():
        return None
    beside = content.get("intermediate")
    stored = beside.values() if isinstance(beside, dict) else ()
    return [str(each.get("file")) for each in stored if isinstance(each, dict)]


def _claim(staging: Path, given: str) -> int:
    """Makes `staging`, or takes over what a killed build has left; the descriptor that holds the lock on it. Raises
    RequestError where somebody else holds it, and on a file system that has no locks."""
    while True:
        with suppress(FileExistsError):
            staging.mkdir()
        try:
            lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:  # the build that had it has just published
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            line = f"{given}: another build is writing there: wait for it or give another directory"
            raise RequestError(line) from None
        except OSError as error:
            os.close(lock)
            with suppress(OSError):
                staging.rmdir()  # empty, unless it is what a killed build has left
            raise RequestError(
                f"{given}: its file system cannot lock a directory ({error.strerror}), so that two builds at once would"
                " mix: build on another one, and copy"
            ) from error
        if _is(staging, lock):
            return lock
        os.close(lock)  # published or removed between open and lock


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove(staging: Path, locks: list[int]) -> None:
    """Removes `staging` unless it is already another build's. What cannot be removed, the next build tries again."""
    if any(_is(staging, lock) for lock in locks):
        shutil.rmtree(staging, ignore_errors=True)


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _sync(directory: Path) -> None:
    """Flushes every file and directory in it to the disk: after a power cut a renamed directory must not be hollow."""
    for path in [directory, *directory.rglob("*")]:
        fsync(path)


@contextmanager
def _in_one_line(given: str, *refusals: type[OSError], staging: Path | None = None) -> Iterator[None]:
    """A full or broken disk, and what happens to a file in `staging`, as BuildError; the system's `refusals` as
    RequestError; every other error passes."""
    try:
        yield
    except OSError as error:
        line = f"{given}: {error.strerror}" + (f" ({error.filename})" if error.filename else "")
        if error.errno in FULL:
            raise BuildError(f"{line}: nothing was changed there: free some space and build again") from error
        if isinstance(error, refusals):
            raise RequestError(f"{line}: give a directory that can be written") from error
        if error.errno in BROKEN or (staging and Path(str(error.filename)).is_relative_to(staging)):
            raise BuildError(f"{line}: nothing was changed there: look at the disk and build again") from error
        raise
