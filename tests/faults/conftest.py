"""A folder with a store that holds all results of two builds, and a process that runs commands there."""

import pytest

from tests.faults import campaign
from tests.faults.campaign import OTHER, SMALL, Server, contents, good


class Place:
    """`folder/out` is where builds go; `before` and `after` are what an artifact of the plain words, and one of those
    and `OTHER`, holds."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.store, self.out = folder / "store", folder / "work" / "out"
        self.arguments = [*SMALL, f"store.path={self.store}", f"output_dir={self.out}"]
        self.build(OTHER)
        self.after = contents(self.out)
        self.build()
        self.before = contents(self.out)

    def build(self, *more):
        """Without a fault, which must go well and leave nothing beside the artifact."""
        answer = good(self.server.run([*self.arguments, *more]))
        assert [path.name for path in self.out.parent.iterdir()] == ["out"]
        return answer


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def place(tmp_path_factory, server):
    return Place(tmp_path_factory.mktemp("faults"), server)


@pytest.fixture(autouse=True)
def own_store(empty_store):
    """What is interrupted has to be computed first."""


@pytest.fixture(autouse=True)
def counted(request):
    """Hands on what was injected; tests/conftest.py prints the sum."""
    campaign.reported.clear()
    yield
    totals = [[each.injected, each.survived, each.lost] for each in campaign.reported]
    request.node.user_properties.append(("faults", [sum(column) for column in zip([0, 0, 0], *totals, strict=True)]))
