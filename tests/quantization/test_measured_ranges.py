"""calibration.method=measure: what it says of each method is what that method's own file does, and the best is taken."""

import numpy as np
import pytest

from exporter.proof.tensors import Tensors
from exporter.quantization.error import errors, in_place, quantization_error
from exporter.quantization.int8 import Int8
from exporter.quantization.ranges import METHODS
from exporter.quantization.task import Task
from tests.quantization.networks import made_images, run
from tests.quantization.outliers import as_a_set, contract_core


def images():
    """Many of a kind, but for one value of one of them that is far beyond all others."""
    made = made_images(24, 32)
    made[8][0, :, 0, 0] = 60.0
    return made


def quantized(method, **arguments):
    return Int8().quantize(Task(contract_core(), images=images(), method=method, **arguments))


def outputs(model):
    """One image at a time, without the exporter's own way of running them."""
    for image in images():
        boxes, scores = run(model, image)
        yield Tensors(boxes[0], scores[0], None)


@pytest.mark.parametrize("scheme", ["u8s8", "s8s8"])
def test_the_best_of_all_is_taken_and_each_error_is_that_of_the_methods_own_file(scheme):
    model, summary, _ = quantized("measure", scheme=scheme, percentile=99.0)
    measured = summary.measured_ranges
    files = {method: quantized(method, scheme=scheme, percentile=99.0).model for method in METHODS}
    expected = {method: quantization_error(outputs(contract_core()), outputs(each)) for method, each in files.items()}
    assert measured.error == pytest.approx(expected, rel=1e-4)
    assert measured.chosen == min(METHODS, key=measured.error.__getitem__)
    # The one value costs the most common method.
    assert measured.error["minmax"] > 1.3 * measured.error[measured.chosen]
    assert model == files[measured.chosen]


def test_of_a_set_each_box_is_held_against_the_one_that_it_stands_for():
    core = contract_core()
    model = quantized("moving_average").model
    sets = errors(as_a_set(core), {"int8": as_a_set(model)}, images(), unordered=True)["int8"]
    expected = [in_place(want, have) for want, have in zip(outputs(core), outputs(model), strict=True)]
    assert sets == pytest.approx(quantization_error(outputs(core), expected), rel=1e-4)
    by_rows = errors(as_a_set(core), {"int8": as_a_set(model)}, images(), unordered=False)["int8"]
    assert by_rows > 5 * sets


def test_other_methods_measure_nothing():
    assert quantized("minmax").summary.measured_ranges is None
    assert np.isfinite(list(quantized("measure").summary.measured_ranges.error.values())).all()
