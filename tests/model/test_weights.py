"""Checkpoints: every usual way of saving one is read, and what does not fit is said in one line."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from exporter.common.errors import RequestError
from exporter.model.architectures import ARCHITECTURES
from exporter.model.blocks import CSPLayer
from exporter.model.checkpoint import read_checkpoint
from exporter.model.weights import check_state, load_strict, num_classes_of, random_state

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bn.num_batches_tracked": torch.tensor(7)}
OTHER = {name: torch.zeros_like(tensor) for name, tensor in STATE.items()}


def saved(path: Path, content: object, **options) -> Path:
    torch.save(content, path, **options)
    return path


def read_state(path: Path) -> None:
    state = read_checkpoint(path).state
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], STATE[name]) and state[name].dtype == STATE[name].dtype for name in STATE)


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"net": STATE},
        {"ema_net": STATE, "net": OTHER},
        {"net": OTHER, "ema_net": STATE},
        {"state_dict": STATE, "epoch": 3},
        {"model": {"state_dict": STATE}},
        {"epoch": 3, "model_state_dict": STATE, "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        {"ema_state_dict": STATE, "state_dict": prefixed("model."), "ema_updates": 7},
        {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.6"},
        {"net": prefixed("module.")},
        {"net": prefixed("net.")},
        {"ema_net": prefixed("_orig_mod.module.ema_model.net.module.")},
        {
            "net": STATE,
            "optimizer_state_dict": {"state": {0: {"step": torch.ones(1)}}},
            "acc": 0.5,
            "metrics": [1, "x"],
        },
        {"net": {**STATE, "note": "not a tensor"}},
        {"ema": STATE, "model": OTHER},
        {"ema": {"module": STATE, "updates": 3}, "model": OTHER},
        {"ema_net": {}, "net": STATE},
        {"model": OTHER, "ema": {"module": prefixed("module.") | {"n_averaged": torch.tensor(3)}}},
        {"state_dict": prefixed("ema_model.") | {f"model.{name}": tensor for name, tensor in OTHER.items()}},
        {"state_dict": prefixed("net.ema.module.") | {f"net.net.{name}": tensor for name, tensor in OTHER.items()}},
        {"net": STATE | {"a.bn.num_batches_tracked": torch.tensor(7.0, dtype=torch.float16)}},
        {"net": {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in STATE.items()}},
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_the_usual_wrappers(tmp_path, content, suffix):
    read_state(saved(tmp_path / f"a{suffix}", content))


@pytest.mark.parametrize(
    ("content", "taken", "averaged"),
    [
        (STATE, "", False),
        ({"net": STATE}, "net", False),
        ({"net": OTHER, "ema_net": STATE}, "ema_net", True),
        ({"model": OTHER, "ema": {"module": STATE}}, "ema.module", True),
        ({"model": {"state_dict": prefixed("module.")}}, "model.state_dict", False),
        ({"state_dict": prefixed("ema_model.")}, "state_dict.ema_model", True),
    ],
)
def test_where_the_weights_were(tmp_path, content, taken, averaged):
    checkpoint = read_checkpoint(saved(tmp_path / "a.pth", content))
    assert (checkpoint.taken, checkpoint.averaged) == (taken, averaged)


def test_a_count_beyond_float16_is_a_count(tmp_path):
    state = {
        name: tensor.half() for name, tensor in (STATE | {"a.bn.num_batches_tracked": torch.tensor(10**6)}).items()
    }
    got = read_checkpoint(saved(tmp_path / "a.pth", state)).state["a.bn.num_batches_tracked"]
    assert got.dtype == torch.int64 and got.shape == ()


def averaged(network: nn.Module) -> nn.Module:
    made = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    made.update_parameters(network)
    return made


@pytest.mark.parametrize("wraps", [nn.DataParallel, averaged, pytest.param(torch.compile, marks=pytest.mark.slow)])
def test_what_torchs_own_wrappers_save(tmp_path, wraps):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    wrapped = wraps(network)
    got = read_checkpoint(saved(tmp_path / "a.pth", {"net": wrapped.state_dict()})).state
    assert got.keys() == network.state_dict().keys()
    assert torch.equal(got["0.weight"], network.state_dict()["0.weight"])


def test_the_old_format(tmp_path):
    read_state(saved(tmp_path / "a.pth", {"net": STATE}, _use_new_zipfile_serialization=False))


def test_safetensors(tmp_path):
    save_file(prefixed("module."), tmp_path / "a.safetensors", {"class_names": '["cat", "dög"]', "licence": "CC0"})
    read_state(tmp_path / "a.safetensors")
    checkpoint = read_checkpoint(tmp_path / "a.safetensors")
    assert checkpoint.class_names == ("cat", "dög") and checkpoint.metadata["licence"] == "CC0"
    save_file(STATE, tmp_path / "b.safetensors")
    assert read_checkpoint(tmp_path / "b.safetensors").class_names is None


def test_a_prefix_of_some_names_stays(tmp_path):
    mixed = {"net.a": torch.ones(1), "b": torch.ones(1)}
    assert read_checkpoint(saved(tmp_path / "a.pth", mixed)).state.keys() == mixed.keys()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_becomes_float32(tmp_path, dtype):
    values = torch.tensor([0.5, -1.25, 3.0])
    save_file({"a": values.to(dtype)}, tmp_path / "a.safetensors")
    for path in (saved(tmp_path / "a.pth", {"a": values.to(dtype)}), tmp_path / "a.safetensors"):
        got = read_checkpoint(path).state["a"]
        assert got.dtype == torch.float32 and torch.equal(got, values)


@pytest.mark.parametrize(
    "beside",
    [
        {"class_names": ["a", "b"]},
        {"classes": ("a", "b")},
        {"processing_params": {"class_names": ["a", "b"], "conf": 0.25, "image_processor": [{"x": None}]}},
        {"classes": 2, "processing_params": {"class_names": ["a", "b"]}},
    ],
)
def test_class_names(tmp_path, beside):
    assert read_checkpoint(saved(tmp_path / "a.pth", {"net": STATE, **beside})).class_names == ("a", "b")
    assert read_checkpoint(saved(tmp_path / "b.pth", {"net": STATE, "classes": []})).class_names is None


def test_where_it_came_from(tmp_path):
    path = saved(tmp_path / "mine.pth", STATE)
    checkpoint = read_checkpoint(path)
    assert checkpoint.file == "mine.pth"
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(call, *arguments) -> str:
    with pytest.raises(RequestError) as error:
        call(*arguments)
    line = str(error.value)
    assert "\n" not in line and len(line) < 500, line
    return line


def test_what_is_no_checkpoint(tmp_path):
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "empty.pth").touch()
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>404</html>")
    (tmp_path / "text.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "weights.onnx").write_text("x")
    save_file({}, tmp_path / "none.safetensors")
    save_file(STATE, tmp_path / "names.safetensors", {"class_names": "cat, dog"})
    for name, reason in {
        "missing.pth": "No such file",
        "folder.pth": "is not a file",
        "empty.pth": "is empty",
        "empty.safetensors": "is empty",
        "page.pth": "a text file",
        "text.safetensors": "not a whole .safetensors",
        "weights.onnx": "give one of .pth, .pt, .safetensors",
        "none.safetensors": "no tensors",
        "names.safetensors": "not a JSON list of names",
    }.items():
        line = refusal(read_checkpoint, tmp_path / name)
        assert line.startswith(f"{tmp_path / name}: ") and reason in line, line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([STATE], "holds a list, not a dictionary"),
        (torch.ones(3), "holds a Tensor, not a dictionary"),
        ({}, "no tensors (empty)"),
        ({"net": {}}, "no tensors"),
        ({"epoch": 3, "lr": 0.1}, "no tensors ('epoch', 'lr')"),
        ({"net": {"w": torch.tensor([1.0, float("nan")]), "v": torch.tensor([float("inf")])}}, "w holds NaN"),
        ({"net": {"w": torch.ones(3), "v": torch.tensor([float("-inf")])}}, "v holds NaN or infinite"),
        ({"net": {"w": torch.tensor([1e39], dtype=torch.float64)}}, "w holds NaN or infinite"),
        ({"net": {"w": torch.eye(3).to_sparse()}}, "w is sparse"),
        ({"net": {"w": torch.ones(3, device="meta")}}, "w is without values"),
        ({"net": {"w": torch.ones(3, dtype=torch.complex64)}}, "w is complex"),
        ({"net": {"w": torch.ones(1).expand(1 << 40)}}, "w is larger than its own data"),
        (nn.Conv2d(1, 1, 1), "holds a whole network, and loading it would run code (torch.nn.modules.conv.Conv2d)"),
        ({"net": {}, "model": nn.Conv2d(1, 1, 1)}, "(torch.nn.modules.conv.Conv2d): save the state dict alone"),
    ],
)
def test_what_holds_no_weights(tmp_path, content, reason):
    assert reason in refusal(read_checkpoint, saved(tmp_path / "a.pth", content))


@pytest.mark.filterwarnings("ignore")
def test_quantized(tmp_path):
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    assert "w is quantized" in refusal(read_checkpoint, saved(tmp_path / "a.pth", {"w": quantized}))


@functools.cache
def state_of(name: str, num_classes: int) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return ARCHITECTURES[name].create(num_classes).state_dict()


def meta(name: str, num_classes: int) -> dict[str, torch.Tensor]:
    return dict(state_of(name, num_classes))


def test_load_strict(tmp_path):
    network = CSPLayer(8, 8, 4, 2)
    state = random_state(network, 1)
    load_strict(network, read_checkpoint(saved(tmp_path / "a.pth", {"ema_net": state})))
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    del state["conv1.bn.bias"]
    line = refusal(load_strict, network, read_checkpoint(saved(tmp_path / "b.pth", {"net": state})))
    assert line.startswith("b.pth: ") and "1 entries are missing (conv1.bn.bias)" in line


@pytest.mark.parametrize("name", ["yolo_nas_s", "ppyoloe_s"])
def test_another_number_of_classes(name):
    line = refusal(check_state, meta(name, 80), meta(name, 3), "a.pth")
    assert line == "a.pth: the weights have 3 classes, not 80: set model.num_classes=3 or auto"


def test_another_architecture():
    line = refusal(check_state, meta("yolo_nas_s", 80), meta("yolo_nas_m", 3), "a.pth")
    assert line == "a.pth: the weights are of another architecture: they look like yolo_nas_m: set model=yolo_nas_m"
    line = refusal(check_state, meta("yolo_nas_s", 80), {"head.pred_cls.2.weight": torch.zeros(80, 96, 3, 3)}, "a.pth")
    assert "they look like ppyoloe_s: set model=ppyoloe_s" in line
    line = refusal(check_state, meta("yolo_nas_s", 80), {"layer1.weight": torch.zeros(1)}, "a.pth")
    assert "none of the 921 entries wanted is there (backbone." in line and "but layer1.weight" in line


def test_what_does_not_fit_is_listed():
    got = meta("yolo_nas_s", 3)
    for name in [name for name in got if name.startswith("neck.neck4.")]:
        del got[name]
    got["extra.weight"] = torch.zeros(1)
    got["backbone.stem.conv.post_bn.bias"] = torch.zeros(5)
    got["backbone.stem.conv.post_bn.weight"] = torch.zeros(48, dtype=torch.int64)
    line = refusal(check_state, meta("yolo_nas_s", 3), got, "a.pth")
    assert "entries are missing (neck.neck4." in line and "1 are too many (extra.weight)" in line
    assert "2 are of another shape (backbone.stem.conv.post_bn.weight is [48] int64, not [48] float32, " in line
    assert "backbone.stem.conv.post_bn.bias is [5] float32, not [48] float32" in line


def fused(state: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    """The entries that are left after branches, BatchNorms after them, or those of plain convolutions were merged."""
    merged = {"branches": (".branch_3x3.", ".branch_1x1."), "all": (".branch_3x3.", ".branch_1x1.", ".post_bn.")}
    if how == "plain":
        kept = {name: tensor for name, tensor in state.items() if ".bn." not in name or "branch" in name}
        return kept | {
            name.replace(".weight", ".bias"): state[name][:, 0, 0, 0] for name in state if name.endswith(".conv.weight")
        }
    kept = {name: tensor for name, tensor in state.items() if not any(part in name for part in merged[how])}
    kernels = [name for name in state if name.endswith(".branch_3x3.conv.weight")]
    for name in kernels:
        block = name.removesuffix("branch_3x3.conv.weight")
        kept |= {f"{block}rbr_reparam.weight": state[name], f"{block}rbr_reparam.bias": state[name][:, 0, 0, 0]}
    return kept


@pytest.mark.parametrize("name", ["yolo_nas_s", "ppyoloe_s"])
@pytest.mark.parametrize("how", ["branches", "all", "plain"])
def test_fused_weights_are_said_to_be(name, how):
    got = fused(meta(name, 3), how)
    assert num_classes_of(got, "a.pth") == 3
    line = refusal(check_state, meta(name, 3), got, "a.pth")
    assert line.startswith("a.pth: the weights are fused") and "the checkpoint from training" in line


def test_statistics_that_are_missing_are_not_said_to_be_fused():
    got = {name: tensor for name, tensor in meta("yolo_nas_s", 3).items() if "running" not in name}
    assert "entries are missing" in refusal(check_state, meta("yolo_nas_s", 3), got, "a.pth")


@pytest.mark.parametrize(("name", "num_classes"), [*((name, 2) for name in ARCHITECTURES), ("yolo_nas_s", 1)])
def test_num_classes(name, num_classes):
    assert num_classes_of(meta(name, num_classes), "a.pth") == num_classes


def test_num_classes_that_cannot_be_told():
    assert "no prediction layer of YOLO-NAS or PP-YOLOE" in refusal(num_classes_of, STATE, "a.pth")
    mixed = {f"head.pred_cls.{i}.weight": torch.zeros(3 + i, 8, 3, 3) for i in range(2)}
    line = refusal(num_classes_of, mixed, "a.pth")
    assert "head.pred_cls.0.weight has 3, head.pred_cls.1.weight has 4" in line


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name[-1] in "lx" else ()) for name in ARCHITECTURES]
)
def test_random_weights_compute_something(name):
    """Neither vanishing nor exploding: the predictions of neighbouring cells differ, and stay in a sensible range."""
    with torch.device("meta"):
        network = ARCHITECTURES[name].create(3)
    network.load_state_dict(random_state(network, 0), assign=True)
    uint8_images = np.stack([np.broadcast_to(np.linspace(0, 255, 96), (3, 96, 96)), np.stack([255 * np.eye(96)] * 3)])
    images = torch.from_numpy(ARCHITECTURES[name].preprocessing.normalization.apply(uint8_images))
    with torch.no_grad():
        boxes, classes, _ = network.eval().undecoded(images)
    for logits in (boxes, classes):
        assert logits.isfinite().all()
        assert 0.2 < logits.std() < 10 and (logits.std(dim=2) > 0.01).all()
        assert (logits[0] - logits[1]).std() > 0.05 * logits.std(), "the image does not matter"
    assert 0.001 < classes.sigmoid().mean() < 0.4


def test_random_weights_are_the_same_in_every_process():
    """What a recipe with them builds has the same bytes everywhere, so these numbers never change."""
    network = CSPLayer(8, 8, 4, 2)
    own = random_state(network, 5)
    assert own["conv1.conv.weight"].flatten()[:3].tolist() == pytest.approx(
        [0.08241557, -1.26433969, 0.17734452], abs=1e-7
    )
    assert own["conv1.bn.running_var"][:3].tolist() == pytest.approx([0.51568246, 1.09184039, 1.26951766], abs=1e-7)
    assert not torch.equal(own["conv1.conv.weight"], random_state(network, 6)["conv1.conv.weight"])
    assert not torch.equal(own["conv1.conv.weight"], own["conv2.conv.weight"])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_shapes_are_told_apart(name):
    """The fingerprints, against networks as they are built here."""
    line = refusal(check_state, {"x": torch.zeros(1)}, meta(name, 2), "a.pth")
    assert f"they look like {name}" in line


def test_metrics_that_are_numbers_of_numpy_do_no_harm(tmp_path):
    path = tmp_path / "trained.pth"
    torch.save({"net": {"a.weight": torch.ones(2)}, "acc": np.float64(0.5), "epoch": np.int64(3)}, path)
    assert list(read_checkpoint(path).state) == ["a.weight"]
