"""The folders of a sweep: its own, which one sweep has at a time, and one for each run, named after its overrides."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from omegaconf import OmegaConf

from exporter.artifact.publish import remove_abandoned
from exporter.common.errors import RequestError
from exporter.common.folders import folder_for

RUNS = ".runs"
"""Of a sweep's folder, while it runs: what each run leaves for the summary."""

LONGEST = 200  # bytes of 255, which a name may have: a build stages beside its folder under a longer name
_UNUSABLE = re.compile(r"[/\x00-\x1f\x7f]")


def folder_name(overrides: str) -> str:
    """A run's overrides as the name of one folder: as they are where they can be, else shortened, without slashes and
    with a digest of them all, so that different overrides keep different names."""
    usable = _UNUSABLE.sub("_", overrides)
    if usable == overrides and len(os.fsencode(usable)) <= LONGEST:
        return overrides
    digest = hashlib.sha256(os.fsencode(overrides)).hexdigest()[:12]
    return f"{os.fsencode(usable)[: LONGEST - len(digest) - 1].decode(errors='ignore')}~{digest}"


# For `hydra.sweep.subdir`, which the process that runs a run resolves before any of our code is called there. It
# imports this module to know the function to call; so the resolver is known by then, whatever the launcher.
OmegaConf.register_new_resolver("exporter.folder_name", folder_name, replace=True)


@contextmanager
def sweeping_in(folder: Path) -> Iterator[Path]:
    """The empty folder `RUNS` of a sweep's folder for the block, in which no other sweep writes there.

    Raises RequestError where one does. What an earlier sweep has left in `RUNS` is removed. At the end it goes, and so
    do folders with nothing in them: those of runs that have failed, which Hydra makes, and the sweep's own.
    """
    with ExitStack() as at_end:
        try:
            at_end.enter_context(folder_for(folder))
            at_end.callback(os.close, lock := os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        except OSError as error:
            line = f"hydra.sweep.dir={folder}: {error.strerror}: give a folder that can be written"
            raise RequestError(line) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(
                f"hydra.sweep.dir={folder}: another sweep is writing there: wait for it or give another folder"
            ) from None
        except OSError as error:
            raise RequestError(
                f"hydra.sweep.dir={folder}: its file system cannot lock a folder ({error.strerror}): give one on"
                " another"
            ) from error
        runs = folder / RUNS
        try:
            shutil.rmtree(runs, ignore_errors=True)
            runs.mkdir()
            yield runs
        finally:
            shutil.rmtree(runs, ignore_errors=True)
            remove_abandoned(folder)  # of workers that were killed
            # The deepest first, since a run's folder may lie in others. What is hidden may be another build's.
            for path in sorted(folder.glob("**/"), reverse=True):
                if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path != folder:
                    with suppress(OSError):  # not empty: an artifact
                        path.rmdir()


def claim(runs: Path, key: str, folder: str, num: int, overrides: Sequence[str]) -> None:
    """Makes `folder`, seen from the sweep's, this run's; `key` says where it goes. Raises RequestError where a run with
    other overrides of the same sweep has it; the same overrides again, as a sweeper may try them, build the same
    again."""
    mark = runs / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.claim"
    own = runs / f"{num}.claiming"
    own.write_text(json.dumps([num, list(overrides)]), encoding="utf-8")
    try:
        os.link(own, mark)  # unlike opening a file this makes it and fills it in one step
    except FileExistsError:
        other, theirs = json.loads(mark.read_text(encoding="utf-8"))
        if theirs != list(overrides):
            raise RequestError(
                f"{key}={folder}: run {other} of this sweep goes there too, and would be replaced: leave {key} out, or"
                " give one that differs from run to run, as with ${input.height} in it"
            ) from None
    finally:
        own.unlink()
