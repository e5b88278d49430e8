"""`exporter rebuild`: builds an artifact again from its manifest alone and compares the bytes."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.calibration import CalibrationNode
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest, is_file
from exporter.common.progress_form import progress_in
from exporter.common.provenance import versions
from exporter.config.check import check
from exporter.config.compose import Composed
from exporter.config.nodes import own_class
from exporter.pipeline.build import build


def rebuild(
    folder: Path,
    weights: Path | None,
    images: Path | None,
    annotations: Path | None,
    out: Path | None,
    trust: tuple[str, ...],
) -> Iterator[str]:
    """Yields lines on what was found. `weights`, `images` (their folder, or the data.yaml that names them) and
    `annotations` say where files that the manifest names by basename lie now; `out` keeps the new artifact, otherwise
    it is thrown away; `trust` is as for a build.

    Raises RequestError where something is missing or another file than it was, BuildError where the bytes differ.
    """
    manifest = read_manifest(folder)
    config = _config(manifest, weights, {"path": images, "annotations": annotations})
    changed = _changed(manifest.versions)
    for line in changed:
        yield f"package {line}"
    choices = {
        "model": manifest.model.name,
        "quantization": manifest.quantization.precision,
        "postprocessing/nms": str(manifest.postprocessing.nms.get("type")),
        "postprocessing/format": str(manifest.postprocessing.format),
    }
    if manifest.recipe.name:
        choices["recipe"] = manifest.recipe.name
    with tempfile.TemporaryDirectory() as scratch:
        config |= {"output_dir": str(out or Path(scratch) / "artifact"), "trust": list(trust)}
        said = tuple(f"trust={name}" for name in trust)
        composed = Composed(OmegaConf.create(config), choices, said, sweeping=False)
        recipe = check(composed, as_declared=manifest.preprocessing.source is not None)
        again = build(recipe, progress_in("text"), fresh=True)
    if again.artifact.sha256 != manifest.artifact.sha256:
        reason = f"packages changed: {', '.join(changed)}" if changed else "no package changed: the processor may have"
        raise BuildError(
            f"{folder}: other bytes, sha256 {again.artifact.sha256[:12]}… instead of {manifest.artifact.sha256[:12]}…;"
            f" {reason}"
        )
    yield f"the same bytes, sha256 {again.artifact.sha256}"


def _config(manifest: Manifest, weights: Path | None, places: dict[str, Path | None]) -> dict[str, Any]:
    """The configuration of then with the places of now, `places` by the calibration's keys."""
    config = deepcopy(manifest.recipe.config)
    if "${" in json.dumps(config):  # it was resolved when it was written: this would be resolved on this machine
        raise RequestError(f"{manifest.name}: recipe.config in its manifest holds ${{…}}, which no build writes")
    if not all(isinstance(config.get(group), dict) for group in ("model", "calibration")):
        raise RequestError(f"{manifest.name}: recipe.config in its manifest is not what a build was asked for")
    given = manifest.model.weights
    if given.kind == "memory":
        raise RequestError(f"{manifest.name}: its network was in memory: build it again with exporter.build(model=…)")
    if given.kind in ("file", "onnx"):
        if weights is None:
            raise RequestError(f"{manifest.name}: its weights were {given.file}: say where they lie, --weights FILE")
        found = file_digest(weights) if is_file(weights) else None
        if found != given.sha256:
            what = f"has sha256 {found[:12]}…" if found else "is no file"
            raise RequestError(f"--weights {weights}: {what}; it was {str(given.sha256)[:12]}…: give that file")
        config["model"]["weights"] = str(weights)
    calibration = manifest.calibration.name if manifest.calibration else "none"
    needed = _moved(config["calibration"]) if manifest.calibration else {}
    if missing := [flag for flag, key in needed.items() if places[key] is None]:
        raise RequestError(
            f"{manifest.name}: was calibrated on images of yours (calibration={calibration}): say where they lie,"
            f" {' '.join(missing)}"
        )
    if idle := [str(place) for key, place in places.items() if place is not None and key not in needed.values()]:
        raise RequestError(
            f"{', '.join(idle)}: has no effect on {manifest.name}, which has calibration={calibration}: leave it out"
        )
    config["calibration"] |= {key: str(places[key]) for key in needed.values()}
    for group in ("evaluation", "benchmark"):  # they measure the bytes and do not change them
        config[group] = {"_target_": f"exporter.{group}.No{group.capitalize()}"}
    if isinstance(config.get("proof"), dict):  # without them it would look at other images than it did
        config["proof"]["blind"] = "off"
    return {str(key): value for key, value in config.items()}


def _moved(calibration: dict[str, Any]) -> Mapping[str, str]:
    """`CalibrationNode.moved` of what the manifest names; of code that is not the exporter's nothing is known."""
    found = own_class(str(calibration.get("_target_")), CalibrationNode)
    return found.moved if found and issubclass(found, CalibrationNode) else {}


def _changed(then: dict[str, str]) -> list[str]:
    """Packages whose versions are not what they were."""
    now = versions(name for name in then if name != "python")
    return [f"{name} {old} → {now.get(name, 'missing')}" for name, old in then.items() if now.get(name) != old]
