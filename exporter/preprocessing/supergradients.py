"""SuperGradients' processing of images, step by step as a checkpoint lists it → the settings of `Declared`.

Source: super_gradients.training.processing.processing (3.7.1), whose names and parameters the steps have. It begins
with RGB in 0..255; resizing is bilinear (INTER_LINEAR), sizes round(h · r) × round(w · r) with r = min(H / h, W / w).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from exporter.common.errors import RequestError
from exporter.preprocessing.declared import Declared
from exporter.preprocessing.normalization import check_possible
from exporter.preprocessing.trained import Source, Trained

Size = tuple[int, int]


@dataclass(frozen=True)
class _State:
    """What the steps so far do: channel c = (x[c] - mean[c]) / std[c], x in 0..255; `reversed`: they are BGR. `resized`
    and `padded`: to which height and width; `padding`: where, None before there was any."""

    reversed: bool = False
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    stretched: bool = False
    resized: Size | None = None
    padded: Size | None = None
    padding: Literal["center", "bottom_right"] | None = None
    pad_value: int | None = None


def declared(steps: Sequence[tuple[str, dict[str, Any]]]) -> tuple[Declared, Size | None]:
    """The pre-processing that these steps are, and the height and width that they bring images to, pixels, None where
    that depends on the image. A margin is that of this size.

    Raises RequestError that names a step which is not known, or cannot be meant."""
    state = _State()
    for name, parameters in steps:
        step = STEPS.get(name)
        if step is None:
            raise _refused(name, f"is not known; known are {', '.join(STEPS)}")
        try:
            state = step(state, parameters)
        except KeyError as error:
            raise _refused(name, f"has no {error.args[0]}") from error
        except (TypeError, ValueError, ArithmeticError) as error:
            raise _refused(name, f"cannot be meant: {error}") from error
    if state.resized is None:
        raise _refused("image_processor", "never resizes the image, and an artifact's input has one size")
    if not state.stretched and state.padding is None:
        raise _refused("image_processor", "leaves each image the size of its own proportions, and an input has one")
    size, margin = state.padded or state.resized, 0
    if not state.stretched:
        over = {whole - part for whole, part in zip(size, state.resized, strict=True)}
        margin = over.pop()
        if over or margin < 0:
            raise _refused("image_processor", f"resizes to {state.resized} and pads to {size}")
    scale = state.std[0] if len(set(state.std)) == 1 else 1.0
    node = Declared(
        max_value=scale,
        mean=_triple(value / scale for value in state.mean),
        std=_triple(value / scale for value in state.std),
        channels="bgr" if state.reversed else "rgb",
        resize="stretch" if state.stretched else "letterbox" if margin else "longest_side",
        padding=state.padding or "center",
        pad_value=114 if state.pad_value is None else state.pad_value,
        margin=margin,
    )
    return node, size


def _reverse(state: _State, parameters: dict[str, Any]) -> _State:
    return replace(state, reversed=not state.reversed, mean=state.mean[::-1], std=state.std[::-1])


def _standardize(state: _State, parameters: dict[str, Any]) -> _State:
    """x / max_value."""
    return _scaled(state, (0.0,) * 3, (_number(parameters.get("max_value", 255.0)),) * 3)


def _normalize(state: _State, parameters: dict[str, Any]) -> _State:
    """(x - mean) / std, of what the steps before give."""
    mean, std = (tuple(map(_number, _flat(parameters[key]))) for key in ("mean", "std"))
    return _scaled(state, mean, std)


def _scaled(state: _State, mean: tuple[float, ...], std: tuple[float, ...]) -> _State:
    check_possible(mean, std)
    of_bytes = zip(state.mean, state.std, mean, std, strict=True)
    means, stds = zip(*((m + s * own, s * by) for m, s, own, by in of_bytes), strict=True)
    check_possible(means, stds)
    return replace(state, mean=means, std=stds)


def _stretch(state: _State, parameters: dict[str, Any]) -> _State:
    return replace(state, stretched=True, resized=_size(parameters))


def _longest_side(state: _State, parameters: dict[str, Any]) -> _State:
    if state.stretched or state.padding:
        raise ValueError("the image was stretched or padded before")
    return replace(state, resized=_size(parameters))


def _pad(placement: Literal["center", "bottom_right"]) -> Callable[[_State, dict[str, Any]], _State]:
    def step(state: _State, parameters: dict[str, Any]) -> _State:
        if state.stretched and _size(parameters) == state.resized:
            return state  # nothing is left to pad
        return _padded(replace(state, padded=_size(parameters)), placement, parameters)

    return step


def _auto_pad(state: _State, parameters: dict[str, Any]) -> _State:
    """To the next multiples of `shape_multiple`, below and right; an input of one size has all of it padded there."""
    return state if state.stretched else _padded(state, "bottom_right", parameters)


def _padded(state: _State, placement: Literal["center", "bottom_right"], parameters: dict[str, Any]) -> _State:
    """pad_value is of what the steps before give; here it is brought back to 0..255."""
    if state.stretched or state.padding:
        raise ValueError("the image was stretched or padded before")
    values = [_number(each) for each in _flat(parameters.get("pad_value", 114))]
    of_bytes = {round(v * s + m, 3) for v, s, m in zip(values * (3 // len(values)), state.std, state.mean, strict=True)}
    value = of_bytes.pop()
    if of_bytes or value != round(value) or not 0 <= value <= 255:
        raise ValueError(f"pad_value {values} is not one grey of 0..255")
    return replace(state, padding=placement, pad_value=int(value))


def _permute(state: _State, parameters: dict[str, Any]) -> _State:
    if tuple(_flat(parameters.get("permutation", (2, 0, 1)))) != (2, 0, 1):
        raise ValueError("the network takes channels first, permutation (2, 0, 1)")
    return state


STEPS: dict[str, Callable[[_State, dict[str, Any]], _State]] = {
    "ReverseImageChannels": _reverse,
    "StandardizeImage": _standardize,
    "NormalizeImage": _normalize,
    "DetectionRescale": _stretch,
    "DetectionLongestMaxSizeRescale": _longest_side,
    "DetectionCenterPadding": _pad("center"),
    "DetectionBottomRightPadding": _pad("bottom_right"),
    "DetectionAutoPadding": _auto_pad,
    "ImagePermute": _permute,
}


def _size(parameters: dict[str, Any]) -> Size:
    values = [int(side) for side in _flat(parameters["output_shape"])]
    height, width = values * 2 if len(values) == 1 else values
    if not (0 < height <= 2**15 and 0 < width <= 2**15):
        raise ValueError(f"output_shape {values} is no size of an image")
    return height, width


def _flat(value: Any) -> list[Any]:
    """A number as a list of it; lists in lists, as an array of shape [1, 1, 3] is kept, as one."""
    if isinstance(value, list | tuple):
        return [each for item in value for each in _flat(item)]
    return [value]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{str(value)[:40]!r} is no number")
    return float(value)


def _triple(values: Any) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third


def _refused(name: str, what: str) -> RequestError:
    return RequestError(
        f"the checkpoint's pre-processing: {name} {what}: say yourself what the network is fed, preprocessing=declared"
        " with its keys and preprocessing.override=true"
    )


def trained(
    source: Source, steps: Sequence[tuple[str, dict[str, Any]]],
    confidence_threshold: float | None, nms_threshold: float | None,
) -> Trained:  # fmt: skip
    """What a checkpoint or a network says, with the thresholds that it has; what is wrong with the steps is its
    `problem`, for whoever needs them."""
    try:
        node, size = declared(steps)
        found = Trained(source=source, preprocessing=node, size=size)
    except RequestError as error:
        found = Trained(source=source, problem=str(error))
    return found.model_copy(update={"confidence_threshold": confidence_threshold, "nms_threshold": nms_threshold})
