"""The schema of a recipe's file: its list of choices, and every key that it may set.

Only keywords that mean the same in JSON schema's drafts 7 and 2020-12: older YAML language servers know no later one.
"""

import json
from typing import Any

from exporter.common.paths import CONF, RECIPES
from exporter.config.check import KEYS, SETTINGS
from exporter.config.nodes import PLACES, SECTIONS
from exporter.config.schema.comments import read_comments
from exporter.config.schema.groups import LATER, PLAIN, described, options, properties

TRUST = "trust"
"""The one key that only the command line may set."""


def schema_text() -> str:
    """The schema as JSON, the same for the same exporter."""
    return json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"


def recipe_schema() -> dict[str, Any]:
    """Nothing is required, since a recipe sets what differs; a key that no option has is refused."""
    said = read_comments(CONF / "export.yaml").keys
    plain = [key for key in KEYS if key not in (TRUST, "postprocessing", *SETTINGS, *PLACES)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of exporter",
        "type": "object",
        "properties": {
            "defaults": _defaults(),
            **{key: {"type": "string", "description": said[key]} for key in plain},
            **_groups(),
            "hydra": {"type": "object", "description": "Hydra's own settings, such as those of a sweep"},
        },
        "additionalProperties": False,
        "allOf": [_user_arguments(place) for place in PLACES],
        "$defs": {
            "later": {
                "type": "string",
                "pattern": r"^\?\?\?$|\$\{",
                "description": "??? is to be set on the command line; ${key} is another key's value",
            }
        },
    }


def _groups() -> dict[str, Any]:
    """A schema for the keys of each group, in the order of the configuration's sections."""
    groups: dict[str, Any] = {}
    for place in (*SETTINGS, *PLACES, *SECTIONS):
        *above, name = place.split(".")
        around = groups
        for part in above:
            around = around.setdefault(part, _mapping({}))["properties"]
        around[name] = _mapping(properties(place), place in PLAIN)
    text = read_comments(CONF / "export.yaml").keys["postprocessing"]
    clip = {"anyOf": [{"type": "boolean"}, LATER], "description": text, "default": False}
    groups["postprocessing"]["properties"]["clip"] = clip
    return groups


def _mapping(keys: dict[str, Any], closed: bool = True) -> dict[str, Any]:
    return {"type": "object", "properties": keys} | ({"additionalProperties": False} if closed else {})


def _defaults() -> dict[str, Any]:
    """The list of choices: `override /GROUP: OPTION`, other recipes to begin with, and `_self_`."""
    choices = {}
    for place in (*SETTINGS, *PLACES, *SECTIONS):
        listed = options(place)
        enum = {"enum": [option.name for option in listed]}
        choices[f"override /{place.replace('.', '/')}"] = {"anyOf": [enum, LATER], "description": described(listed)}
    recipes = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    choice = {
        "type": "object",
        "properties": choices,
        "patternProperties": {"^override /hydra/": {"type": ["string", "null"]}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    other = {
        "anyOf": [{"enum": ["_self_", *recipes]}, {"type": "string", "pattern": r"^(/recipe/)?[^\s/@:]+$"}],
        "description": "another recipe to begin with, or _self_: where this file's own keys come",
    }
    return {
        "type": "array",
        "items": {"anyOf": [choice, other]},
        "description": "what is chosen of each group: override /GROUP: OPTION",
    }


def _user_arguments(place: str) -> dict[str, Any]:
    """Keys that no option has are refused, but where the group is user code, whose arguments they are."""
    group = f"override /{place.replace('.', '/')}"
    own = {"type": "object", "properties": {group: {"pattern": r"^custom$|\$\{"}}, "required": [group]}
    other_recipe = {"type": "string", "pattern": "^(?!_self_$)"}
    chosen = {
        "properties": {"defaults": {"type": "array", "contains": {"anyOf": [own, other_recipe]}}},
        "required": ["defaults"],
    }
    named = {"properties": {"_target_": {"pattern": r"^(?!exporter\.)"}}, "required": ["_target_"]}
    return {
        "if": {"anyOf": [chosen, _below(place, named, required=True)]},
        "else": _below(place, {"propertyNames": {"enum": list(properties(place))}}, required=False),
    }


def _below(place: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    """What holds for the mapping at this place, which, if `required`, has to be there."""
    for part in reversed(place.split(".")):
        schema = {"properties": {part: schema}} | ({"required": [part]} if required else {})
    return schema
