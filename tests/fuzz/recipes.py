"""Words of a command line: any option of any group, any key below it, with values that fit, nearly fit, or do not."""

from typing import Any

import yaml
from hypothesis import strategies as st

from exporter.common.paths import CONF, recipe_files
from tests.fuzz.mutations import STRANGE

GROUPS = {
    folder.relative_to(CONF).as_posix(): sorted(file.stem for file in folder.glob("*.yaml"))
    for folder in sorted({file.parent for file in CONF.rglob("*.yaml")} - {CONF})
    if "hydra" not in folder.parts
}
FIXED = ("input", "export", "proof", "store", "progress", "sweep")
"""Groups with one option: their keys alone are of interest."""


def keys(group: str, option: str) -> dict[str, Any]:
    """The keys that this option has, dotted, with their defaults; those of the options that it builds on are left out."""
    content = yaml.safe_load((CONF / group / f"{option}.yaml").read_text(encoding="utf-8"))
    place = group.replace("/", ".")
    return {f"{place}.{key}": value for key, value in content.items() if key != "defaults"}


KEYS = {(group, option): keys(group, option) for group, options in GROUPS.items() for option in options}
ALL_KEYS = sorted({key for each in KEYS.values() for key in each} | {"name", "output_dir", "trust"})
# Values that some key takes.
FITTING = [
    "auto", "true", "false", "null", "0", "1", "2", "3", "7", "18", "19", "20", "0.01", "0.5", "0.25", "1.0", "99.9", "64", "96", "320", "dynamic",
    "uint8", "float32", "float16", "nchw", "nhwc", "rgb", "bgr", "cpu", "u8s8", "s8s8", "minmax", "mse", "entropy", "percentile", "moving_average",
    "demo", "random", "yolo_nas", "ppyoloe", "none", "[]", "{}", "[1,2,4]", "[a]", "[a,b]", "text", "json", "val", "drop<=0.5", "drop", "1 GB",
    "[Conv]", "['*']", "tests.demo.training.networks.small",
]  # fmt: skip
ODD = [
    "", " ", "'", '"', "[", "]", "{", "}", "(", "a,b", "a=b", "a:b", "${name}", "${input.size}", "${no.such}", "${oc.env:HOME}", "${", "}$",
    "???", "1e400", "-1", "-1e-9", "0x40", "1_000", "9999999999999999999999", "nan", "inf", ".5", "true_", "nu11", "\u0430uto", "\uff16\uff14", "\u0661", "a\u202eb",
    "\u2028", "\x00", "a\nb", "../..", "~nobody/x", "/dev/zero", "os.system", "exporter.cli.run.main", "exporter...", "a" * 3000, "choice(1,2)", "range(3)", "glob(*)", "\\", "\\'",
    "[[1],[2]]", "{a:{b:1}}", "{_target_:os.system}", "[1,", "!!python/name:os.system", "'a' 'b'",
]  # fmt: skip
texts = (
    st.sampled_from(FITTING)
    | st.sampled_from(FITTING)
    | st.sampled_from(ODD)
    | st.text(max_size=6)
    | st.integers().map(str)
    | st.floats().map(str)
)


@st.composite
def overrides(draw: st.DrawFn, most: int = 6) -> list[str]:
    """What somebody might type: mostly choices and keys that exist, now and then a word that is not one."""
    said = []
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(recipe_files())))
        said.append(f"+recipe={name}")
    else:
        said.append(f"model={draw(st.sampled_from(GROUPS['model']))}")
    chosen = {}
    for group in draw(st.lists(st.sampled_from(sorted(GROUPS)), max_size=4, unique=True)):
        chosen[group] = draw(st.sampled_from(GROUPS[group]))
        if group not in FIXED and group != "model":
            said.append(f"{group}={chosen[group]}")
    if draw(st.booleans()):
        said.append("model.weights=random")
    near = [key for group, option in chosen.items() for key in KEYS[group, option]] or ALL_KEYS
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(["key", "key", "key", "any key", "group", "typo", "sign", "text"]))
        key = draw(st.sampled_from(near if kind == "key" else ALL_KEYS))
        if kind == "group":
            group = draw(st.sampled_from([*GROUPS, "modell", "postprocessing", "hydra/launcher", "m\u043edel", ""]))
            said.append(f"{group}={draw(st.sampled_from([o for os in GROUPS.values() for o in os]) | texts)}")
        elif kind == "typo":
            said.append(f"{key[:-1]}={draw(texts)}")
        elif kind == "sign":
            said.append(f"{draw(st.sampled_from(['+', '++', '~', '-', '@', '/']))}{key}={draw(texts)}")
        elif kind == "text":
            said.append(draw(st.text(max_size=12) | texts))
        else:
            said.append(f"{key}={draw(texts)}")
    return draw(st.permutations(said)) if len(said) > 1 else said


# The content of a recipe's file: choices and keys as trees.
@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    values = st.sampled_from(STRANGE) | st.sampled_from([True, 1, 64, 0.5, "auto", "dynamic", "u8s8", [], {}])
    content: dict[str, Any] = {"defaults": []}
    for group in draw(st.lists(st.sampled_from(["model", *GROUPS]), min_size=1, max_size=4)):
        content["defaults"].append({f"override /{group}": draw(st.sampled_from(GROUPS[group]))})
    for key in draw(st.lists(st.sampled_from(ALL_KEYS), max_size=4, unique=True)):
        *above, last = key.split(".")
        inside = content
        for part in above:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                break
        else:
            inside[last] = draw(values)
    return content
