"""From the command line's overrides to a configuration: composition, by Hydra; what of it is wrong is one line.

What the configuration means is checked in `check.py`. Nothing heavy is imported here and no file but YAML is read.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from exporter.common.errors import RequestError
from exporter.common.messages import explained, one_of
from exporter.common.paths import CONF, recipe_files
from exporter.config.no_such_recipe import no_such_recipe
from exporter.config.recipe_file import NAME, read_recipe

HYDRAS_CONF = Path(hydra.__file__).parent / "conf"


@dataclass(frozen=True)
class Composed:
    """What Hydra made of the overrides: `config` as it is for this run, the options chosen by group, the overrides, and
    whether this is one run of several."""

    config: DictConfig
    choices: dict[str, str]
    overrides: tuple[str, ...]
    sweeping: bool

    @property
    def recipe_name(self) -> str | None:
        return self.choices.get("recipe")

    def said(self, key: str) -> bool:
        """Whether the command line sets this key or group, or something below it."""
        keys = [override.split("=", 1)[0].lstrip("+~").split("@")[0] for override in self.overrides]
        return any(k == key or k.startswith((f"{key}.", f"{key}/")) for k in keys)


def register_recipes() -> None:
    """Makes every recipe an option of the group `recipe`. A file that is no YAML mapping spoils only itself: it is an
    error for the one who names it."""
    store = ConfigStore.instance()
    for name, paths in recipe_files().items():
        with contextlib.suppress(RequestError):  # `check_named_recipes` says what is wrong if it is asked for
            store.store(group="recipe", name=name, node=read_recipe(paths[0]), package="_global_")


def check_named_recipes(overrides: Sequence[str]) -> None:
    """Raises RequestError for `+recipe=` words that name no recipe, two files, or a file that cannot be read, and for
    overrides that choose what is no name (`backend=true`), at which Hydra raises what its callers do not expect."""
    files = recipe_files()
    parser = OverridesParser.create()
    for override in overrides:
        key, _, value = override.partition("=")
        if key.lstrip("+") != "recipe":
            _check_option(override, parser)
            continue
        if not key.startswith("+"):
            raise RequestError(f"{override}: a recipe is added to the defaults: write +{override}")
        for given in value.strip("'\"").split(","):
            name = given.strip().removesuffix(".yaml")
            if any(sign in name for sign in "*()[]$"):
                continue  # a sweep's own grammar, which Hydra expands
            if name not in files:
                raise RequestError(f"+recipe={name}: {no_such_recipe(name, list(files))}")
            if len(files[name]) > 1:
                both = " and ".join(str(path) for path in files[name])
                raise RequestError(f"+recipe={name}: two files have this name, {both}: rename yours")
            _check_bases(files[name][0], list(files))


def _check_bases(path: Path, known: Sequence[str]) -> None:
    """The recipes that this one begins with, in its defaults list."""
    for entry in read_recipe(path).get("defaults") or ():
        base = str(entry).removeprefix("/recipe/")
        if isinstance(entry, str) and NAME.fullmatch(base) and base not in known:
            raise RequestError(f"recipe {path}: defaults: {entry}: {no_such_recipe(base, known)}")


def _check_option(typed: str, parser: OverridesParser) -> None:
    with contextlib.suppress(HydraException):  # what cannot be parsed is said when all overrides are
        override = parser.parse_override(typed)
        group, value = override.key_or_group, override.value()
        is_group = group == "recipe" or any((conf / group).is_dir() for conf in (CONF, HYDRAS_CONF))
        if not is_group or override.is_sweep_override() or (override.is_delete() and value is None):
            return
        nameless = [each for each in (value if isinstance(value, list) else [value]) if not isinstance(each, str)]
        if nameless:
            options = [path.stem for path in (CONF / group).glob("*.yaml")] if group else []
            known = one_of("no such option", str(nameless[0]), options) if options else "no group that has options"
            raise RequestError(f"{typed}: {known}")


@contextlib.contextmanager
def our_hydra() -> Iterator[None]:
    """Hydra's global state for us alone: a caller that uses Hydra itself finds its own as it left it."""
    state, store, config = GlobalHydra.instance().hydra, ConfigStore.instance(), HydraConfig.instance().cfg
    recipes = store.repo.get("recipe")
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        GlobalHydra.instance().hydra = state
        HydraConfig.instance().cfg = config
        store.repo.pop("recipe", None)
        if recipes is not None:
            store.repo["recipe"] = recipes


@contextlib.contextmanager
def composing() -> Iterator[ConfigLoader]:
    """What knows our groups and the recipes. What Hydra raises of the overrides becomes a RequestError."""
    with our_hydra(), explained("the command line"):
        register_recipes()
        with initialize_config_dir(str(CONF), version_base="1.3", job_name="exporter"):
            yield GlobalHydra.instance().config_loader()


def compose(overrides: Sequence[str]) -> Composed:
    """The configuration for one build. Raises RequestError for anything that cannot be composed."""
    check_named_recipes(overrides)
    with composing(), explain_unknown_keys(overrides):
        return from_hydra(hydra_compose("export", list(overrides), return_hydra_config=True))


@contextlib.contextmanager
def explain_unknown_keys(overrides: Sequence[str]) -> Iterator[None]:
    """Adds to Hydra's "no such key" the keys that there are, from the composition without the overrides that fail."""
    try:
        yield
    except ConfigCompositionException as error:
        unknown = re.search(r"Could not override '([^']+)'", str(error))
        if not unknown:
            raise
        key = unknown[1]
        rest = [override for override in overrides if override.split("=", 1)[0].lstrip("+~") != key]
        GlobalHydra.instance().clear()
        try:
            config = compose(rest).config
        except RequestError:
            raise error from None
        parent, _, name = key.rpartition(".")
        above = OmegaConf.select(config, parent) if parent else config
        allowed = [str(k) for k in above] if isinstance(above, DictConfig) else [str(k) for k in config]
        if name in allowed:  # it is there, and its value is not: Hydra takes new keys only where they are added
            inside = OmegaConf.select(config, key)
            has = ", ".join(map(str, inside)) if isinstance(inside, DictConfig) and inside else "nothing"
            raise RequestError(
                f"{key}: this value holds keys that it does not have; it has {has}; where it takes more they are added,"
                f" +{key}.KEY=VALUE"
            ) from error
        prefix = f"{parent}." if parent and isinstance(above, DictConfig) else ""
        near = one_of("no such key", name if prefix else key, [k for k in allowed if not k.startswith("_")])
        others = [f"{group}={option}" for group, option in _options_with(parent, name)]
        has_it = f"; {' and '.join(others)} {'has' if len(others) == 1 else 'have'} it" if others else ""
        raise RequestError(f"{key}: {near}{f' (below {parent})' if prefix else ''}{has_it}") from error


def _options_with(place: str, key: str) -> Iterator[tuple[str, str]]:
    """Group and option for each option of the group at this place of the configuration whose file has this key."""
    group = place.replace(".", "/")
    for path in sorted((CONF / group).glob("*.yaml")) if group else ():
        if key in OmegaConf.load(path):
            yield group, path.stem


def from_hydra(config: DictConfig) -> Composed:
    """Takes apart a configuration that still has Hydra's own node `hydra`."""
    hydra = config.hydra
    choices = {str(group): str(option) for group, option in hydra.runtime.choices.items()}
    overrides = tuple(str(override) for override in hydra.overrides.task)
    own = deepcopy(config)
    with open_dict(own):
        own.pop("hydra")
    return Composed(own, choices, overrides, hydra.mode == RunMode.MULTIRUN)


def resolved(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain values, interpolations resolved."""
    with explained("the configuration"):
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
