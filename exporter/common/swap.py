"""Putting one directory in another's place, in one step where the system can do it."""

import ctypes
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h and linux/fs.h
# A filesystem or a kernel without it, a network's, a container that forbids calls it does not know. Where renaming is
# forbidden altogether, the renames say so.
UNAVAILABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def swap(new: Path, place: Path) -> None:
    """Puts the directory `new` at `place`; what stood there stands at `new` afterwards. Both lie in one directory.

    One step where nothing stands at `place`, and on Linux. Elsewhere three renames with the old directory set aside:
    if the process dies between them, `recover` puts things right. Raises OSError, and then nothing has changed.
    """
    if not place.exists():
        new.rename(place)
    elif not _exchange(new, place):
        try:
            place.rename(_aside(place))
            new.rename(place)
            _aside(place).rename(new)
        except BaseException:
            recover(new, place)
            raise
    with suppress(OSError):  # it has been done, and is found done at the latest when the system writes by itself
        fsync(place.parent)


def recover(new: Path, place: Path) -> None:
    """Ends a swap by renames that was cut short; does nothing if there was none. `new` may exist or not.

    What was replaced ends up at `new`, or in it. It is never removed under the name it has aside: half of it would
    look like the last good artifact to the next run.
    """
    aside = _aside(place)
    if aside.exists():
        if not place.exists():
            aside.rename(place)
        else:
            aside.rename(new / "replaced" if new.exists() else new)


def fsync(path: Path) -> None:
    """Flushes one file or directory to the disk; a directory only where the filesystem has that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP) or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.exporter-replaced")


def _exchange(a: Path, b: Path) -> bool:
    """Exchanges two paths in one step (renameat2(2)); False where system or filesystem cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # a C library older than the call
        return False
    if libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), ctypes.c_uint(RENAME_EXCHANGE)) == 0:
        return True
    code = ctypes.get_errno()
    if code in UNAVAILABLE:
        return False
    raise OSError(code, os.strerror(code), str(b))
