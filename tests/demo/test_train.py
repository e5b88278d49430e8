"""The training script's parts, and (slow) a run that stops and goes on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from exporter.demo.scenes import CLASS_NAMES
from tests.demo.training.batches import SIZES, batch, batches
from tests.demo.training.evaluate import evaluate, load
from tests.demo.training.networks import create
from tests.demo.training.train import (
    WARM_UP_STEPS,
    Settings,
    learning_rate_factor,
    optimiser,
    save_weights,
    train,
    update_average,
)

SETTINGS = Settings("yolo_nas_s", batch_size=1, seed=0)


def test_learning_rate_warms_up_and_ends_near_zero() -> None:
    factors = [learning_rate_factor(step, 1000) for step in range(1000)]
    assert factors[0] == 1 / WARM_UP_STEPS
    assert max(factors) == factors[WARM_UP_STEPS] == 1
    assert all(np.diff(factors[:WARM_UP_STEPS]) > 0)
    assert all(np.diff(factors[WARM_UP_STEPS:]) < 0)
    assert factors[-1] == pytest.approx(0.01)


def test_norms_and_biases_do_not_decay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    decayed, free = (group["params"] for group in optimiser(network).param_groups)
    assert [p.shape for p in decayed] == [(4, 3, 3, 3)]
    assert len(free) == 3


def test_average_follows_weights_and_statistics() -> None:
    average, network = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    nn.init.constant_(network.weight, 3.0)
    network.num_batches_tracked = torch.tensor(7)
    update_average(average, network, step=0)
    assert average.weight[0].item() == pytest.approx(1 + 0.9 * 2)  # the first decay is 1/10
    assert average.num_batches_tracked == 7
    update_average(average, network, step=10**6)
    assert average.weight[0].item() == pytest.approx(0.995 * 2.8 + 0.005 * 3)


def test_batches_hold_the_pixels_they_promise() -> None:
    for step in range(12):
        images = batch(0, step, 12).images
        assert images.shape[1] == images.shape[2] and images.shape[1] in SIZES
        assert 0.8 < images.size / (12 * 192 * 192 * 3) < 1.2
    assert not np.array_equal(batch(0, 0, 1).images, batch(1, 0, 1).images)


def test_background_batches_come_in_order() -> None:
    made = list(batches(3, 2, 8, 1))
    assert len(made) == 6
    for step, ahead in enumerate(made, 2):
        assert np.array_equal(ahead.images, batch(3, step, 1).images)


@pytest.mark.slow
def test_saved_weights_load_as_the_same_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create("yolo_nas_s", len(CLASS_NAMES))
    save_weights(network.state_dict(), SETTINGS, 5, tmp_path / "weights.safetensors")
    loaded, _, names = load(tmp_path / "weights.safetensors")
    assert tuple(names) == CLASS_NAMES
    assert not loaded.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert file.metadata()["licence"] == "Apache-2.0"
        assert file.metadata()["steps"] == "5"


@pytest.mark.slow
def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    train(SETTINGS, 3, tmp_path / "straight")
    train(SETTINGS, 2, tmp_path / "resumed")
    train(SETTINGS, 3, tmp_path / "resumed")
    straight, resumed = (load(tmp_path / name)[0].state_dict() for name in ("straight", "resumed"))
    for name, value in straight.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-2, atol=1e-4)
    assert set(evaluate(*load(tmp_path / "straight"), 96, 4)) == {"map", "ap50", "ap75"}
    with pytest.raises(SystemExit, match="of another run"):
        train(Settings("yolo_nas_s", batch_size=2, seed=0), 3, tmp_path / "resumed")
