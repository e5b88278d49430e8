"""`python -m tests.tables.reference > conf/README.md`: every group, option and key of a recipe, from the YAML files of
conf/ and their comments, as `exporter schema` reads them."""

import re
from typing import Any

from exporter.common.paths import CONF
from exporter.config.check import SETTINGS
from exporter.config.nodes import PLACES, SECTIONS
from exporter.config.schema.comments import read_comments
from exporter.config.schema.groups import Option, options
from tests.tables.markdown import table

HEAD = """\
# The recipe: every group, option and key

<!-- Written by `python -m tests.tables.reference > conf/README.md` from the YAML files beside it. Edit those. -->

A recipe chooses one option of each group (`override /GROUP: OPTION`) and sets keys. The same on the command line:
`GROUP=OPTION` and `KEY=VALUE`, which win over the recipe. What a recipe does not say keeps its default. The recipes that
ship are in [recipes/](../recipes/README.md).

```yaml
# @package _global_
# YOLO-NAS-S in INT8 for a 320 × 320 camera that gives BGR.
#   python -m exporter +recipe=my_camera
defaults:
  - override /model: yolo_nas_s
  - override /quantization: int8
  - override /postprocessing/format: flat

input:
  size: 320
  channels: bgr
postprocessing:
  nms:
    confidence_threshold: 0.4
```

To begin with your own, copy one into `./recipes`, where it is found by its name from then on; look at what it comes to
without building; change a key. Several values of a key are a [sweep](../exporter/pipeline/README.md#sweeps): `-m
input.size=320,640`.

```bash
python -m exporter recipes --copy yolo_nas_s_int8
python -m exporter +recipe=my_camera --cfg job
python -m exporter +recipe=yolo_nas_s input.batch=dynamic postprocessing.nms.max_predictions_per_image=20
```

A typo, an option without effect, a size that the network cannot take, weights of another network: each is one line that
says what is allowed, before any work starts where that can be known (exit code 2).

Editors with a YAML language server complete and check recipes: `exporter schema > recipes/recipe.schema.json`, and among
the recipe's first comments `# yaml-language-server: $schema=recipe.schema.json`. In a shell
`eval "$(exporter -sc install=bash)"` completes verbs, recipes, groups and keys.

Where an option is `custom`, its `_target_` is a function or class of yours; its package has to be trusted on the command
line (`trust=package`), which a recipe cannot do. `???` means: no default, you say it.
"""


def page() -> str:
    """The text of conf/README.md."""
    said = read_comments(CONF / "export.yaml").keys
    top = [[f"`{key}`", said[key]] for key in ("name", "output_dir", "trust")]
    top.append(["`postprocessing.clip`", said["postprocessing"].removeprefix("clip: ")])
    parts = [HEAD, "## Keys of no group\n", table(("key", "what it is"), top) + "\n"]
    for place in (*PLACES, *SECTIONS, *SETTINGS):
        parts += [f"## {place.replace('.', '/')}\n", *_group(place)]
    return "\n".join(parts)


def _group(place: str) -> list[str]:
    """The options of one group, where there is a choice, and the keys of all of them together."""
    listed = options(place)
    choice = [[f"`{option.name}`", option.summary or "–"] for option in listed]
    hidden = ("_target_", "defaults", "architecture")  # what the option itself is
    keys = dict.fromkeys(key for option in listed for key in option.values if key not in hidden)
    having = {key: [option for option in listed if key in option.values] for key in keys}
    inherits = place in SECTIONS  # each option has every key, and says only what differs
    rows = [_row(place, key, those, those if inherits else listed) for key, those in having.items()]
    parts = [listed[0].summary + "\n"] if len(listed) == 1 else [table(("option", "what it is"), choice) + "\n"]
    return parts + ([table(("key", "default", "what it is"), rows) + "\n"] if rows else [])


def _row(place: str, key: str, having: list[Option], of: list[Option]) -> list[str]:
    """One key: its default and its comment, by option where they differ; and which options have it, if not all."""
    defaults = _by_text({option.name: f"`{_written(option.values[key])}`" for option in having})
    about = _by_text({option.name: option.comments[key] for option in having if key in option.comments})
    allowed = dict.fromkeys(argument for option in having for argument in _words(option.fields.get(key, {})))
    if missing := [argument for argument in allowed if argument not in about + defaults]:
        about = f"{about} ({', '.join(missing)})".strip()
    return [f"`{place}.{key}`", defaults, f"{_which(having, of)}{about}".strip()]


def _which(having: list[Option], of: list[Option]) -> str:
    without = [option.name for option in of if option not in having]
    if not without:
        return ""
    shorter = f"all but {', '.join(without)}" if len(without) < len(having) else ", ".join(o.name for o in having)
    return f"*{shorter}:* "


def _by_text(texts: dict[str, str]) -> str:
    """The one text, or each with the options that it holds for. Texts that differ in the option's name are one."""
    named = {name: re.sub(rf"\b{name}_", "NAME_", text) for name, text in texts.items()}
    names: dict[str, list[str]] = {}
    for name, text in (named if len(set(named.values())) == 1 else texts).items():
        names.setdefault(text, []).append(name)
    if len(names) <= 1:
        return "".join(names)
    return "<br>".join(f"{', '.join(those)}: {text}" for text, those in names.items())


def _written(value: Any) -> str:
    """As YAML has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words(field: dict[str, Any]) -> list[str]:
    """The words that a field may be, where it is a choice of words."""
    kinds = field.get("anyOf", [field])
    return [argument for kind in kinds for argument in kind.get("enum", [kind["const"]] if "const" in kind else [])]


if __name__ == "__main__":
    print(page(), end="")
