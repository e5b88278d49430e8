"""`input.size`: a wrong one is said once, with what is allowed."""

import pytest

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose


@pytest.mark.parametrize(("given", "said"), [
    ("input.size=big", "input.size='big': must be pixels, dynamic, or auto (the size that the weights are for)"),
    ("input.height=1.5", "input.height=1.5: must be pixels, dynamic, or auto (the size that the weights are for)"),
    ("input.size=641", "input.size=641: must be a multiple of 32 pixels, the network's largest stride: take 640 or 672"),
])  # fmt: skip
def test_a_wrong_size_is_one_clause(given, said):
    with pytest.raises(RequestError) as raised:
        check(compose(["+recipe=yolo_nas_s", given]))
    assert str(raised.value) == said


@pytest.mark.parametrize("given", ["input.size=320", "input.size='320'", "input.size=320.0"])
def test_a_whole_number_is_one_however_it_is_written(given):
    assert check(compose(["+recipe=yolo_nas_s", given])).input.height == 320


def test_a_number_that_no_float_holds_is_one_clause():
    with pytest.raises(RequestError, match=r"^input\.size=10+\S*: must be pixels, dynamic, or auto"):
        check(compose(["+recipe=yolo_nas_s", f"input.size={10**400}"]))
