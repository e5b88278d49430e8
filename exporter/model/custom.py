"""Any network of the contract that is not ours, from a user's function."""

import hashlib
from typing import TYPE_CHECKING, Literal

from exporter.common.errors import RequestError
from exporter.common.messages import in_one_line
from exporter.common.user_code import UserCode, failing
from exporter.model.declared_head import DeclaredHead
from exporter.model.loaded import LoadedModel, names_of_classes
from exporter.model.section import Weights, WeightsKind

if TYPE_CHECKING:
    from torch import nn

    from exporter.model.head import Head
    from exporter.model.torch_network import TorchNetwork

CONTRACT = (
    "give images [B, 3, H, W] → (boxes [B, N, 4] xyxy in input pixels, scores [B, N, C] in 0..1), both float32, or say"
    " what it gives, model/head=…"
)


class CustomModel(UserCode, DeclaredHead):
    """The network that `target`, a function or class, gives for `arguments`. Its weights are its own business."""

    @property
    def weights_given(self) -> str:
        """Where they come from, in a word."""
        return "custom"

    def load(self) -> LoadedModel:
        """Calls the target. Raises RequestError where it fails or gives no network of the contract."""
        from torch import nn

        network = self.made()
        if not isinstance(network, nn.Module):
            kind = type(network).__name__
            raise RequestError(f"{self.label}: gives a {kind}: let it give a torch.nn.Module")
        return loaded(
            network, self.target.rpartition(".")[2], "custom", f"made by {self.target}", self.class_names, self.head
        )


def loaded(
    network: "nn.Module", name: str, kind: WeightsKind, source: str, class_names: tuple[str, ...] | Literal["auto"],
    head: "Head | None" = None, own_names: tuple[str, ...] | None = None,
) -> LoadedModel:  # fmt: skip
    """A fused copy of `network` on the CPU, tried on a few images. head: what its outputs mean, None: those of the
    contract; own_names: those of its classes, where it says them itself."""
    from exporter.model.fuse import copied, fused_in_place

    try:
        copy = copied(network).cpu()
    except Exception as error:  # what a user's own attributes raise when they are copied
        raise RequestError(
            f"the network {name} cannot be copied: {in_one_line(error)}: keep nothing in it but modules, parameters and"
            " buffers, or give its weights as a file"
        ) from error
    weights = Weights(file=None, sha256=digest(copy), source=source, kind=kind, licence=None)
    parameters = sum(parameter.numel() for parameter in copy.parameters())
    fused = fused_in_place(copy.float())
    if head is None or head.is_contract:
        own, count = _of_contract(fused, name)
    else:
        said = own_names if class_names == "auto" else class_names
        own = _declared(fused, head.counted(len(said) if said else None), name)
        count = own.num_classes
    names = names_of_classes(count, class_names, own_names, f"the network {name}")
    unordered = head is not None and head.suppressed
    return LoadedModel(name, names, parameters, weights, own, unordered=unordered)


def _of_contract(network: "nn.Module", name: str) -> "tuple[nn.Module, int]":
    """The network and its number of classes, tried on one blank image of 64 × 64."""
    import torch

    from exporter.model.first_output import FirstOutput

    try:
        with torch.no_grad():
            outputs = network(torch.zeros(1, 3, 64, 64))
        if isinstance(outputs[0], tuple | list):  # ((boxes, scores), raw outputs), as SuperGradients' networks give it
            network, outputs = FirstOutput(network).eval(), outputs[0]
        boxes, scores = outputs
        fits = boxes.ndim == scores.ndim == 3 and boxes.shape[:2] == scores.shape[:2] and boxes.shape[2] == 4
    except Exception as error:  # user code can raise anything
        raise RequestError(
            f"the network {name} fails on an image of 64 × 64: {in_one_line(error)}: {CONTRACT}"
        ) from error
    if not fits or not boxes.dtype == scores.dtype == torch.float32:
        shapes = f"{list(boxes.shape)} {boxes.dtype} and {list(scores.shape)} {scores.dtype}"
        raise RequestError(f"the network {name} gives {shapes} for one image: {CONTRACT}")
    return network, scores.shape[2]


def _declared(network: "nn.Module", head: "Head", name: str) -> "TorchNetwork":
    from exporter.model.torch_network import TorchNetwork

    with failing(f"the network {name} fails on a blank image"):
        return TorchNetwork(network, head, f"the network {name}")


def digest(network: "nn.Module") -> str:
    """sha256 over the names, types, shapes and bytes of the state dict, in order."""
    import torch

    sha256 = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        sha256.update(f"{name} {plain.dtype} {list(plain.shape)}\n".encode())
        sha256.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()
