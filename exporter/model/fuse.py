"""A network as it is exported: a copy in eval mode, without hooks, its branches fused."""

import copy
from collections import OrderedDict

import torch
from torch import nn

from exporter.model.blocks import Fusable

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
         "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")  # fmt: skip


def copied(network: nn.Module) -> nn.Module:
    """A copy in eval mode, without gradients and hooks: those watch somebody's training, and tracing would call them.

    Torch's own stay, of which some compute weights (`torch.nn.utils.spectral_norm`).
    """
    # What stands for an object in deepcopy's memo is taken as its copy: the hooks, and what they hold, are not copied.
    memo: dict[int, OrderedDict] = {}
    for module in network.modules():
        for kind in HOOKS:
            hooks = vars(module).get(kind)
            if hooks:
                memo[id(hooks)] = OrderedDict((key, hook) for key, hook in hooks.items() if _is_torchs(hook))
    return copy.deepcopy(network, memo).eval().requires_grad_(False)


def fuse(network: nn.Module) -> nn.Module:
    """A copy (see `copied`) with every `Fusable` block replaced by what computes the same."""
    return fused_in_place(copied(network))


def fused_in_place(network: nn.Module) -> nn.Module:
    """`network` itself, in eval mode, with its blocks replaced."""
    with torch.no_grad():
        for name, module in list(network.named_modules()):
            if isinstance(module, Fusable):
                network.set_submodule(name, module.fused())
    return network.requires_grad_(False)


def _is_torchs(hook: object) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("torch.")
