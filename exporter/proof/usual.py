"""The usual ways from bytes to a network's input, one of which a network was probably trained with."""

from exporter.preprocessing.normalization import UNCHANGED, Normalization
from exporter.preprocessing.own_normalization import AnyNormalization, UserNormalization

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

USUAL = {
    f"{channels}, {values}": given.model_copy(update={"order": order})
    for values, given in (
        ("0..1", Normalization(std=(255.0, 255.0, 255.0))),
        ("0..255", UNCHANGED),
        ("less ImageNet's mean and over its deviation", Normalization(mean=IMAGENET_MEAN, std=IMAGENET_STD)),
    )
    for channels, order in (("RGB", (0, 1, 2)), ("BGR", (2, 1, 0)))
}
"""By what people call them. Mean and deviation stand in the order of the network's channels, as packages apply them."""


def in_words(normalization: AnyNormalization) -> str:
    """What an image's bytes become, as `USUAL` calls it, else in numbers."""
    if isinstance(normalization, UserNormalization):
        return f"what {normalization.code} makes of them"
    for words, usual in USUAL.items():
        if usual == normalization:
            return words
    channels = "".join("RGB"[i] for i in normalization.order)
    return f"{channels}, less {list(normalization.mean)} and over {list(normalization.std)}"
