"""The small set of builds that are worth trying: engines by precisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import OmegaConf

from exporter.common.errors import RequestError
from exporter.common.paths import CONF
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.config.recipe import Recipe
from exporter.runtime.openvino import CAPABILITIES, about, installed

CHOSEN = ("backend", "quantization", "output_dir", "name", "benchmark")
"""Groups and keys that are decided here."""


@dataclass(frozen=True)
class Variant:
    """`words` are what makes it of the recipe."""

    name: str
    words: tuple[str, ...]


def variants() -> list[Variant]:
    """Those of the engines that are installed, the likely best first: a short budget should be spent on them."""
    engines = [("openvino", "backend=openvino")] if installed() else []
    found = []
    for engine, word in [*engines, ("onnxruntime", "backend=onnxruntime")]:
        found += [
            Variant(f"{engine}_int8", (word, "quantization=int8")),
            Variant(engine, (word, "quantization=none")),
        ]
    if engines and CAPABILITIES["bf16"] in about()["capabilities"]:
        found.insert(2, Variant("openvino_bf16", ("backend=openvino", "backend.precision=bf16", "quantization=none")))
    # The FP32 artifact of ONNX Runtime is what accuracy is compared with: it is built whatever the budget is.
    return sorted(found, key=lambda variant: variant.name != "onnxruntime")


def checked(words: Sequence[str], variant: Variant, folder: str) -> Recipe:
    """The recipe of a variant, its artifact in `folder`. Raises RequestError for words that decide what is to be
    decided here, and as `exporter.config.check.check`."""
    if taken := [word for word in words if _group(word) in CHOSEN]:
        raise RequestError(
            f"{', '.join(taken)}: advise chooses {', '.join(CHOSEN[:2])} and where artifacts go (--out): leave it out"
        )
    composed = compose([*words, *variant.words, f"output_dir='{folder}'"])
    # Pictures are for those variants that calibrate, as in a sweep.
    return check(replace(composed, sweeping=True))


def recipe_text(words: Sequence[str], variant: Variant, name: str, why: str) -> str:
    """A recipe that is the variant: what the words say, and its own. Raises RequestError for words that a recipe cannot
    say."""
    defaults: list[Any] = []
    keys: list[str] = []
    for word in (*words, *variant.words):
        key, _, value = word.lstrip("+").partition("=")
        if word.startswith("~") or key == "trust":
            raise RequestError(f"--save {name}: {word}: only the command line can say this, not a recipe: leave it out")
        if key == "recipe":
            defaults.append(f"/recipe/{value}")
        elif (CONF / key).is_dir():
            defaults.append({f"override /{key}": value})
        else:
            keys.append(f"{key}={value}")
    head = f"# @package _global_\n# {why}\n#   python -m exporter +recipe={name}\n"
    body = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults}))
    return head + body + (OmegaConf.to_yaml(OmegaConf.from_dotlist(keys)) if keys else "")


def _group(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition(".")[0]
