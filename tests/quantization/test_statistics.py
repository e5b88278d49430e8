"""Statistics against numpy over the same images, and what they must not depend on."""

import math
import weakref

import numpy as np
import pytest

from exporter.common.errors import BuildError, RequestError
from exporter.quantization.ranges import HISTOGRAM_METHODS, METHODS, choose
from exporter.quantization.scheme import S8S8, U8S8, activation
from exporter.quantization.statistics import Histogram, Statistics, collect
from tests.quantization.networks import Builder, detector, made_images, run

TENSORS = ["images", "backbone.stem/Relu", "backbone.block/Add", "neck.up/ConvTranspose", "heads.cls_pred/Conv"]


@pytest.fixture(scope="module")
def held():
    """Every value of every tensor, image by image, as an unoptimised graph computes it."""
    per_image = [run(detector(), image, *TENSORS[1:], optimize=False) for image in made_images(5)]
    per_tensor = [np.concatenate(arrays) for arrays in zip(*per_image, strict=True)]
    return dict(zip(TENSORS, [np.concatenate(made_images(5)), *per_tensor], strict=True))


@pytest.mark.parametrize("histograms", [False, True])
def test_extremes_are_those_of_numpy(held, histograms):
    seen = collect(detector(), TENSORS, iter(made_images(5)), histograms)
    for name, values in held.items():
        np.testing.assert_allclose(
            [seen[name].low, seen[name].high], [values.min(), values.max()], rtol=1e-5, atol=1e-6
        )
        assert choose(seen[name], "minmax", U8S8) == (seen[name].low, seen[name].high)


def test_the_moving_average_is_that_of_numpy(held):
    seen = collect(detector(), TENSORS, made_images(5), False)
    values = held["neck.up/ConvTranspose"]
    average = values[0].max()
    for image in values[1:]:
        average = average * 0.9 + image.max() * 0.1
    assert choose(seen["neck.up/ConvTranspose"], "moving_average", U8S8)[1] == pytest.approx(average, rel=1e-5)


def test_histograms_count_every_value_whatever_the_order(held):
    images = made_images(5)
    images[2] = images[2] * np.float32(0.01)
    one, other = (collect(detector(), TENSORS, order, True) for order in (images, images[::-1]))
    for name in TENSORS:
        a, b = one[name].histogram, other[name].histogram
        assert a is not None and b is not None
        assert a.exponent == b.exponent
        np.testing.assert_array_equal(a.counts, b.counts)
        assert a.counts.sum() == held[name].size


def test_a_sum_of_histograms_is_the_histogram_of_all_values():
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=300) * size).astype(np.float32) for size in (1e-4, 3, 0.5, 1e4)] + [
        np.zeros(7, np.float32)
    ]
    total = Histogram.of(parts[0])
    for part in parts[1:]:
        total = total + Histogram.of(part)
    expected, _ = np.histogram(np.concatenate(parts), bins=total.edges)
    np.testing.assert_array_equal(total.counts, expected)
    assert total.edges[0] < min(p.min() for p in parts) and max(p.max() for p in parts) < total.edges[-1]
    assert total.edges[-1] <= 2 * max(np.abs(p).max() for p in parts)


def seen_in(values: np.ndarray) -> Statistics:
    return Statistics(float(values.min()), float(values.max()), 0.0, 0.0, Histogram.of(values))


def test_percentile_leaves_out_its_share_at_each_end():
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    low, high = choose(seen_in(values), "percentile", U8S8, percentile=99)
    np.testing.assert_allclose([low, high], np.percentile(values, [0.5, 99.5]), atol=0.002)
    assert choose(seen_in(values), "percentile", U8S8, percentile=100) == (values.min(), values.max())


def test_percentile_keeps_the_bins_in_which_the_shares_are_passed():
    values = np.arange(-100, 100, dtype=np.float32) + np.float32(0.5)  # each in a bin of its own, 1/64 wide
    assert choose(seen_in(values), "percentile", U8S8, percentile=98.5) == (-98.5, 98.5 + 1 / 64)


@pytest.mark.parametrize("scheme", [U8S8, S8S8], ids=["u8s8", "s8s8"])
@pytest.mark.parametrize("method, most", [("mse", 37), ("entropy", 14)])
def test_outliers_are_cut_off_and_honest_ranges_are_not(method, most, scheme):
    rng = np.random.default_rng(0)
    values = np.maximum(rng.normal(size=200_000), 0).astype(np.float32)
    values[0] = 40
    _, high = choose(seen_in(values), method, scheme)
    assert 3 < high < most
    flat = rng.uniform(0, 6, 200_000).astype(np.float32)
    assert choose(seen_in(flat), method, scheme)[1] > 5.8


def test_the_zeros_of_a_relu_do_not_hide_the_rest():
    rng = np.random.default_rng(0)
    values = np.maximum(rng.normal(size=200_000), 0).astype(np.float32) * (rng.random(200_000) < 0.2)
    assert choose(seen_in(values), "entropy", U8S8)[1] > 0.7 * values.max()


def test_mse_is_the_least_of_its_candidates_by_plain_counting():
    values = (np.random.default_rng(0).laplace(size=20_000) ** 3).astype(np.float32)

    def error(low, high):
        scale, zero_point = activation(low, high, U8S8)
        rounded = np.clip(np.rint(values / scale) + zero_point.astype(int), 0, 255) - zero_point.astype(int)
        return np.mean((values - rounded * scale) ** 2)

    candidates = [(values.min() * p / 100, values.max() * p / 100) for p in range(100, 9, -1)]
    assert error(*choose(seen_in(values), "mse", U8S8)) <= 1.02 * min(error(*c) for c in candidates)


@pytest.mark.parametrize("scheme", [U8S8, S8S8], ids=["u8s8", "s8s8"])
@pytest.mark.parametrize("values", [
    np.random.default_rng(1).laplace(size=500), np.random.default_rng(3).laplace(size=500) ** 3,
    np.random.default_rng(2).geometric(0.3, 500) * -0.25,
], ids=["laplace", "outliers", "negative"])  # fmt: skip
def test_entropy_is_the_least_of_its_candidates_by_plain_counting(values, scheme):
    statistics = seen_in(values.astype(np.float32))
    histogram = statistics.histogram
    assert histogram is not None
    limits = np.iinfo(scheme.dtype)
    middles = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    bins = [(x, n) for i, (x, n) in enumerate(zip(middles, histogram.counts, strict=True)) if n and i != histogram.HALF]

    def divergence(low, high):
        scale, zero_point = (float(each) for each in activation(low, high, scheme))
        levels = [round(x / scale) + zero_point for x, _ in bins]
        inside = [i for i, level in enumerate(levels) if limits.min <= level <= limits.max]
        first, last = inside[0], inside[-1]
        p, shares = dict.fromkeys(inside, 0), {}
        for i, (_, n) in enumerate(bins):
            p[min(max(i, first), last)] += n
        for i in inside:
            shares.setdefault(levels[i], []).append(bins[i][1])
        q = {i: sum(shares[levels[i]]) / len(shares[levels[i]]) for i in inside}
        of_p, of_q = sum(p.values()), sum(q.values())
        return sum(p[i] / of_p * math.log(p[i] / of_p / (q[i] / of_q)) for i in inside)

    candidates = [(statistics.low * p / 100, statistics.high * p / 100) for p in range(100, 9, -1)]
    assert choose(statistics, "entropy", scheme) == min(candidates, key=lambda each: divergence(*each))


def test_of_equal_ranges_the_widest_is_chosen():
    assert choose(seen_in(np.full(100, 3, np.float32)), "entropy", U8S8) == (3, 3)  # none loses anything


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_that_is_always_zero_has_no_extent(method):
    assert choose(seen_in(np.zeros(100, np.float32)), method, U8S8) == (0, 0)


@pytest.mark.parametrize("histograms", [False, True])
def test_memory_does_not_grow_with_the_images(histograms):
    given, most = [], []

    def stream():
        for image in made_images(24):
            copy = image.copy()
            given.append(weakref.ref(copy))
            most.append(sum(reference() is not None for reference in given))
            yield copy

    seen = collect(detector(), TENSORS, stream(), histograms)
    assert max(most) <= 2
    sizes = {s.histogram.counts.size for s in seen.values() if s.histogram is not None}
    assert sizes == ({2 * Histogram.HALF} if histograms else set())


@pytest.mark.parametrize("histograms", [False, True])
def test_a_fixed_batch_gives_what_a_dynamic_one_does(histograms):
    fixed = collect(detector(batch=2), TENSORS, made_images(5), histograms)
    dynamic = collect(detector(), TENSORS, made_images(5), histograms)
    for name in TENSORS:
        np.testing.assert_allclose(
            [fixed[name].low, fixed[name].high], [dynamic[name].low, dynamic[name].high], rtol=1e-6
        )
        if histograms:
            assert fixed[name].histogram.counts.sum() == dynamic[name].histogram.counts.sum()
    loader = [np.concatenate(made_images(5)[:4]), *made_images(5)[4:]]
    together = collect(detector(batch=2), TENSORS, loader, histograms)
    assert together["neck.up/ConvTranspose"].high == fixed["neck.up/ConvTranspose"].high


@pytest.mark.parametrize("histograms", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_name_the_layer(histograms, value):
    b = Builder()
    stem = b.conv_relu("stem", "images", 3, 8)
    second = b.conv("second", stem, 8, 8)
    b.weights["second.bias"][3] = value
    model = b.model(b.add("Relu", "third", second))
    tensors = ["images", "stem/Relu", "second/Conv", "third/Relu"]
    with pytest.raises(BuildError, match="layer second/Conv is the first whose values are not all finite"):
        collect(model, tensors, made_images(1), histograms)


@pytest.mark.parametrize(
    "images, message",
    [
        ([], "no images"),
        (
            [np.zeros((1, 3, 8, 8), np.float32)],
            r"image 0 is float32 \[1, 3, 8, 8\]; the network takes float32 \[n, 3, 16, 16\]",
        ),
        ([np.zeros((1, 3, 16, 16), np.uint8)], "image 0 is uint8"),
        ([np.zeros((3, 16, 16), np.float32)], r"\[3, 16, 16\]"),
    ],
)
def test_unfit_images_are_refused(images, message):
    with pytest.raises(RequestError, match=message):
        collect(detector(), TENSORS, images, False)


@pytest.mark.parametrize("histograms", [False, True])
@pytest.mark.parametrize("batch", ["batch", 2])
def test_means_of_channels_are_those_of_numpy(held, histograms, batch):
    averaged = ["images", "neck.up/ConvTranspose"]
    seen = collect(detector(batch=batch), TENSORS, made_images(5), histograms, averaged)
    for name in TENSORS:
        if name in averaged:
            expected = held[name].mean(axis=(0, 2, 3), dtype=np.float64)
            np.testing.assert_allclose(seen[name].channel_means, expected, rtol=1e-5, atol=1e-7)
        else:
            assert seen[name].channel_means is None


def test_one_collection_serves_every_method():
    everything = collect(detector(), TENSORS, made_images(5), True)
    extremes = collect(detector(), TENSORS, made_images(5), False)
    for name in TENSORS:
        for method in METHODS:
            alone = (
                extremes
                if method in ("minmax", "moving_average")
                else collect(detector(), [name], made_images(5), True)
            )
            for scheme in (U8S8, S8S8):
                assert choose(everything[name], method, scheme) == choose(alone[name], method, scheme)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_images_changes_no_bit_but_of_a_moving_average(method):
    images = made_images(6)
    images[1], images[4] = images[1] * np.float32(0.1), images[4] * np.float32(1.7)
    shuffled = [images[i] for i in (4, 2, 0, 5, 1, 3)]
    one, other = (
        collect(detector(), TENSORS, order, method in HISTOGRAM_METHODS, TENSORS[:2]) for order in (images, shuffled)
    )
    same = [choose(one[name], method, U8S8) == choose(other[name], method, U8S8) for name in TENSORS]
    assert all(same) if method != "moving_average" else not any(same)
    for name in TENSORS[:2]:
        np.testing.assert_array_equal(one[name].channel_means, other[name].channel_means)
