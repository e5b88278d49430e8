"""The keys of one group: those of all its options together, each with the types that some option takes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from pydantic import BaseModel

from exporter.common.paths import CONF
from exporter.config.check import SETTINGS
from exporter.config.nodes import GROUPS, SECTIONS, adapter, own_class
from exporter.config.schema.comments import read_comments

LATER = {"$ref": "#/$defs/later"}
PLAIN = {**SETTINGS, **SECTIONS}
"""What has no `_target_`, by its place."""
USER_CODE = r"^(?!exporter\.)[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"


@dataclass(frozen=True)
class Option:
    """A file of conf/: its `values` with interpolations as they are written, what its comments say, and the fields of
    what it configures, by key."""

    name: str
    values: dict[str, Any]
    summary: str
    comments: dict[str, str]
    fields: dict[str, Any]


def options(place: str) -> list[Option]:
    """Every option of the group at this place of the configuration, by name."""
    return [_option(path, place) for path in sorted((CONF / place.replace(".", "/")).glob("*.yaml"))]


def described(listed: Iterable[Option]) -> str:
    """A line for each option: what it is."""
    return "\n".join(f"{option.name}: {option.summary}" for option in listed if option.summary)


def properties(place: str) -> dict[str, Any]:
    """A schema for each key that some option of this group has."""
    listed = options(place)
    keys = dict.fromkeys(key for option in listed for key in option.fields)
    own = {key: _property(key, [option for option in listed if key in option.fields]) for key in keys}
    return own if place in PLAIN else {"_target_": _target(place, listed), **own}


def _option(path: Path, place: str) -> Option:
    values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert isinstance(values, dict)
    comments = read_comments(path)
    fields = _model(values, place).model_json_schema().get("properties", {})
    if values.get("_target_") == "???":  # the adapter's own: the one is `_target_`, the others every key it has not
        fields = {key: field for key, field in fields.items() if key not in ("target", "arguments")}
    return Option(path.stem, {str(k): v for k, v in values.items()}, comments.summary, comments.keys, fields)


def _model(values: Mapping[Any, Any], place: str) -> type[BaseModel]:
    if place in PLAIN:
        return PLAIN[place]
    base = next(base for base in GROUPS.values() if base.place == place)
    found = adapter(base) if values["_target_"] == "???" else own_class(values["_target_"], base)
    assert found is not None and issubclass(found, BaseModel)  # a file of conf/ names what there is
    return found


def _property(key: str, having: list[Option]) -> dict[str, Any]:
    """One key of the options that have it."""
    types: list[dict[str, Any]] = []
    for option in having:
        types += [kind for kind in _types(option.fields[key]) if kind not in types]
    schema = types[0] if types == [{"type": "string"}] else {"anyOf": [*types, LATER]}
    said: dict[str, list[str]] = {}
    for option in having:
        if key in option.comments:
            said.setdefault(option.comments[key], []).append(option.name)
    texts = [text if len(said) == 1 else f"{', '.join(names)}: {text}" for text, names in said.items()]
    return schema | ({"description": "\n".join(texts)} if texts else {}) | _default(key, having)


def _types(field: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The types that a field may be of, in keywords that mean the same in every draft from 7 on."""
    for kind in field.get("anyOf", [field]):
        plain = {word: value for word, value in kind.items() if word not in ("title", "default", "prefixItems")}
        if "prefixItems" in kind:
            plain["items"] = {"anyOf": kind["prefixItems"]}
        yield plain


def _default(key: str, having: list[Option]) -> dict[str, Any]:
    """What a recipe need not say, where that is the same in every option that says it."""
    values = [option.values[key] for option in having if key in option.values]
    if not values or any(value != values[0] for value in values):
        return {}
    written = str(values[0])
    return {} if "???" in written or "${" in written else {"default": values[0]}


def _target(place: str, listed: list[Option]) -> dict[str, Any]:
    known = sorted({option.values["_target_"] for option in listed} - {"???"})
    text = "what does the work; chosen with the option; or your own code, which needs trust"
    return {"anyOf": [{"enum": known}, {"type": "string", "pattern": USER_CODE}, LATER], "description": text}
