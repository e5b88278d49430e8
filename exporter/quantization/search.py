"""The fewest layers to leave in float, found by trying: what a set of layers costs is measured, never predicted."""

from collections.abc import Callable, Sequence

Layers = tuple[str, ...]


def fewest(order: Sequence[str], cost: Callable[[Layers], float], allowed: float) -> Layers | None:
    """The layers to leave in float, of those in `order` (the most sensitive first) at most all but one, so that no more
    than `allowed` is lost; None where nothing that was tried keeps to that.

    cost: what is lost with these layers in float, in the order of `order`; some are asked for twice.
    """

    def within(layers: Layers) -> bool:
        return cost(layers) <= allowed

    count = smallest_prefix(lambda k: within(tuple(order[:k])), len(order) - 1)
    return None if count is None else without_needless(tuple(order[:count]), within)


def smallest_prefix(within: Callable[[int], bool], most: int) -> int | None:
    """How many of the first layers have to stay in float: the smallest k of 0 … most with within(k), provided that more
    layers in float never cost more; else a k with within(k) and without within(k - 1).

    Tries 0, 1, 2, 4 … most, since few are expected, and halves the last step. None where none of those is within.
    """
    low, high = -1, 0
    while not within(high):
        if high == most:
            return None
        low, high = high, min(max(2 * high, 1), most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if within(middle) else (middle, high)
    return high


def without_needless(layers: Layers, within: Callable[[Layers], bool]) -> Layers:
    """`layers` less those that can go, tried one by one from the last: what each costs alone is only a guess at what it
    costs beside others. Provided that more layers in float never cost more, none that is left can go."""
    kept = layers
    for layer in reversed(layers):
        fewer = tuple(name for name in kept if name != layer)
        kept = fewer if within(fewer) else kept
    return kept
