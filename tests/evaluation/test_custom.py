"""Labelled images from a user's own function: what it may give, and what is said where it gives something else."""

import numpy as np
import pytest
import torch
from PIL import Image

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.evaluation.custom import CustomEvaluation

NAMES = ["person", "cat", "dog"]
IMAGE = np.arange(20 * 40 * 3, dtype=np.uint8).reshape(20, 40, 3)
GIVEN: list = []


def given():
    """What a test puts into GIVEN; stands for a user's function."""
    return GIVEN[0]


def fails():
    raise OSError("no such disk")


class Dataset(torch.utils.data.Dataset):
    """As people have them: items made when they are asked for."""

    def __init__(self, count=3):
        self.count, self.asked = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        self.asked.append(i)
        return torch.from_numpy(IMAGE + i), torch.tensor([[i, 2.0, 30.0, 12.5]]), torch.tensor([i % 3])


def node(items, class_names=None, num_images=None, **settings):
    GIVEN[:] = [items]
    return CustomEvaluation(
        target=f"{__name__}.given", arguments={}, class_names=class_names, num_images=num_images
    ).model_copy(update=settings)


def test_a_dataset_is_asked_for_one_item_at_a_time():
    dataset = Dataset()
    examples = node(dataset).examples(NAMES, 64, 64)
    assert dataset.asked == [0, 1, 2]
    assert [e.ground_truth.classes.tolist() for e in examples] == [[0], [1], [2]]
    assert examples[1].ground_truth.boxes.tolist() == [[1, 2, 30, 12.5]]
    assert examples[1].ground_truth.areas.tolist() == [29 * 10.5]
    np.testing.assert_array_equal(examples[1].read(), IMAGE + 1)
    assert dataset.asked == [0, 1, 2, 1]


def test_a_list_of_files_background_and_names_of_ones_own(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    items = [(str(tmp_path / "a.png"), [[0, 0, 40, 20]], [1]), (IMAGE, [], []), (IMAGE, np.zeros((0, 4)), [])]
    first, *others = node(items, class_names=("cat", "dog")).examples(NAMES, 64, 64)
    np.testing.assert_array_equal(first.read(), IMAGE)
    assert first.ground_truth.classes.tolist() == [2]
    assert [len(e.ground_truth.boxes) for e in others] == [0, 0]


def test_files_of_16_bits_are_scaled_alike(tmp_path):
    values = np.arange(20 * 40, dtype=np.uint16).reshape(20, 40)
    for name, each in (("a.png", values), ("b.png", values * 4)):
        Image.fromarray(each).save(tmp_path / name)
    items = [(tmp_path / "a.png", [[0, 0, 9, 9]], [0]), (IMAGE, [], []), (str(tmp_path / "b.png"), [], [])]
    for given, bits in (("auto", 12), (14, 14)):
        first, second, third = node(items, bit_depth=given).examples(NAMES, 64, 64)
        for example, each in ((first, values), (third, values * 4)):
            np.testing.assert_array_equal(example.read()[..., 1], np.rint(each * (255 / (2**bits - 1))))
        assert first.depth is third.depth and first.depth.bits == bits
        assert second.depth is None and np.array_equal(second.read(), IMAGE)


def test_num_images_takes_that_many_and_asks_for_no_others():
    dataset = Dataset(10)
    assert [e.name for e in node(dataset, num_images=2).examples(NAMES, 64, 64)] == ["item 0", "item 5"]
    assert dataset.asked == [0, 5]


def with_labels(boxes, classes):
    return [(IMAGE, [[0, 0, 9, 9]], [0]), (IMAGE, boxes, classes)]


MISTAKES = [
    (iter([]), ["gives a list_iterator", "no length"]),
    (3, ["gives a int"]),
    ([], ["lists no images"]),
    ([(IMAGE, [], [])], ["none of 1 images has a label"]),
    ([IMAGE], ["item 0", "no (image, boxes, classes)"]),
    ([(IMAGE, [[0, 0, 9, 9]])], ["item 0", "no (image, boxes, classes)"]),
    ([(IMAGE, [[0, 0, 9, 9]], ["cat"])], ["item 0", "class numbers"]),
    ([("nowhere.jpg", [[0, 0, 9, 9]], [0])], ["item 0", "nowhere.jpg"]),
    ([(IMAGE / 255, [[0, 0, 9, 9]], [0])], ["item 0", "[20, 40, 3] float64", "uint8"]),
    ([(IMAGE.transpose(2, 0, 1), [[0, 0, 9, 9]], [0])], ["item 0", "[3, 20, 40] uint8", "[h, w, 3]"]),
    (with_labels([0, 0, 9, 9], [0]), ["item 1", "[4] and its classes [1]", "[n, 4]"]),
    (with_labels([[0, 0, 9, 9]], [0, 1]), ["item 1", "[1, 4] and its classes [2]"]),
    (with_labels([], [1]), ["item 1", "[0, 4] and its classes [1]"]),
    (with_labels([[0, 0, np.nan, 9]], [0]), ["item 1", "NaN"]),
    (with_labels([[0, 0, 9, 9], [0, 0, 8, 8]], [1, 3]), ["item 1", "[1, 3]", "[person, cat, dog]", "class_names"]),
    (with_labels([[0, 0, 9, 9]], [-1]), ["item 1", "[-1]", "[person, cat, dog]"]),
    (with_labels([[0, 0, 9, 9]], [0.5]), ["item 1", "[0.5]"]),
]


@pytest.mark.parametrize(("items", "said"), MISTAKES, ids=[" ".join(said) for _, said in MISTAKES])
def test_what_is_not_of_the_contract_is_named(items, said):
    with pytest.raises(RequestError) as error:
        node(items).examples(NAMES, 64, 64)
    line = str(error.value)
    assert "\n" not in line and "evaluation._target_=" in line
    assert all(part in line for part in said), line


def test_odd_boxes_are_clipped_or_dropped_counted_and_with_strict_errors():
    odd = with_labels([[20, 0, 60, 9], [5, 0, 5, 9], [50, 0, 60, 9]], [0, 0, 0])
    examples = node(odd).examples(NAMES, 64, 64)
    assert examples[1].ground_truth.boxes.tolist() == [[20, 0, 40, 9]] and examples[1].ground_truth.areas.tolist() == [
        180
    ]
    assert examples.notes == {"clipped": 1, "dropped_outside": 1, "dropped_without_extent": 1}
    with pytest.raises(RequestError, match=r"item 1: the box \[20, 0, 60, 9\].*edge.*no size.*lies outside"):
        node(odd, strict=True).examples(NAMES, 64, 64)


def test_all_items_that_are_wrong_are_told_at_once():
    with pytest.raises(RequestError, match=r"item 1: .*item 2: .*item 3: .* … and 2 more$"):
        node([*with_labels([[0, 0, 9, 9]], [9]), *[(IMAGE, [[0, 0, 9, 9]], [9])] * 4]).examples(NAMES, 64, 64)


def test_names_that_are_not_the_models_show_what_differs():
    with pytest.raises(RequestError, match=r"horse: not a class.*; the model has person, dog instead"):
        node(with_labels([[0, 0, 9, 9]], [1]), class_names=("cat", "horse")).examples(NAMES, 64, 64)


def test_a_function_that_fails_is_one_line():
    with pytest.raises(RequestError, match=r"fails: cannot be made: .*OSError.*no such disk") as error:
        node([], target=f"{__name__}.fails").examples(NAMES, 64, 64)
    assert "\n" not in str(error.value)


class Lengthless:
    """As a DataLoader on a set that has no length."""

    def __len__(self):
        raise TypeError("object of type 'Stream' has no len()")

    def __getitem__(self, index):
        raise AssertionError("it is not asked")


def test_a_set_without_length_is_one_line():
    with pytest.raises(RequestError, match=r"given: has no length: TypeError: object of type 'Stream' has no len"):
        node(Lengthless()).examples(NAMES, 64, 64)


def test_only_the_command_line_trusts_it(capsys):
    overrides = [
        "+recipe=yolo_nas_s",
        "evaluation=custom",
        f"evaluation._target_={__name__}.given",
        "+evaluation.folder=x",
    ]
    assert main(overrides) == 2
    assert f"trust={__name__.split('.', maxsplit=1)[0]}" in capsys.readouterr().err
    own = check(compose([*overrides, "trust=tests", "evaluation.class_names=[cat]"])).evaluation
    assert (own.arguments, own.class_names, own.name) == ({"folder": "x"}, ("cat",), "custom")
    with pytest.raises(RequestError, match=r"evaluation\.min_map=101"):
        check(compose([*overrides, "trust=tests", "evaluation.min_map=101"]))
