"""The shape of the package: rooms and no cycles. Which room may import which, import-linter holds (pyproject.toml)."""

from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import grimp
import pytest

import exporter
from exporter.common.options import option_class
from exporter.common.paths import CONF
from exporter.config.nodes import GROUPS

ROOT = Path(exporter.__file__).parent


def test_nothing_stands_loose():
    assert {file.name for file in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_no_module_imports_itself_by_way_of_others_not_even_for_types():
    graph = grimp.build_graph("exporter", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which shows the way around


@pytest.mark.parametrize("base", GROUPS.values(), ids=lambda base: base.place)
def test_each_option_is_found_by_its_public_name(base):
    package = import_module(base.__module__)
    modules = {file.stem for file in Path(package.__file__).parent.glob("*.py")}
    options = {file.stem for file in (CONF / base.place.replace(".", "/")).glob("*.yaml")}
    for option in options & modules:
        module = import_module(f"{base.__module__}.{option}")
        own = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
        (found,) = (each for each in own if isinstance(each, type) and issubclass(each, base))
        assert option_class(base.__module__, found.__name__) is found is getattr(package, found.__name__)
    assert options & modules


def test_a_name_that_is_no_option_is_no_attribute():
    with pytest.raises(AttributeError, match=r"'exporter\.backend' has no attribute 'Nothing'"):
        _ = import_module("exporter.backend").Nothing
