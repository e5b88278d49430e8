"""Each rule beside NVIDIA's own parser and compiler: what a rule calls an error they refuse, or swallow without a word; what
they take is a note. The table in the room's README is this one."""

import multiprocessing
from pathlib import Path

import onnx
import pytest

from exporter.backend.lint.parser import ask_parser
from exporter.backend.lint.reported import REPORTS, reported
from exporter.backend.lint.tensorrt import RULES
from exporter.cli import main
from exporter.common.errors import BuildError
from exporter.graph.before_plugins import before_plugins
from exporter.runtime.tensorrt.library import installed
from exporter.runtime.tensorrt.network import Shapes, configured, parsed, serialized
from tests.backend.lint.graphs import CLEAN, INT8, NATIVE_NMS, PLUGIN, TOPK, parse
from tests.backend.lint.test_rules import FAULTS
from tests.readme import checkout

README = Path(__file__).parents[3] / "exporter" / "backend" / "README.md"
RULE = {rule.id: rule for rule in RULES}
CRASHES = {"scale) =>"}
"""Words of the fault that ends the process of the compiler: a scale computed at run time."""
LENIENT = {"(features, features)\n"}
"""Words of a fault of a rule that it confirms otherwise: an input too many it leaves aside."""


def planted(fault) -> str:
    text = fault[2]
    for old, new in fault[3].items():
        text = text.replace(old, new)
    return text


def verdict(text: str, has_nms: bool) -> str:
    """ "refused", "taken", or "not asked" where it was parsed and there is an NMS, which is not compiled here."""
    try:
        model = before_plugins(parse(text)) if has_nms else parse(text)
        network = parsed(installed("tensorrt_rtx"), model.SerializeToString())
        if has_nms:
            return "not asked"
        shapes = Shapes("images", (1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8)) if "batch" in text else None
        serialized(network, configured(network, ["sm86"], shapes))
    except BuildError:
        return "refused"
    return "taken"


@pytest.mark.parametrize("name", ["int8", "fp16", "topk"])
def test_a_clean_graph_is_taken(name):
    assert verdict(CLEAN[name], has_nms=False) == "taken"


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault[0]}-{i}" for i, fault in enumerate(FAULTS)])
def test_no_rule_contradicts_the_parser(fault):
    rule, changed = RULE[fault[0]], " ".join(fault[3].values())
    if any(words in changed for words in CRASHES):
        child = multiprocessing.get_context("spawn").Process(target=verdict, args=(planted(fault), False))
        child.start()
        child.join(60)
        assert child.exitcode and child.exitcode < 0, "it no longer dies of it"
        return
    found = verdict(planted(fault), has_nms=fault[2] in (PLUGIN, NATIVE_NMS))
    if found == "not asked" or rule.parser == "not asked":
        return
    if any(words in changed for words in LENIENT):
        assert found == "taken"
    else:
        assert found == {"refused": "refused", "silent": "taken", "taken": "taken"}[rule.parser]


def test_what_is_taken_is_no_error_and_what_is_swallowed_is():
    assert {rule.level for rule in RULES if rule.parser == "taken"} == {"note"}
    assert {rule.level for rule in RULES if rule.parser in ("silent", "refused")} == {"error"}


@checkout
def test_the_readme_holds_the_table():
    text = README.read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| `{rule.id}` | {rule.level} | {rule.parser} |" in text, (
            f"| `{rule.id}` | {rule.level} | {rule.parser} |"
        )


@pytest.mark.parametrize(("text", "refuses", "says"), [
    (INT8, False, "takes it"),
    (PLUGIN, False, "takes the part before its plugins"),
    (INT8.replace("int8 zero = {0}", "int8 zero = {3}"), True, "cannot parse it: quantize: "),
    (TOPK, False, "takes it"),
])  # fmt: skip
def test_the_parser_is_asked_in_a_process_of_its_own(text, refuses, says):
    said = ask_parser(parse(text))
    assert said.refuses == refuses
    assert says in said.line and "\n" not in said.line


def test_a_library_that_only_the_environment_knows_is_known_there_too(monkeypatch, tmp_path):
    """What this program found by PYTHONPATH, the one that asks the parser has to find."""
    (tmp_path / "tensorrt_rtx_bindings.py").write_text("__version__ = '1.0'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "module 'tensorrt_rtx_bindings' has no attribute" in ask_parser(parse(INT8)).line


def test_a_parser_that_dies_takes_nothing_along(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    said = ask_parser(parse(INT8))
    assert said.refuses and said.line.endswith("died of exit code 1 (parse)")


def test_without_the_package_it_says_what_brings_it(monkeypatch):
    monkeypatch.setattr("exporter.runtime.tensorrt.library.installed", lambda name: None)
    said = ask_parser(parse(INT8))
    assert (said.refuses, said.line.partition(":")[0]) == (False, "not asked")


@pytest.mark.parametrize(("operators", "versions"), [
    ((), ["10.2.0", "before 11.4.1"]),
    (("TopK", "NonMaxSuppression"), ["10.2.0", "before 11.4.1"]),
    (("TopK", "QuantizeLinear"), ["10.2.0", "10.3 (JetPack 6)", "before 11.4.1"]),
    (("NonMaxSuppression", "Unsqueeze"), ["10.2.0", "10.4", "before 11.4.1"]),
])  # fmt: skip
def test_what_users_report_is_said_of_graphs_that_have_it(operators, versions):
    model = parse(INT8.replace("QuantizeLinear", "Identity"))
    model.graph.node.extend(onnx.helper.make_node(name, [], []) for name in operators)
    assert [report.versions for report in reported(model)] == versions


@checkout
def test_it_is_printed_as_unverified_and_stands_in_the_readme(tmp_path, capsys):
    onnx.save(parse(INT8), tmp_path / "x.onnx")
    assert main(["lint", str(tmp_path / "x.onnx")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("reported by users, unverified: ")]
    assert len(said) == 2 and "TensorRT 10.2.0: builds engines that compute something else" in said[0]
    text = README.read_text(encoding="utf-8")
    for report in REPORTS:
        assert f"| {report.versions} | " in text and report.url in text
