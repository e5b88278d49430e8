"""Whether a checkpoint's entries are a network's, said in one line if not; and weights where there is no checkpoint."""

import math
import re
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from exporter.common.errors import RequestError
from exporter.model.checkpoint import Checkpoint
from exporter.model.foreign import known_elsewhere

# The convolutions that predict classes: of YOLO-NAS and of PP-YOLOE, one a level.
CLASS_LAYER = re.compile(r"(heads\.head\d+\.cls_pred|head\.pred_cls\.\d+)\.(weight|bias)$")
PREDICTION_LAYER = re.compile(r"(cls_pred|reg_pred|pred_cls\.\d+|pred_reg\.\d+)\.weight$")
# An entry of which each architecture has another second dimension.
FINGERPRINTS = {
    "heads.head1.cls_pred.weight": {64: "yolo_nas_s", 96: "yolo_nas_m", 128: "yolo_nas_l"},
    "head.pred_cls.2.weight": {96: "ppyoloe_s", 144: "ppyoloe_m", 192: "ppyoloe_l", 240: "ppyoloe_x"},
}
# What becomes one convolution when a network is made ready for deployment.
MERGED = re.compile(r"\.(bn|post_bn|branch_3x3|branch_1x1)\.|\.alpha$")
SHOWN = 3


def load_strict(network: nn.Module, checkpoint: Checkpoint, label: str | None = None) -> None:
    """Makes the checkpoint's tensors those of `network`, which may be on the device meta until then: all of them have
    their place, each place has one. Raises RequestError, which begins with `label` or the file, as `check_state`
    does."""
    check_state(network.state_dict(), checkpoint.state, label or checkpoint.file)
    network.load_state_dict(checkpoint.state, assign=True)


def check_state(expected: Mapping[str, Tensor], got: Mapping[str, Tensor], file: str) -> None:
    """Raises RequestError unless `got` has the names of `expected`, with the same shapes and as floats or integers.

    file: what the line begins with. Only names, shapes and dtypes are looked at: meta tensors will do.
    """
    missing = [name for name in expected if name not in got]
    extra = [name for name in got if name not in expected]
    misfits = [name for name in expected if name in got and _kind(expected[name]) != _kind(got[name])]
    if not (missing or extra or misfits):
        return
    if not (missing or extra) and all(CLASS_LAYER.search(name) for name in misfits):
        have, want = (num_classes_of(state, file) for state in (got, expected))
        if have != want:
            raise RequestError(
                f"{file}: the weights have {have} classes, not {want}: set model.num_classes={have} or auto"
            )
    ours, theirs = architecture_of(expected), architecture_of(got)
    if theirs and theirs != ours:
        raise RequestError(
            f"{file}: the weights are of another architecture: they look like {theirs}: set model={theirs}"
        )
    if _is_fused(missing):
        raise RequestError(
            f"{file}: the weights are fused, their branches and BatchNorms merged for deployment (as"
            " prep_model_for_conversion does): give the checkpoint from training, from before that"
        )
    if not misfits and len(missing) == len(expected):
        raise RequestError(
            f"{file}: the weights are of another architecture: none of the {len(expected)} entries wanted is there"
            f" ({_some(missing)}), but {_some(extra)}"
        )
    parts = [f"{len(missing)} entries are missing ({_some(missing)})"] if missing else []
    parts += [f"{len(extra)} are too many ({_some(extra)})"] if extra else []
    shapes = [f"{name} is {_text(got[name])}, not {_text(expected[name])}" for name in misfits]
    parts += [f"{len(misfits)} are of another shape ({_some(shapes)})"] if misfits else []
    raise RequestError(
        f"{file}: the weights do not fit the network: {'; '.join(parts)}: give weights saved from this network"
    )


def num_classes_of(state: Mapping[str, Tensor], file: str) -> int:
    """The number of classes that the prediction layers in `state` have. Raises RequestError if none is there, or if
    they disagree."""
    layers = {name: tensor.shape[0] for name, tensor in state.items() if CLASS_LAYER.search(name) and tensor.ndim}
    if not layers and (elsewhere := known_elsewhere(state)):
        raise RequestError(f"{file}: {elsewhere}")
    if not layers:
        raise RequestError(
            f"{file}: the number of classes is not to be seen: no prediction layer of YOLO-NAS or PP-YOLOE among its"
            f" {len(state)} entries ({_some(list(state))}): give weights of one of them"
        )
    if len(set(layers.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in layers.items())
        raise RequestError(f"{file}: the levels have different class counts ({counts}): give weights of one network")
    return next(iter(layers.values()))


def random_state(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """A weight for every entry of the state dict, the same in every process: it depends on name, shape and seed alone,
    and on whether the network is a PP-YOLOE.

    The variances of the convolutions, 1.3 / fan-in and 2 / fan-in, were found by trial: with these BatchNorms and
    shortcuts an image neither fades nor explodes on its way, so an exported network computes something that can be
    compared.
    """
    state = network.state_dict()
    random = _random_silu if (architecture_of(state) or "").startswith("ppyoloe") else _random
    return {name: random(name, tensor, seed) for name, tensor in state.items()}


def _random(name: str, tensor: Tensor, seed: int, variance: float = 1.3, prediction_gain: float = 10) -> Tensor:
    if not tensor.is_floating_point():
        return torch.zeros(tensor.shape, dtype=tensor.dtype)
    shape = tuple(tensor.shape)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith("running_var"):
        values = generator.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean") or name.endswith("bias"):
        values = 0.02 * generator.standard_normal(shape)  # larger ones would drown the image
        if CLASS_LAYER.search(name):
            values -= math.log(99)  # 1 % after the sigmoid, as training begins
    elif len(shape) >= 2:
        values = generator.standard_normal(shape) * math.sqrt(variance / math.prod(shape[1:]))
        if PREDICTION_LAYER.search(name):
            values *= prediction_gain  # else all scores are the same 1 %, and all boxes of one size
    else:
        values = generator.uniform(0.5, 1.0, shape)  # of BatchNorm, and of shortcuts
    return torch.from_numpy(np.asarray(values, np.float32)).reshape(shape)


def _random_silu(name: str, tensor: Tensor, seed: int) -> Tensor:
    """For SiLU, which halves what is small and passes what is large: around 0 an image either fades or explodes.

    Around 1 the SiLU is close to a line. BatchNorm puts its input there, and filters that sum to 0 take out what all
    channels then have in common.
    """
    values = _random(name, tensor, seed, variance=2.0, prediction_gain=0.6)
    if values.ndim == 4:
        values -= values.mean(dim=(1, 2, 3), keepdim=True)
    elif name.endswith("bn.bias"):
        values += 1
    return values


def _kind(tensor: Tensor) -> tuple[torch.Size, bool]:
    return tensor.shape, tensor.is_floating_point()


def _text(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def architecture_of(state: Mapping[str, Tensor]) -> str | None:
    """The network that has such entries, None if it is none of those known here."""
    for name, widths in FINGERPRINTS.items():
        if name in state and state[name].ndim == 4:
            return widths.get(state[name].shape[1])
    return None


def _is_fused(missing: list[str]) -> bool:
    """Whether whole BatchNorms or branches are missing, and nothing else is."""
    kernels = (".bn.weight", ".branch_3x3.conv.weight")
    return all(MERGED.search(name) for name in missing) and any(name.endswith(kernels) for name in missing)


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
