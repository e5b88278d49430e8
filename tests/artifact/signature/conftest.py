"""An artifact with its builder's keys, and the one line of a refusal."""

import pytest

from exporter.cli import main
from tests.artifact.signature.keys import write_key
from tests.report.diff.artifacts import write


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with an artifact, `out`, and the keys of its builder and of somebody else."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "out")
    (tmp_path / "out" / ".hydra").mkdir()
    (tmp_path / "out" / ".hydra" / "config.yaml").write_text("name: small\n")
    write_key(tmp_path, "builder")
    write_key(tmp_path, "other")
    return tmp_path


@pytest.fixture
def signed(place):
    assert main(["sign", "out", "--key", "builder.key"]) == 0
    return place / "out"


@pytest.fixture
def line(capsys):
    """Gives the one line on standard error."""

    def read():
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "Traceback" not in said, said
        return said

    return read
