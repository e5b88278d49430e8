"""The blocks between those of `test_commands`, in a file of its own: the suite gives each file to one process."""

import pytest

from tests.readme import BLOCKS, run


@pytest.mark.parametrize("commands", BLOCKS[1::2])
def test_every_command_runs(commands, workplace):
    run(commands)
