"""A checked recipe: what `exporter.pipeline.build.build` gets. All that the words alone can tell is checked here."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from pydantic import ValidationError

from exporter.common.errors import RequestError
from exporter.common.messages import explained, in_one_line, one_of, validation_lines
from exporter.common.node import Node
from exporter.config.compose import Composed, resolved
from exporter.config.contradictions import contradictions
from exporter.config.recipe_file import NAME
from exporter.config.settings import Export, Input, ProgressSettings, ProofSettings, Settings, StoreSettings, Sweep
from exporter.model.custom import ModelInMemory
from exporter.preprocessing.trained import Trained

# Where a node stands in the configuration, by the name it has in `Recipe`.
NODES = {
    "model": "model",
    "preprocessing": "preprocessing",
    "quantization": "quantization",
    "calibration": "calibration",
    "nms": "postprocessing.nms",
    "format": "postprocessing.format",
    "backend": "backend",
    "evaluation": "evaluation",
    "benchmark": "benchmark",
}

SETTINGS: dict[str, type[Settings]] = {
    "input": Input, "export": Export, "proof": ProofSettings,
    "store": StoreSettings, "progress": ProgressSettings, "sweep": Sweep,
}  # fmt: skip

OTHERS = (*SETTINGS, *(name for name in NODES if name != "model"))
"""What is checked once the model is known."""

UNNAMED = "exporter.model.custom.Unnamed"

KEYS = ("name", "output_dir", "trust", "postprocessing", *SETTINGS, *(p for p in NODES.values() if "." not in p))


class _LeftOut:
    """Stands where a part of a recipe has nothing: whoever reads it depends on more than was said."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name}: of a field that this part of the recipe leaves out")


LEFT_OUT: Any = _LeftOut()


@dataclass(frozen=True)
class Recipe:
    """One build, checked: settings, a node for each group, and where it came from."""

    name: str
    output_dir: Path
    input: Input
    export: Export
    proof: ProofSettings
    store: StoreSettings
    progress: ProgressSettings
    sweep: Sweep
    model: Any
    preprocessing: Any
    quantization: Any
    calibration: Any
    nms: Any
    format: Any
    backend: Any
    evaluation: Any
    benchmark: Any
    trained: Trained
    config: dict[str, Any]
    recipe_name: str | None
    overrides: tuple[str, ...]

    def part(self, *names: str, **others: Any) -> "Recipe":
        """The recipe with the fields of these names alone, and `others` in place of what it has: to read anything else
        is an error. What is made of a part depends on nothing but the part."""
        rest = {field.name: LEFT_OUT for field in fields(self) if field.name not in names}
        return replace(self, **{**rest, **others})

    @property
    def nodes(self) -> dict[str, Any]:
        """What is not left out, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not LEFT_OUT}

    @property
    def num_batch(self) -> int | None:
        """The batch size, None where it is dynamic."""
        return self.input.fixed_batch

    @property
    def quantization_scheme(self) -> str:
        """What `quantization.scheme` says, or the backend where that is "auto"."""
        said = getattr(self.quantization, "scheme", "auto")
        return self.backend.quantization_scheme if said == "auto" else said

    @property
    def takes_frames(self) -> bool:
        """Whether resize and padding are inside the graph, which then takes one frame of any size."""
        return hasattr(self.preprocessing, "frame_sizes")

    @property
    def picture_sizes(self) -> list[tuple[int, int]]:
        """Heights and widths that show all that the artifact takes, the nominal ones first."""
        if self.takes_frames:
            return self.preprocessing.frame_sizes(*self.input.nominal)
        return self.input.sizes_to_prove

    @property
    def nominal_picture(self) -> tuple[int, int]:
        """Height and width of the pictures that the artifact is evaluated, timed and shown with."""
        return self.picture_sizes[0]


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
            problems.append(str(error))
    values, others = _values(config)
    problems += others
    problems += [f"{key}: {one_of('no such key', key, KEYS)}" for key in config if key not in KEYS]
    problems += _place_problems(config)
    behind, given = ("nms", "format"), config.get("postprocessing")
    strange = [str(key) for key in given if key not in behind] if isinstance(given, dict) else ()
    problems += [f"postprocessing.{key}: {one_of('no such key', key, behind)}" for key in strange]
    if problems:
        raise RequestError("; ".join(problems))
    assert network is not None  # what is wrong with it was a problem
    if hasattr(values["nms"], "resolved"):
        values["nms"] = values["nms"].resolved(
            *trained.thresholds(*network.thresholds), values["backend"].max_candidates
        )
    trained = trained.at(*values["input"].nominal)
    values["preprocessing"] = values["preprocessing"].resolved(trained)
    recipe = Recipe(
        name=str(config["name"]), output_dir=Path(config["output_dir"]), config=config, model=network, trained=trained,
        recipe_name=composed.recipe_name, overrides=composed.overrides, **values,
    )  # fmt: skip
    if problems := list(contradictions(recipe, composed)):
        raise RequestError("; ".join(problems))
    return recipe


def _model(config: dict[str, Any], model: Any, digest: str | None) -> tuple[Any, list[str]]:
    """The model's node, and a clause for each mistake in it; see `check`."""
    values, problems = _values(config, ("model",))
    node = values.get("model")
    if node is not None and model is not None:
        node = ModelInMemory(network=model, replaced=node, digest=digest)
    return node, problems


def _trained_size(config: dict[str, Any], trained: Trained) -> None:
    """Puts the size that the network was trained at in place of `auto`. Raises RequestError where nobody says it."""
    sides = config.get("input")
    if not isinstance(sides, dict):
        return
    wanted = [key for key in ("size", "height", "width") if sides.get(key) == "auto"]
    if wanted and trained.size is None:
        raise RequestError(
            f"input.{wanted[0]}=auto: the weights do not say at which size they were trained: give it in pixels"
        )
    if wanted and trained.size is not None:
        height, width = trained.size
        sides.update({key: width if key == "width" else height for key in wanted})


def _values(config: dict[str, Any], names: Sequence[str] = OTHERS) -> tuple[dict[str, Any], list[str]]:
    """Settings and nodes by their name in `Recipe`, and a clause for each mistake."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name in names:
        place = NODES.get(name, name)
        try:
            kind = SETTINGS.get(name)
            values[name] = kind.model_validate(config.get(name, {})) if kind else _node(_at(config, place), place)
        except ValidationError as error:
            problems += validation_lines(error, place)
        except RequestError as error:
            problems.append(str(error))
    return values, problems


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
            allowed = ("exporter", *trusted) if place in NODES.values() else trusted
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


def _node(values: Any, place: str) -> Any:
    """The node that `values` describe. Of the exporter's own code only node classes can be named."""
    if not isinstance(values, dict) or "_target_" not in values:
        raise RequestError(f"{place}: not a node: it has no _target_")
    target = values["_target_"]
    arguments = {key: value for key, value in values.items() if key != "_target_"}
    module_name, _, name = target.rpartition(".")
    try:
        node = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # a user's own code, which can raise anything
        raise RequestError(f"{place}._target_={target}: cannot be imported: {in_one_line(error)}") from error
    if not target.startswith("exporter."):
        if place not in ADAPTERS:
            raise RequestError(f"{place}._target_={target}: this group takes only the exporter's own nodes")
        module_name, _, name = ADAPTERS[place].rpartition(".")
        adapter = getattr(importlib.import_module(module_name), name)
        own = {key: value for key, value in arguments.items() if key in adapter.model_fields}
        rest = {key: value for key, value in arguments.items() if key not in adapter.model_fields}
        return adapter(target=target, arguments=rest, **own)
    if not (inspect.isclass(node) and issubclass(node, Node)):
        raise RequestError(f"{place}._target_={target}: not a node of the exporter")
    return node.model_validate(arguments)


# Nodes that carry a user's own callable, which gets every argument that the node does not know itself.
ADAPTERS = {
    "model": "exporter.model.custom.CustomModel",
    "preprocessing": "exporter.preprocessing.custom.CustomPreprocessing",
    "calibration": "exporter.calibration.custom.CustomCalibration",
    "postprocessing.format": "exporter.postprocessing.format.custom.CustomFormat",
    "evaluation": "exporter.evaluation.custom.CustomEvaluation",
}


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
