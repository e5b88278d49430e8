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
    """`overrides` are what makes it of the recipe. fp32: whether it computes in float32 throughout."""

    name: str
    overrides: tuple[str, ...]
    fp32: bool = False


def variants() -> list[Variant]:
    """Those of the engines that are installed, the likely best first: a short budget should be spent on them."""
    engines = [("openvino", "backend=openvino")] if installed() else []
    found = []
    for engine, override in [*engines, ("onnxruntime", "backend=onnxruntime")]:
        found += [
            Variant(f"{engine}_int8", (override, "quantization=int8")),
            Variant(engine, (override, "quantization=none"), fp32=True),
        ]
    if engines and CAPABILITIES["bf16"] in about()["capabilities"]:
        found.insert(2, Variant("openvino_bf16", ("backend=openvino", "backend.precision=bf16", "quantization=none")))
    # The FP32 artifact of ONNX Runtime is what accuracy is compared with: it is built whatever the budget is.
    return sorted(found, key=lambda variant: variant.name != "onnxruntime")


def checked(overrides: Sequence[str], variant: Variant, folder: str) -> Recipe:
    """The recipe of a variant, its artifact in `folder`. Raises RequestError for overrides that decide what is to be
    decided here, and as `exporter.config.check.check`."""
    if taken := [override for override in overrides if _group(override) in CHOSEN]:
        raise RequestError(
            f"{', '.join(taken)}: advise chooses {', '.join(CHOSEN[:2])} and where artifacts go (--out): leave it out"
        )
    composed = compose([*overrides, *variant.overrides, f"output_dir='{folder}'"])
    # Images are for those variants that calibrate, as in a sweep.
    return check(replace(composed, sweeping=True))


def recipe_text(overrides: Sequence[str], variant: Variant, name: str, why: str) -> str:
    """A recipe that is the variant: what the overrides say, and its own. Raises RequestError for overrides that a
    recipe cannot say."""
    defaults: list[Any] = []
    keys: list[str] = []
    for override in (*overrides, *variant.overrides):
        key, _, value = override.lstrip("+").partition("=")
        if override.startswith("~") or key == "trust":
            raise RequestError(
                f"--save {name}: {override}: only the command line can say this, not a recipe: leave it out"
            )
        if key == "recipe":
            defaults.append(f"/recipe/{value}")
        elif (CONF / key).is_dir():
            defaults.append({f"override /{key}": value})
        else:
            keys.append(f"{key}={value}")
    head = f"# @package _global_\n# {why}\n#   python -m exporter +recipe={name}\n"
    body = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults}))
    return head + body + (OmegaConf.to_yaml(OmegaConf.from_dotlist(keys)) if keys else "")


def _group(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition(".")[0]
