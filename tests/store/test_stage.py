"""Keys hold all that a result comes from; results are computed only where they are not there."""

import ast
import hashlib
import json
import sys
from dataclasses import replace
from importlib.metadata import packages_distributions

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.node import UnknownOriginError
from exporter.common.progress import Progress
from exporter.store import sources
from exporter.store.codec import Codec
from exporter.store.key import differences, digest, identity
from exporter.store.place import Store
from exporter.store.stage import BUILT, REUSED, UNNEEDED, Run, Stage

JSON = Codec(lambda value: {"value": json.dumps(value).encode()}, lambda files: json.loads(files["value"]))
CALLS = []


def double(number, of=0):
    CALLS.append(number)
    return 2 * (number + of)


@pytest.fixture
def run(tmp_path):
    CALLS.clear()
    return Run(Store(tmp_path / "store", 10**9, pytest.fail), "recipe", Progress())


def chain(number=1, last=5, codec=JSON, machine=None):
    first = Stage("first", double, {"number": number}, codec)
    return first, Stage("second", double, {"number": last, "of": first}, JSON, machine=machine)


def test_a_result_that_is_there_is_not_computed_and_nothing_before_it(run):
    first, second = chain()
    assert second.value(run) == 14 and CALLS == [1, 5]
    again = chain()
    assert again[1].value(run) == 14 and CALLS == [1, 5]
    assert [stage.state for stage in (first, second, *again)] == [BUILT, BUILT, UNNEEDED, REUSED]


def test_only_what_a_change_reaches_is_computed(run):
    chain()[1].value(run)
    assert chain(last=6)[1].value(run) == 16 and CALLS == [1, 5, 6]
    assert chain(number=2)[1].value(run) == 18 and CALLS == [1, 5, 6, 2, 5]
    assert chain(machine="another")[1].value(run) == 14 and CALLS[-1] == 5


def test_it_is_said_why(run):
    chain()[1].value(run)
    _, second = chain(last=6)
    second.value(replace(run))  # another build
    assert second.because == ["settings.number: 5 → 6"]


def test_what_cannot_be_kept_is_computed_once_in_a_build(run):
    _, second = chain(codec=None)
    first = second.inputs["of"]
    assert first.value(run) == first.value(run) == 2 and CALLS == [1]
    assert second.value(run) == 14 and chain(codec=None)[1].value(run) == 14 and CALLS == [1, 5]


class Loader:
    """A user's own object."""


def test_an_unknown_origin_keeps_nothing_that_comes_of_it(run):
    def count(loader, of=0):
        CALLS.append("loader")
        return 3

    def made():
        first = Stage("first", count, {"loader": Loader()}, JSON)
        return Stage("second", double, {"number": 1, "of": first}, JSON)

    for _ in range(2):
        assert made().value(run) == 8
    assert CALLS == ["loader", 1] * 2 and run.store.entries() == []
    assert "Loader" in made().unknown and made().key is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values, values)
def test_keys_are_equal_where_settings_are(a, b):
    same = digest({"settings": identity(a)}) == digest({"settings": identity(b)})
    assert same == (repr(_sorted(a)) == repr(_sorted(b)))


def _sorted(value):
    if isinstance(value, dict):
        return sorted((key, _sorted(item)) for key, item in value.items()), "mapping"
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_nothing_differs_from_itself(value):
    assert differences({"a": identity(value)}, {"a": identity(value)}) == []


def test_an_object_has_no_identity():
    with pytest.raises(UnknownOriginError, match="Loader"):
        identity({"deep": [Loader()]})


def test_sources_are_what_a_module_imports_anywhere():
    found = sources.sources(["exporter.pipeline.stages.trace"])
    assert {
        "exporter.pipeline.stages.trace",
        "exporter.graph.trace",
        "exporter.graph.clean",
    } <= found.keys()
    # Changes of what comes behind it, of pages and of the store itself trace nothing again.
    strange = (
        "exporter.pipeline.stages.attach",
        "exporter.report.page",
        "exporter.store",
        "exporter.pipeline.build",
        "exporter.cli.run",
        "exporter.postprocessing",
        "exporter.proof",
        "exporter.common.progress",
    )
    assert not [name for name in found if name.startswith(strange)]
    assert "exporter.model.fuse" in sources.sources(["exporter.model.known"])  # imported inside a function
    assert "exporter.artifact.manifest" not in sources.sources(["exporter.model.loaded"])  # for type checkers only


class Imports(ast.NodeVisitor):
    """All that a module imports, read from the whole of its syntax tree."""

    def __init__(self, text):
        self.found = set()
        self.visit(ast.parse(text))

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node):
        self.found |= {each.name for each in node.names}

    def visit_ImportFrom(self, node):
        self.found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)} - {"exporter"}


def test_every_import_is_read_and_its_distribution_known():
    tops = set()
    for file in sources.ROOT.rglob("*.py"):
        name = ".".join(("exporter", *file.relative_to(sources.ROOT).with_suffix("").parts)).removesuffix(".__init__")
        imports = Imports(file.read_bytes()).found
        assert imports <= set(sources._read(name)[1]), name  # more where it writes programs
        tops |= {each.partition(".")[0] for each in imports} - {"exporter", *sys.stdlib_module_names}
    known = packages_distributions()
    assert {"torch", "PIL", "cv2"} <= tops & known.keys()
    counted = tops & known.keys() - sources.NO_MATTER
    assert not [top for top in counted if sources.distribution(top) not in map(str.lower, known[top])]
    traced = sources.packages(sources.sources(["exporter.pipeline.stages.trace"]))
    assert {"torch", "onnxscript", "onnx-ir", "onnx", "onnxsim", "python"} <= traced.keys()


def test_a_template_counts_with_what_renders_it():
    def alone(name):
        return hashlib.sha256(sources.ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py").read_bytes()).hexdigest()

    found = sources.sources(["exporter.report.page.page"])
    assert found["exporter.report.page.page"] != alone("exporter.report.page.page")
    assert found["exporter.report.html"] == alone("exporter.report.html")
