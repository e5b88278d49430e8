"""What the overrides of a sweep's command line say of the sweep itself: checked before anything is started."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from exporter.common.errors import RequestError
from exporter.common.messages import explained
from exporter.common.paths import CONF
from exporter.config.sweep_constraint import parse

# Hydra's plugins by the group and option that need them, with the extra that brings them.
PLUGINS = {
    ("hydra/launcher", "joblib"): ("hydra-joblib-launcher", "sweep"),
    ("hydra/launcher", "ray"): ("hydra-ray-launcher", "ray"),
    ("hydra/launcher", "ray_cluster"): ("hydra-ray-launcher", "ray"),
    ("hydra/launcher", "submitit_slurm"): ("hydra-submitit-launcher", "slurm"),
    ("hydra/launcher", "submitit_local"): ("hydra-submitit-launcher", "slurm"),
    ("hydra/sweeper", "optuna"): ("hydra-optuna-sweeper", "optuna"),
}


def check_overrides(overrides: Sequence[str]) -> None:
    """Raises RequestError for what would fail every run of the sweep alike: a plugin that is not installed, a
    constraint that is none, a benchmark beside other runs."""
    for (group, option), (package, extra) in PLUGINS.items():
        if value_of(overrides, group) == option and not _installed(package):
            raise RequestError(f"{group}={option}: needs {package}: pip install 'exporter[{extra}]'")
    constraint = value_of(overrides, "sweep.constraint")
    if constraint not in (None, "", "null"):
        try:
            parse(constraint)
        except ValueError as error:
            raise RequestError(f"sweep.constraint={constraint}: {error}") from error
    for benchmark in (value_of(overrides, "benchmark") or "none").split(","):
        refuse_neighbours(value_of(overrides, "hydra/launcher") or "basic", benchmark.strip())


def refuse_neighbours(launcher: str, benchmark: str) -> None:
    """Raises RequestError where a run would be timed while others run beside it."""
    if launcher != "basic" and benchmark != "none":
        raise RequestError(
            f"benchmark={benchmark}: with hydra/launcher={launcher} it would time the runs beside it: leave one of them"
            " out, or time the artifacts afterwards with `exporter benchmark DIR DIR…`"
        )


def sweep_folder(overrides: Sequence[str]) -> Path:
    """The absolute `hydra.sweep.dir`: the command line's, else the one in conf/export.yaml. Raises RequestError where
    it cannot be known before anything is composed."""
    given = value_of(overrides, "hydra.sweep.dir")
    if given is None:
        given = OmegaConf.load(CONF / "export.yaml").hydra.sweep.dir
    with explained(f"hydra.sweep.dir={given}"):
        folder = OmegaConf.create({"dir": given}).dir
    if not folder:
        raise RequestError("hydra.sweep.dir: empty: give the folder for the sweep's runs and its summary")
    return Path(folder).absolute()


def no_run(overrides: Sequence[str]) -> RequestError:
    """What to raise where the overrides of a sweep make no run at all."""
    empty = " ".join(override for override in overrides if "glob(" in override) or "-m"
    return RequestError(f"{empty}: nothing matches, so there is no run: give a pattern of options that exist")


def value_of(overrides: Sequence[str], key: str) -> str | None:
    """What the last of the overrides sets this key to, without quotes; None where none does."""
    given = [
        value
        for name, sign, value in (override.partition("=") for override in overrides)
        if sign and name.lstrip("+") == key
    ]
    return given[-1].strip("'\"") if given else None


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
