"""Networks that are not ours: from a user's function, and in memory straight after training."""

import threading

import pytest
import torch
from torch import nn

import exporter
from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.architectures import ARCHITECTURES
from exporter.model.custom import digest, loaded
from exporter.model.fuse import copied
from exporter.model.weights import random_state
from tests.small_network import SmallDetector

SMALL = ["input.size=64", "proof.num_scenes=0", "proof.num_images=2"]

PROGRAM = """
import torch
from torch import nn

class Tiny(nn.Module):
    "One box a cell of 16 pixels: a network of the contract and of nothing else."
    def __init__(self, classes):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 4, 1), nn.ReLU())
        self.boxes, self.scores = nn.Conv2d(16, 4, 1), nn.Conv2d(16, classes, 1)

    def forward(self, images):
        x = self.trunk(images)
        h, w = x.shape[2:]
        yy, xx = torch.meshgrid(torch.arange(h) * 16.0 + 8, torch.arange(w) * 16.0 + 8, indexing="ij")
        centre = torch.stack([xx, yy], -1).reshape(1, -1, 2)
        sides = self.boxes(x).flatten(2).transpose(1, 2).exp() * 8
        boxes = torch.cat([centre - sides[..., :2], centre + sides[..., 2:]], -1)
        return boxes, self.scores(x).flatten(2).transpose(1, 2).sigmoid()

def make(classes):
    torch.manual_seed(0)
    return Tiny(classes)

def wrong(classes):
    return nn.Conv2d(3, classes, 1)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mynet.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return ["model=custom", "model._target_=mynet.make", "+model.classes=3", "trust=mynet", *SMALL]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["preprocessing=yolo_nas", "input.batch=dynamic", "postprocessing/format=flat"],
        pytest.param(
            ["preprocessing=yolo_nas", "quantization=int8", "calibration=demo", "calibration.num_images=4"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["plain", "dynamic flat", "int8"],
)
def test_a_network_of_the_contract_goes_all_the_way(mine, tmp_path, overrides):
    assert main([*mine, "model.class_names=[a,b,c]", "output_dir=out", *overrides]) == 0
    manifest = read_manifest(tmp_path / "out")
    assert manifest.model.class_names == ["a", "b", "c"]
    assert manifest.model.weights.source == "made by mynet.make"
    assert manifest.model.weights.kind == "custom"
    assert manifest.proof.postprocessing.unexplained == 0
    assert manifest.proof.postprocessing.rows > 0
    list(verify(tmp_path / "out"))


def test_what_is_not_of_the_contract_is_refused(mine, capsys):
    overrides = [
        "model._target_=mynet.wrong" if override.startswith("model._target_") else override for override in mine
    ]
    assert main(overrides) == 2
    assert "boxes [B, N, 4]" in capsys.readouterr().err


def test_without_trust_nothing_is_imported(mine, capsys):
    assert main([override for override in mine if not override.startswith("trust")]) == 2
    assert "trust=mynet" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained():
    """A network as it is in the middle of somebody's training."""
    network = ARCHITECTURES["yolo_nas_s"].create(3)
    network.load_state_dict(random_state(network, 0))
    return network.train()


def everything(network):
    """What of a network a caller could miss afterwards."""
    return {
        "modes": [module.training for module in network.modules()],
        "hooks": [(k, list(v)) for module in network.modules() for k, v in vars(module).items() if "hook" in k and isinstance(v, dict)],
        "tensors": [(id(t), t.device, t.requires_grad, t._version) for t in (*network.parameters(), *network.buffers())],
        "gradients": [id(parameter.grad) for parameter in network.parameters()],
        "attributes": [sorted(vars(module)) for module in network.modules()],
        "weights": digest(network),
        "generator": torch.get_rng_state().tolist(),
        "gradients are on": torch.is_grad_enabled(),
    }  # fmt: skip


@pytest.mark.slow
def test_a_network_in_memory_is_left_as_it_is(trained, tmp_path):
    called = []
    trained.backbone.eval()  # parts may be frozen
    trained.neck.requires_grad_(False)
    first = trained.heads.head1.cls_pred
    first.weight.grad = torch.ones_like(first.weight)
    watch = Watch(called)
    handles = [
        trained.register_forward_hook(watch), trained.register_forward_pre_hook(watch),
        first.register_full_backward_hook(watch), trained.register_state_dict_post_hook(watch),
        first.weight.register_hook(watch),
    ]  # fmt: skip
    before = everything(trained)
    called.clear()  # taking the digest asks for the state dict
    try:
        overrides = [*SMALL, "model.class_names=[cat,dog,cow]", f"output_dir={tmp_path / 'out'}"]
        manifest = exporter.build("yolo_nas_s", overrides, model=trained)
        assert called == []
        assert everything(trained) == before
    finally:
        for handle in handles:
            handle.remove()
        trained.train().requires_grad_(True)
    assert manifest.model.weights.sha256 == before["weights"]
    assert manifest.model.class_names == ["cat", "dog", "cow"]
    assert manifest.model.weights.source == "in memory"
    assert manifest.model.weights.kind == "memory"


class Watch:
    """A hook that notes its calls, and holds something that cannot be copied."""

    def __init__(self, called):
        self.called, self.lock = called, threading.Lock()

    def __call__(self, *_):
        self.called.append(1)


class Foreign(nn.Module):
    """A network of the contract with an attribute that means something else here than in ours."""

    fused = True

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 7, 16, 16))

    def forward(self, images):
        x = self.conv(images).flatten(2).transpose(1, 2)
        return x[..., :4] * 16, x[..., 4:].sigmoid()


def test_a_foreign_network_is_not_taken_for_one_of_ours():
    network = Foreign().double().eval()
    images = torch.rand(1, 3, 64, 64)
    own = loaded(network, "mine", "memory", "in memory", "auto").network
    assert network.conv.weight.dtype == torch.float64
    with torch.no_grad():
        for ours, theirs in zip(own(images), network(images.double()), strict=True):
            assert (ours - theirs).abs().max() < 1e-4


def test_hooks_that_compute_weights_stay():
    network = nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 4, 1))).eval()
    network.register_forward_hook(lambda *_: torch.zeros(1))
    copy = copied(network)
    with torch.no_grad():
        network[0].weight_orig += 1
        copy[0].weight_orig += 1
        images = torch.rand(1, 3, 4, 4)
        assert torch.equal(copy(images), network[0](images))


def test_what_cannot_be_copied_is_said():
    network = Foreign()
    network.kept = network.conv(torch.rand(1, 3, 16, 16))  # a tensor in the middle of a computation
    with pytest.raises(RequestError, match="the network mine cannot be copied"):
        loaded(network, "mine", "memory", "in memory", "auto")


def test_a_network_in_memory_needs_no_weights_but_images_for_int8():
    assert check(compose(["+recipe=yolo_nas_m"]), SmallDetector()).name == "yolo_nas_m"
    with pytest.raises(RequestError, match="calibration"):
        check(compose(["+recipe=yolo_nas_s_int8"]), SmallDetector())


def test_names_must_be_as_many_as_classes():
    trained = SmallDetector()
    with pytest.raises(RequestError, match="2 names for 3 classes"):
        loaded(trained, "mine", "memory", "in memory", ("a", "b"))
    with pytest.raises(RequestError, match=r"the network mine: names 2 classes and predicts 3: set model\.class_names"):
        loaded(trained, "mine", "memory", "in memory", "auto", own_names=("a", "b"))


def test_a_digest_sees_every_weight():
    network = nn.Conv2d(1, 1, 1)
    before = digest(network)
    with torch.no_grad():
        network.weight += 1e-6
    assert digest(network) != before
