"""Checkpoints of the demo network as training on other values would have left it: it gives what the demo network gives,
if and only if it is fed what the checkpoint declares."""

import torch

from exporter.demo.scenes import CLASS_NAMES

STEMS = ("backbone.stem.conv.branch_3x3.conv.weight", "backbone.stem.conv.branch_1x1.weight")


def checkpoint(path, state, size, scale, channels, placement):
    """What SuperGradients would have saved of a network of `size` pixels that is trained so."""
    state = dict(state)
    for name in STEMS:
        weight = state[name] if channels == "rgb" else state[name][:, [2, 1, 0]]
        weight = weight.float()  # stored in float16, which has no room for a 255th of it
        state[name] = (weight if scale == "255" else weight / 255).contiguous()
    shape = {"output_shape": (size, size)}
    pad = {"center": "DetectionCenterPadding", "bottom_right": "DetectionBottomRightPadding"}.get(placement)
    fit = [{"DetectionLongestMaxSizeRescale": shape}, {pad: {**shape, "pad_value": 114}}]
    steps = [
        *(["ReverseImageChannels"] if channels == "bgr" else []),
        *(fit if pad else [{"DetectionRescale": shape}]),
        *([{"StandardizeImage": {"max_value": 255.0}}] if scale == "255" else []),
        {"ImagePermute": {"permutation": (2, 0, 1)}},
    ]
    parameters = {"class_names": list(CLASS_NAMES), "image_processor": {"ComposeProcessing": {"processings": steps}}}
    torch.save({"net": state, "ema_net": state, "processing_params": parameters}, path)
    return path
