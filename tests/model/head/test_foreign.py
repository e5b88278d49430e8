"""Networks of other packages, exported by their own tools: what we find is what their own post-processing finds.

Each package is installed into an environment of its own, in the user's cache; one that cannot be had is skipped."""

import pytest

from exporter.common.errors import BuildError
from tests.tables.foreign import exported, measured
from tests.tables.foreign_tools import NETWORKS

COUNT, MATCHED = 0.95, 0.97  # of the rows: near ties go either way
EQUAL, AGAIN = 0.9, 0.95  # of the rows, and of those that its own file has again in another order of additions


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_taken_and_finds_what_its_own_tool_finds(name, tmp_path):
    try:
        exported(name, tmp_path)
    except BuildError as error:
        pytest.skip(f"{NETWORKS[name].requirement}: {error}")
    result = measured(name, tmp_path, builds=("fp32", "int8"), timed=False)
    assert result.total > 100 and abs(result.ours - result.total) <= (1 - COUNT) * result.total
    assert result.equal >= max(EQUAL * result.total, AGAIN * result.again) and result.matched["fp32"] >= MATCHED
    assert not result.reasons  # INT8 of random weights is built, whatever it keeps
