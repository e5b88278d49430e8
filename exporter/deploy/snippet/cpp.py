"""A program in C++ for one artifact: the ONNX Runtime C++ API only. Put together as that in Python is."""

from exporter.deploy.snippet import cpp_pieces as pieces
from exporter.deploy.snippet.facts import Facts

TYPES = {"uint8": "uint8_t", "float32": "float", "float16": "Ort::Float16_t"}
NVIDIA = {
    "CUDAExecutionProvider": ("CUDA", "CUDAProviderOptionsV2*"),
    "TensorrtExecutionProvider": ("TensorRT", "TensorRTProviderOptionsV2*"),
}
"""By a provider's name, its name in the C API's functions and the type of its options there."""
ROWS = {"batch": pieces.BATCH, "flat": pieces.FLAT, "none": pieces.WITHOUT_NMS}
"""Of other formats the program shows what comes out; in Python their detections are made."""


def program(facts: Facts) -> str:
    """The whole of it."""
    parts = [_head(facts)]
    if facts.takes_arrays:
        parts.append(pieces.ARRAY)
    else:
        parts += [pieces.IMAGE, *_place(facts), _encode(facts)]
    if facts.format in ROWS:
        parts.append(pieces.PRINT if _moves(facts) else pieces.PRINT_AS_IS)
    return "".join([*parts, _main(facts)])


def literal(text: str) -> str:
    """A C++ string literal of its UTF-8 bytes; whatever is not plain stands in octal, so that it can end nothing."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./:,+()"
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _moves(facts: Facts) -> bool:
    """Whether boxes come in pixels of the input and can go to the image's."""
    return facts.geometry is not None and not facts.takes_arrays


def _head(facts: Facts) -> str:
    array = f"the input for one image, {facts.dtype} [3, {facts.height}, {facts.width}], as it lies in memory"
    head = pieces.HEAD.format(
        takes=array if facts.takes_arrays else "a binary PPM",
        model=literal(str(facts.model)),
        names=", ".join(literal(name) for name in facts.class_names),
        type=TYPES[facts.dtype],
        batch=facts.batch or 1,
        why="filled up with the same image" if (facts.batch or 1) > 1 else "images a run",
    )
    needs_sizes = facts.geometry is not None or facts.takes_arrays
    return head + (pieces.SIZES.format(height=facts.height, width=facts.width) if needs_sizes else "")


def _place(facts: Facts) -> list[str]:
    if facts.geometry is None:
        return [pieces.PLACED, pieces.AS_IT_IS]
    if facts.geometry.padding is None:
        return [pieces.RESIZE, pieces.PLACED, pieces.STRETCH]
    margin, padding = facts.geometry.resize.margin, facts.geometry.padding
    top, left = ("(HEIGHT - height) / 2", "(WIDTH - width) / 2") if padding.placement == "center" else ("0", "0")
    fit = pieces.FIT.format(margin=margin, grey=padding.value, top=top, left=left)
    return [pieces.RESIZE, pieces.PLACED, fit]


def _encode(facts: Facts) -> str:
    constants, value = "", f"T(float(image.rgb[3 * i + {'2 - c' if facts.bgr else 'c'}]))"
    if n := facts.normalization:
        order, mean, std = (", ".join(str(number) for number in values) for values in (n.order, n.mean, n.std))
        constants = pieces.NORMALIZATION.format(order=order, mean=mean, std=std)
        value = "(image.rgb[3 * i + order[c]] - mean[c]) / std[c]"
    index = "c * area + i" if facts.layout == "nchw" else "3 * i + c"
    return pieces.ENCODE.format(constants=constants, index=index, value=value)


def _options(facts: Facts) -> str:
    """Of the session: the provider that the artifact was proved with, and its options."""
    provider = facts.provider
    if provider.plugin:
        return pieces.PLUGIN.format(name=provider.name)
    if provider.name == "OpenVINOExecutionProvider":
        return pieces.OPENVINO_PROVIDER
    if provider.name not in NVIDIA:
        return pieces.CPU
    name, type = NVIDIA[provider.name]
    keys, values = (", ".join(map(literal, words)) for words in (provider.options, provider.options.values()))
    return pieces.NVIDIA_PROVIDER.format(name=name, type=type, keys=keys, values=values)


def _main(facts: Facts) -> str:
    sides = {"n": "BATCH", "c": "3", "h": "placed.image.height", "w": "placed.image.width"}
    if facts.takes_arrays:
        sides |= {"h": "HEIGHT", "w": "WIDTH"}
    integer = f"{facts.outputs.get('num_predictions', 'int64')}_t"
    return pieces.MAIN.format(
        options=_options(facts),
        input=literal(facts.input_name),
        outputs=", ".join(literal(name) for name in facts.outputs),
        prepare=pieces.FROM_ARRAY if facts.takes_arrays else pieces.FROM_IMAGE,
        shape=", ".join(sides[side] for side in facts.layout),
        rows=ROWS.get(facts.format, pieces.USER_FORMAT).format(
            integer=integer, at=", placed, raw" if _moves(facts) else ""
        ),
    )
