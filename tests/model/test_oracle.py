"""The networks against figures measured on the originals, with weights and pictures that anybody can make again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from exporter.model.architectures import ARCHITECTURES
from exporter.model.blocks import fuse
from tests.model.oracle.fill import fill, image

ORACLE = Path(__file__).parent / "oracle"
NAMES = sorted(path.stem for path in ORACLE.glob("*.json"))


def filled(name: str, num_classes: int = 80) -> torch.nn.Module:
    network = ARCHITECTURES[name].create(num_classes).eval()
    state = {
        key: torch.from_numpy(np.asarray(fill(key, tuple(t.shape)))).reshape(t.shape)
        for key, t in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network


def test_every_network_has_its_figures():
    assert set(NAMES) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_parameters_are_the_originals(name):
    table = json.loads((ORACLE / f"{name}.json").read_text())
    network = ARCHITECTURES[name].create(80)
    own = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    assert own == {key: shape for key, (shape, _) in table["state_dict"].items()}
    assert sum(parameter.numel() for parameter in network.parameters()) == table["parameters"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fused", [False, True], ids=["unfused", "fused"])
def test_outputs_are_the_originals(name, fused):
    network = filled(name)
    expected = np.load(ORACLE / f"{name}.npz")
    with torch.no_grad():
        boxes, scores = (fuse(network) if fused else network)(torch.from_numpy(image(2, 128, 160)))
    assert np.abs(boxes.numpy() - expected["boxes"]).max() < 1e-4
    assert np.abs(scores.numpy() - expected["scores"]).max() < 1e-5


@pytest.mark.parametrize("size", [(32, 32), (64, 160), (224, 96)])
def test_any_size_of_whole_strides(size):
    network = fuse(filled("yolo_nas_s", 3))
    with torch.no_grad():
        boxes, scores = network(torch.from_numpy(image(1, *size)))
    cells = sum((size[0] // s) * (size[1] // s) for s in (8, 16, 32))
    assert boxes.shape == (1, cells, 4)
    assert scores.shape == (1, cells, 3)


def test_fusing_leaves_the_network_as_it_was():
    network = filled("yolo_nas_s").train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    fuse(network)
    assert network.training
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
