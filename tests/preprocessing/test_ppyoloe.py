"""PP-YOLOE's pre-processing: its numbers, and that they hold at the borders of a padded convolution too."""

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.graph.trace import trace
from exporter.model.ppyoloe import SIZES, Backbone
from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.ppyoloe import PPYoloE

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class FirstLayers(nn.Module):
    """The network's stem, twice, in the place of the contract's two outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = Backbone(SIZES["s"]).stem

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.stem(images)
        return features, features.sigmoid()


@pytest.fixture(scope="module")
def first_layers():
    network = FirstLayers().eval()
    return network, trace(network, 1, 32, 64, 18)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_the_normalisation_is_exact_everywhere(first_layers, channels, layout):
    network, core = first_layers
    rgb = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 64), dtype=np.uint8)
    images = np.empty(rgb.shape, np.float32)
    for c in range(3):  # channel c of the network, as the contract has it
        images[:, c] = (rgb[:, 2 - c].astype(np.float64) - MEAN[c]) / STD[c]
    with torch.no_grad():
        expected = network(torch.from_numpy(images))[0].numpy()
    given = rgb if channels == "rgb" else rgb[:, ::-1]
    given = np.ascontiguousarray(given if layout == "nchw" else given.transpose(0, 2, 3, 1))
    model = attach_input(core, PPYoloE().normalization, "uint8", layout, channels)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(["boxes"], {"images": given})
    assert np.abs(got - expected).max() < 1e-5 < expected.std()


def test_an_image_is_stretched():
    geometry = PPYoloE().geometry(320, 640)
    assert geometry.padding is None
    place = geometry.transform(100, 50)
    assert (place.new_height, place.new_width, place.left, place.top) == (320, 640, 0, 0)
    assert geometry.apply(np.zeros((100, 50, 3), np.uint8)).shape == (320, 640, 3)


@pytest.mark.parametrize("size", ["s", "x"])
def test_the_recipes_choose_it_and_the_usual_thresholds(size):
    overrides = [f"+recipe=ppyoloe_{size}_int8", "model.weights=random", "calibration=demo"]
    recipe = check(compose(overrides))
    assert isinstance(recipe.preprocessing, PPYoloE)
    known = recipe.model.known
    assert (known.confidence_threshold, known.nms_threshold) == (0.5, 0.65)
