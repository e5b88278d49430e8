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

from exporter.errors import BuildError, RequestError
from exporter.swap import fsync, recover, swap

MANIFEST = "manifest.json"
ARTIFACT = frozenset({"model.onnx", MANIFEST, "preview.png", ".hydra/"})
"""What an artifact consists of at its top level; directories end with a slash."""


@contextmanager
def publishing(output_dir: Path, owned: Collection[str] = ARTIFACT) -> Iterator[Path]:
    """The staging directory, empty; what the block has written into it becomes `output_dir` when the block succeeds.

    owned: the names that an earlier artifact may hold at its top level.
    When the block raises, `output_dir` is as it was and nothing else is left behind, made parents included.
    Raises RequestError before the block for what `check_output_dir` refuses and while another build writes to the
    same place, and after it if somebody else's file has appeared in `output_dir`; BuildError where the disk is full.
    """
    check_output_dir(output_dir, owned)
    output = Path(os.path.realpath(output_dir))  # a link to a directory stays; the directory behind it is replaced
    staging = output.with_name(f".{output.name}.exporter-staging")
    missing = [parent for parent in staging.parents if not parent.exists()]  # the deepest first
    with ExitStack() as opened:
        locks: list[int] = []
        try:
            with _in_one_line(output_dir, OSError):
                staging.parent.mkdir(parents=True, exist_ok=True)
                locks.append(_claim(staging, output_dir))
                opened.callback(os.close, locks[0])
                recover(staging, output)
                _empty(staging)
            with _in_one_line(output_dir):
                yield staging
            with _in_one_line(output_dir, OSError):
                _sync(staging)
                check_output_dir(output_dir, owned)  # a build takes minutes: somebody may have put a file there
                if output.exists():
                    # It goes to the staging path. Locked, so that the next build cannot claim it there while it is
                    # being removed; whoever has it locked is a build that has published and is about to let go.
                    locks.append(os.open(output, os.O_RDONLY | os.O_DIRECTORY))
                    opened.callback(os.close, locks[1])
                    fcntl.flock(locks[1], fcntl.LOCK_EX)
                swap(staging, output)
        except BaseException:
            _remove(staging, locks)
            with suppress(OSError):  # not empty: somebody else builds below it
                for parent in missing:
                    parent.rmdir()
            raise
        _remove(staging, locks)


def check_output_dir(output_dir: Path, owned: Collection[str] = ARTIFACT) -> None:
    """Raises RequestError if an artifact cannot be published there; changes nothing. Absent and empty are fine."""
    given, output = f"output_dir={output_dir}", Path(os.path.realpath(output_dir))
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


def _foreign(output: Path, owned: Collection[str]) -> list[str]:
    """The names in `output` that are not a published artifact's: all of them if there is no manifest of ours."""
    with os.scandir(output) as entries:
        names = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
    ours = _is_ours(output / MANIFEST)
    return [name for name in names if not ours or name not in owned]


def _is_ours(manifest: Path) -> bool:
    try:
        content = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"schema_version", "artifact"} <= content.keys()


def _claim(staging: Path, output_dir: Path) -> int:
    """Makes `staging`, or takes over what a killed build has left; the descriptor that holds the lock on it."""
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
            line = f"output_dir={output_dir}: another build is writing there: wait for it or give another directory"
            raise RequestError(line) from None
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
def _in_one_line(output_dir: Path, *refusals: type[OSError]) -> Iterator[None]:
    """A full disk as BuildError, the system's `refusals` as RequestError; every other error passes."""
    try:
        yield
    except OSError as error:
        line = f"output_dir={output_dir}: {error.strerror}" + (f" ({error.filename})" if error.filename else "")
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise BuildError(f"{line}: nothing was changed there: free some space and build again") from error
        if isinstance(error, refusals):
            raise RequestError(f"{line}: give a directory that can be written") from error
        raise
