"""From a composed configuration to a checked recipe: all that can be known from the command line alone."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from pydantic import ValidationError

from exporter.common.errors import RequestError
from exporter.common.messages import explained, one_of, validation_lines
from exporter.common.node import Settings
from exporter.config.compose import Composed, resolved
from exporter.config.contradictions import contradictions
from exporter.config.nodes import GROUPS, PLACES, class_of
from exporter.config.recipe import Recipe
from exporter.config.recipe_file import NAME
from exporter.config.settings import HIGHEST_OPSET, Export, ProgressSettings, StoreSettings, Sweep
from exporter.model.in_memory import InMemory
from exporter.postprocessing.format import FormatNode
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.postprocessing.parameters import NmsParameters
from exporter.preprocessing.input import Input
from exporter.preprocessing.trained import Trained
from exporter.proof.settings import ProofSettings
from exporter.quantization import QuantizationNode

SETTINGS: dict[str, type[Settings]] = {
    "input": Input, "export": Export, "proof": ProofSettings,
    "store": StoreSettings, "progress": ProgressSettings, "sweep": Sweep,
}  # fmt: skip

UNNAMED = "exporter.model.Unnamed"

KEYS = ("name", "output_dir", "trust", "postprocessing", *SETTINGS, *(p for p in PLACES if "." not in p))


def check(composed: Composed, model: Any = None, digest: str | None = None, as_declared: bool = True) -> Recipe:
    """Raises RequestError that names every mistake; nothing is written, and of the weights only what they say of their
    training is read, and whether a graph is quantized already. `model`, a torch network in memory, takes the place of
    the one that the recipe names; `digest` is the caller's word for what it is. `as_declared`: a checkpoint's word on
    its training holds; version 0.1.0 did not look."""
    if gaps := [key for key in ("name", "output_dir", "trust", "model") if key not in composed.config]:
        # `~key` took it, or somebody edited a manifest. What else is missing is said where it is read.
        raise RequestError("; ".join(f"{key}: is missing, and no build can do without it" for key in gaps))
    with explained("the configuration"):
        missing = sorted(OmegaConf.missing_keys(composed.config))
    if model is not None:
        missing = [key for key in missing if not key.startswith("model.")]
    if missing:
        raise RequestError("; ".join(f"{key}: must be set{_choices(key)}" for key in missing))
    with explained("the configuration"):
        config = resolved(named(_sizes_as_said(composed), composed))
    if model is not None and isinstance(config["model"], dict) and config["model"].get("_target_") == MISSING:
        config["model"]["_target_"] = UNNAMED  # model=custom, and the network is here already
    trusted = _trusted(composed, config)
    if untrusted := list(_untrusted(config, trusted, "")):
        raise RequestError("; ".join(untrusted))  # before anything that they name is looked up
    network, problems = _model(config, model, digest)
    trained = Trained()
    if network is not None:
        try:
            trained = network.trained() if as_declared else network.usual()
            _trained_size(config, trained)
        except RequestError as error:
            problems += list(network.problems()) or [str(error)]  # of what is no file nothing else is worth saying
    values, others = _values(config, [name for name in GROUPS if name != "model"])
    _opset(config, values.get("quantization"), network.own_opset if network is not None else None)
    facts = {} if network is None else {"multiple": network.size_multiple, "declared": network.declared is not None}
    settings, more = _values(config, SETTINGS, facts)
    values |= settings
    problems += others + more
    problems += [f"{key}: {one_of('no such key', key, KEYS)}" for key in config if key not in KEYS]
    problems += _place_problems(config)
    clip, others = _behind_network(config.get("postprocessing"))
    problems += others
    if problems:
        raise RequestError("; ".join(problems))
    assert network is not None  # what is wrong with it was a problem
    takes = values["backend"].capabilities
    own = values["format"].own_nms or network.own_nms
    fixed = not values["input"].dynamic_sides and values["input"].fixed_batch is not None
    if fixed or takes.own_nms_any_shape:
        own = own or takes.own_nms
    values["nms"] = values["nms"].resolved(*trained.thresholds(*network.thresholds), takes, own)
    outside = _outside(values["nms"], values["format"], trained.thresholds(*network.thresholds))
    trained = trained.at(*values["input"].nominal)
    values["preprocessing"] = values["preprocessing"].resolved(trained)
    recipe = Recipe(
        name=str(config["name"]), output_dir=Path(config["output_dir"]), config=config, model=network, trained=trained,
        recipe_name=composed.recipe_name, overrides=composed.overrides, outside=outside, clip=clip, **values,
    )  # fmt: skip
    if problems := list(contradictions(recipe, composed)):
        raise RequestError("; ".join(problems))
    return recipe


def _model(config: dict[str, Any], model: Any, digest: str | None) -> tuple[Any, list[str]]:
    """The model's node, and a clause for each mistake in it; see `check`."""
    values, problems = _values(config, ("model",))
    node = values.get("model")
    if node is not None and model is not None:
        node = InMemory(network=model, replaced=node, digest=digest, class_names=node.class_names)
    return node, problems


def _trained_size(config: dict[str, Any], trained: Trained) -> None:
    """Puts the size that the weights say they are for in place of `auto`. Raises RequestError where nobody says it."""
    sides = config.get("input")
    if not isinstance(sides, dict):
        return
    wanted = [key for key in ("size", "height", "width") if sides.get(key) == "auto"]
    if wanted and trained.size is None:
        sides.update(dict.fromkeys(wanted, "dynamic"))  # so that this is the only thing said of them
        raise RequestError(f"input.{wanted[0]}=auto: the weights do not say which size they are for: give it in pixels")
    if wanted and trained.size is not None:
        height, width = trained.size
        sides.update({key: width if key == "width" else height for key in wanted})


def _opset(config: dict[str, Any], quantization: QuantizationNode | None, own: int | None) -> None:
    """Puts the lowest opset that does in place of `auto`; a graph's own, which nobody has to convert, where it does."""
    export = config.get("export")
    if isinstance(export, dict) and export.get("opset") == "auto":
        least = quantization.minimum_opset if quantization else QuantizationNode.minimum_opset
        export["opset"] = max(least, min(own or 0, HIGHEST_OPSET))


def _values(
    config: dict[str, Any], names: Iterable[str], facts: dict[str, Any] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Settings and nodes by their name in `Recipe`, and a clause for each mistake. facts: of the network, for
    settings that are checked against it."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name in names:
        place = name if name in SETTINGS else GROUPS[name].place
        try:
            kind, given = SETTINGS.get(name), config.get(name, {})
            if kind is None:
                kind, given = class_of(_at(config, place), GROUPS[name])
        except RequestError as error:
            problems.append(str(error))
            continue
        try:
            values[name] = kind.model_validate(given, context=facts)
        except ValidationError as error:
            problems += validation_lines(error, place, list(kind.model_fields))
    return values, problems


def _behind_network(given: Any) -> tuple[bool, list[str]]:
    """`postprocessing.clip`, and a clause for each mistake in `postprocessing` that is in none of its groups."""
    values, keys = given if isinstance(given, dict) else {}, ("nms", "format", "clip")
    problems = [f"postprocessing.{key}: {one_of('no such key', str(key), keys)}" for key in values if key not in keys]
    clip = values.get("clip", False)  # the configuration of an older one does not have it
    if not isinstance(clip, bool):
        problems.append(f"postprocessing.clip={clip}: must be true or false")
    return bool(clip), problems


def _outside(nms: NmsNode, format: FormatNode, thresholds: tuple[float, float]) -> NmsParameters | None:
    """What makes detections of all boxes that leave the graph in a format: the usual rules, with these thresholds."""
    if nms.detects or not format.takes_all_boxes:
        return None
    confidence, overlap = thresholds
    return OnnxNms(multi_label=not format.best_class_only).resolved(confidence, overlap).parameters


def _place_problems(config: dict[str, Any]) -> Iterator[str]:
    """Clauses for a name or a folder that would lead elsewhere, or look like another one."""
    name, output_dir = config["name"], config["output_dir"]
    if not (isinstance(name, str | int) and NAME.fullmatch(str(name)) and len(str(name)) <= 100):
        yield f"name={name!r}: must be letters a to z, digits, . _ and -, at most 100 of them"
    if not (isinstance(output_dir, str | int) and str(output_dir).isprintable() and len(str(output_dir)) < 1000):
        yield f"output_dir={str(output_dir)[:80]!r}: must be the path of a folder"


def named(config: Any, composed: Composed) -> Any:
    """`name: auto` is the recipe's name, else the model's."""
    if config.name == "auto":
        config.name = composed.recipe_name or composed.choices["model"]
    return config


def _sizes_as_said(composed: Composed) -> Any:
    """`input.size` on the command line sets both sides, also where the recipe set them one by one."""
    config = composed.config.copy()
    if composed.said("input.size"):
        for side in ("height", "width"):
            if not composed.said(f"input.{side}"):
                config.input[side] = config.input["size"]
    return config


def _trusted(composed: Composed, config: dict[str, Any]) -> tuple[str, ...]:
    given = config["trust"]
    names = tuple(map(str, given if isinstance(given, list) else [given]))
    if names and not composed.said("trust"):
        raise RequestError(
            f"trust={','.join(names)}: only the command line can trust code, not a recipe: say trust=… there"
        )
    return names


def _untrusted(value: Any, trusted: tuple[str, ...], place: str) -> Iterator[str]:
    """A clause for every `_target_`, however deep, that is neither trusted nor the exporter's own in a place for one:
    elsewhere `exporter.cli.run.os.system` would be found too."""
    if isinstance(value, dict):
        if "_target_" in value:
            target = value["_target_"]
            allowed = ("exporter", *trusted) if place in PLACES else trusted
            if not (isinstance(target, str) and any(target.startswith(f"{name}.") for name in allowed)):
                yield (
                    f"{place}._target_={target}: not allowed; a recipe may name exporter.… and what the command line"
                    f" trusts: if you trust this code, add trust={str(target).split('.')[0]}"
                )
        for key, item in value.items():
            yield from _untrusted(item, trusted, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _untrusted(item, trusted, f"{place}[{i}]")


def _choices(key: str) -> str:
    """What a mandatory key may be, where that is a short list."""
    if key == "model.weights":
        return ": a path to your checkpoint (.pth, .pt, .safetensors), coco or random (shape and speed work only)"
    return ""


def _at(config: dict[str, Any], place: str) -> Any:
    value: Any = config
    for part in place.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
