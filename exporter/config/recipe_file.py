"""A recipe's file, which a stranger may have written: what it may say is checked before Hydra sees it.

Hydra trusts its configuration: from it come callbacks, loggers and launchers, which are calls of any function, and
resolvers that read the environment. So a recipe chooses options by name, sets keys, names other keys' values, and says
of Hydra's own only what a sweep is over.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from exporter.common.errors import RequestError
from exporter.common.messages import explained
from exporter.common.yaml_text import read_yaml_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Of recipes, options and artifacts: nothing that climbs out of a folder, and no letters that only look like these."""
_GROUP = re.compile(r"(override )?/?[a-z0-9_]+(/[a-z0-9_]+)*")
_KEY_OF_A_VALUE = re.compile(r"\$\{[A-Za-z0-9_.\[\]]+\}")  # a name and a colon would be a resolver
SWEEPS = {
    "sweep": ("dir",),
    "sweeper": (
        "params", "max_batch_size", "direction", "n_trials", "n_jobs", "max_failure_rate", "study_name", "sampler",
    ),
}  # fmt: skip
"""What a recipe may say of Hydra's own, below `hydra`."""


def read_recipe(path: Path) -> DictConfig:
    """The file's content, nothing resolved. Raises RequestError that begins with the path, for the first mistake."""
    label = f"recipe {path}"
    if not NAME.fullmatch(path.stem):
        raise RequestError(f"{label}: a recipe's name has letters a to z, digits, . _ and -: rename the file")
    return _read(label, read_yaml_text(path, label, "start from `recipes --copy`"))


@lru_cache(256)
def _read(label: str, text: str) -> DictConfig:
    """Once for each text: every composition reads every recipe."""
    with explained(label):
        recipe = OmegaConf.create(text)
        assert isinstance(recipe, DictConfig)
        content = OmegaConf.to_container(recipe, resolve=False)
        for problem in _problems(content):
            raise RequestError(f"{label}: {problem}")
    return recipe


def _problems(content: Any) -> Iterator[str]:
    yield from _of_strings(content, "")
    yield from _of_defaults(content.get("defaults", []))
    yield from _of_hydra(content.get("hydra", {}))


def _of_strings(value: Any, place: str) -> Iterator[str]:
    """A clause for each text that Hydra would resolve to something else than another key's value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _of_strings(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _of_strings(item, f"{place}[{i}]")
    elif isinstance(value, str) and "\0" in value:
        yield f"{place}: holds a zero byte: write text"
    elif isinstance(value, str) and "${" in _KEY_OF_A_VALUE.sub("", value):
        yield (
            f"{place}={value[:80]!r}: a recipe may name another key's value, ${{key}}, and nothing else with ${{…}}: it"
            " would read the environment or run code: set it on the command line"
        )


def _of_defaults(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and len(entry) == 1:
            ((group, option),) = entry.items()
            fine = isinstance(group, str) and _GROUP.fullmatch(group) and (option is None or _is_choice(option))
        else:
            fine = entry == "_self_" or (isinstance(entry, str) and _is_choice(entry.removeprefix("/recipe/")))
        if not (fine and isinstance(entries, list)):
            yield (
                f"defaults: {str(entry)[:80]!r}: each is `override /GROUP: OPTION`, another recipe's name or _self_,"
                " and names no other place: see conf/README.md"
            )


def _is_choice(option: Any) -> bool:
    return isinstance(option, str) and bool(
        NAME.fullmatch(option) or option == "???" or _KEY_OF_A_VALUE.fullmatch(option)
    )


def _of_hydra(given: Any) -> Iterator[str]:
    """A clause for each setting of Hydra's own that is not what a sweep is over and where it goes."""
    for key, value in given.items() if isinstance(given, dict) else [("", given)]:
        if key == "mode":
            continue
        if key not in SWEEPS or not isinstance(value, dict):
            yield _not_from_a_recipe(f"hydra.{key}".removesuffix("."))
            continue
        for name in value:
            if name not in SWEEPS[key]:
                yield _not_from_a_recipe(f"hydra.{key}.{name}")
        if key == "sweeper":
            yield from _of_sweep(value)


def _of_sweep(sweeper: dict[Any, Any]) -> Iterator[str]:
    """Its `params` are overrides of the command line, which may say more than a recipe."""
    if "_target_" in (sweeper.get("sampler") or {}):
        yield _not_from_a_recipe("hydra.sweeper.sampler._target_")
    params = sweeper.get("params") or {}
    for key, value in params.items() if isinstance(params, dict) else [(str(params), "")]:
        if str(key).lstrip("+~").partition(".")[0].partition("/")[0] in ("trust", "hydra") or ".." in str(value):
            yield _not_from_a_recipe(f"hydra.sweeper.params.{key}")


def _not_from_a_recipe(key: str) -> str:
    return f"{key}: only the command line can set this, not a recipe: say it there"
