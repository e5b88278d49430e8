"""The search against brute force, where layers cost something by themselves and something together."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from exporter.quantization.search import fewest, smallest_prefix, without_needless

LAYERS = tuple("abcdef")


def costs(alone, together):
    """What is lost when layers are on integers: each its own, and a pair more unless both are in float."""

    def cost(in_float):
        on_integers = [layer for layer in LAYERS if layer not in in_float]
        pairs = sum(value for pair, value in together.items() if set(pair) & set(on_integers))
        return sum(alone[layer] for layer in on_integers) + pairs

    return cost


cost_functions = st.builds(
    costs,
    st.fixed_dictionaries({layer: st.integers(0, 9) for layer in LAYERS}),
    st.dictionaries(st.sampled_from(list(combinations(LAYERS, 2))), st.integers(1, 20), max_size=2),
)


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_smallest_prefix_is_found(needed, most):
    tried = []

    def within(count):
        tried.append(count)
        return count >= needed

    assert smallest_prefix(within, most) == (needed if needed <= most else None)
    assert len(tried) == len(set(tried)) <= 2 + 2 * max(most.bit_length(), 1)
    assert max(tried) <= most


@given(st.permutations(LAYERS), cost_functions, st.integers(0, 60))
def test_what_is_left_in_float_keeps_the_bound_and_nothing_of_it_can_go(order, cost, allowed):
    chosen = fewest(order, cost, allowed)
    by_prefix = [k for k in range(len(order)) if cost(order[:k]) <= allowed]
    assert (chosen is None) == (not by_prefix)
    if chosen is None:
        return
    assert cost(chosen) <= allowed and len(chosen) <= by_prefix[0]
    assert all(cost([kept for kept in chosen if kept != layer]) > allowed for layer in chosen)
    assert [layer for layer in order if layer in chosen] == list(chosen)


@given(cost_functions, st.integers(0, 60))
def test_in_an_order_that_tells_the_truth_nothing_smaller_exists(cost, allowed):
    """Where layers cost nothing together, what each costs alone is the right order."""
    alone = {layer: cost([other for other in LAYERS if other != layer]) for layer in LAYERS}
    additive = costs(alone, {})
    order = sorted(LAYERS, key=lambda layer: -alone[layer])
    chosen = fewest(order, additive, allowed)
    sets = [s for size in range(len(LAYERS)) for s in combinations(LAYERS, size) if additive(s) <= allowed]
    assert (len(chosen) if chosen is not None else None) == (min(map(len, sets)) if sets else None)


def test_a_needless_layer_in_the_middle_goes():
    assert without_needless(("a", "b", "c"), lambda layers: {"a", "c"} <= set(layers)) == ("a", "c")
