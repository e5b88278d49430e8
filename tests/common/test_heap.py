"""What is frozen for the garbage collector while a stage works."""

import gc
from contextvars import Context

import pytest

from exporter.common.heap import collecting_only_what_is_new


@pytest.fixture(autouse=True)
def nothing_frozen():
    """The suite itself is inside of it: see the fixtures of all tests."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.freeze()


def nested() -> list[bool]:
    frozen = []
    with collecting_only_what_is_new():
        frozen.append(gc.get_freeze_count() > 0)
        with collecting_only_what_is_new():
            pass
        frozen.append(gc.get_freeze_count() > 0)
    return [*frozen, gc.get_freeze_count() > 0]


def test_the_outermost_freezes_and_thaws():
    assert Context().run(nested) == [True, True, False]


def test_what_a_caller_has_frozen_stays_so():
    gc.freeze()
    assert Context().run(nested) == [True, True, True]


def test_a_failure_thaws_too():
    def fails():
        with pytest.raises(ZeroDivisionError), collecting_only_what_is_new():
            raise ZeroDivisionError
        return nested()

    assert Context().run(fails) == [True, True, False]
