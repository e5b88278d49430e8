"""Networks of other packages, exported by their own tools: what we find is what their own post-processing finds.

Each package is installed into an environment of its own, in the user's cache; one that cannot be had is skipped."""

import pytest

from exporter.common.errors import BuildError
from tests.tables.foreign import exported, measured
from tests.tables.foreign_tools import NETWORKS

SHARE = 0.95  # of the rows: near ties go either way


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_taken_and_finds_what_its_own_tool_finds(name, tmp_path):
    try:
        exported(name, tmp_path)
    except BuildError as error:
        pytest.skip(f"{NETWORKS[name].requirement}: {error}")
    result = measured(name, tmp_path, builds=("fp32", "int8"), timed=False)
    assert result.total > 100 and abs(result.ours - result.total) <= (1 - SHARE) * result.total
    assert result.equal >= SHARE * result.again and result.matched["fp32"] >= SHARE
    assert not result.reasons  # INT8 of random weights is built, whatever it keeps
