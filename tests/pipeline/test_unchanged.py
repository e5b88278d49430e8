"""Nothing is mutated: what is exported from one loaded network, in any order, is what is exported alone."""

import hashlib
import itertools
import subprocess
import sys

import onnx
import pytest

from exporter.common.files import file_digest
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.loaded import LoadedModel
from tests.making import made
from tests.model.graphs import detector

INT8 = ["quantization=int8", "calibration=demo", "calibration.num_images=2"]


def exported(loaded: LoadedModel, overrides: list[str]) -> str:
    """The digest of the artifact that these words make of a network that is loaded already."""
    return hashlib.sha256(made(loaded, check(compose(overrides)))).hexdigest()


@pytest.mark.slow
def test_a_graph_gives_the_same_bytes_in_any_order(tmp_path):
    onnx.save(detector(), tmp_path / "core.onnx")
    base = ["model=onnx", f"model.weights={tmp_path / 'core.onnx'}", "input.height=64", "input.width=96",
            "preprocessing=yolo_nas"]  # fmt: skip
    kinds = {"float": base, "int8": [*base, *INT8], "flat": [*base, "input.batch=2", "postprocessing/format=flat"]}
    recipes = {name: check(compose(overrides)) for name, overrides in kinds.items()}

    def digest(loaded: LoadedModel, name: str) -> str:
        return hashlib.sha256(made(loaded, recipes[name])).hexdigest()

    alone = {name: digest(recipes[name].model.load(), name) for name in kinds}
    assert len(set(alone.values())) == len(kinds)
    shared = recipes["float"].model.load()
    # Every kind comes before and after every other one.
    for order in (list(kinds), list(kinds)[::-1]):
        assert {name: digest(shared, name) for name in order} == alone


@pytest.mark.slow
def test_a_network_gives_the_bytes_of_fresh_processes_in_any_order(tmp_path):
    base = ["+recipe=yolo_nas_s", "proof.num_scenes=0", "proof.num_images=1", "input.size=64"]
    kinds = {
        "float": base,
        "int8": [*base, *INT8],
        "shape": [override for override in base if override != "input.size=64"] + ["input.height=96", "input.width=64"],
        "flat": [*base, "input.batch=dynamic", "postprocessing/format=flat"],
    }
    alone = {}
    for name, overrides in kinds.items():
        command = [sys.executable, "-m", "exporter", *overrides, f"output_dir={tmp_path / name}"]
        subprocess.run(command, check=True, capture_output=True)
        alone[name] = file_digest(tmp_path / name / "model.onnx")
    assert len(set(alone.values())) == len(kinds)
    shared = check(compose(base)).model.load()
    for order in itertools.islice(itertools.permutations(kinds), 0, None, 8):
        assert {name: exported(shared, kinds[name]) for name in order} == alone
