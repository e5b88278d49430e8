"""Text on the command line that Hydra's grammar does not know: taken as it is, or refused in one line that quotes it."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.quoting import quote_path, quote_text, suggested
from exporter.config.compose import compose

PARSER = OverridesParser.create()


@pytest.mark.parametrize(
    ("value", "is_"),
    [
        ("[Füße, a]", ["Füße", "a"]),
        ("[Füße,'Bär, klein',\"ä\"]", ["Füße", "Bär, klein", "ä"]),
        ("[100 %,<5,a#b,c*d]", ["100 %", "<5", "a#b", "c*d"]),
        ("[it's, bob's]", ["it's", "bob's"]),
        ("[two words, zwei Wörter]", ["two words", "zwei Wörter"]),
        ("[[ü],{b:[ä,1],c:ö}]", [["ü"], {"b": ["ä", 1], "c": "ö"}]),
        ("日本", "日本"),
        ("50%", "50%"),
        ("http://ö:80/x", "http://ö:80/x"),
        ('a"b', 'a"b'),
        ("x${b}ü", "x${b}ü"),
        ("a;b&c!~`<>^", "a;b&c!~`<>^"),
    ],
)
def test_what_can_only_be_text_is_quoted(value, is_):
    (override,) = PARSER.parse_overrides([quote_text(f"key={value}")])
    assert override.value() == is_


@pytest.mark.parametrize("override", ["a=[b, c d]", "a=${oc.env:Ü}", 'a=["Füße"]', "a='ü'", "a=choice(b,c)", "a={b: 1}", "a=",
                                  "a=b,c", "Füße", "a=1.5", "a=\\,", "~a"])  # fmt: skip
def test_what_the_grammar_takes_is_left_alone(override):
    assert quote_text(override) == override


def test_alternatives_of_a_sweep_stay_alternatives():
    (override,) = PARSER.parse_overrides([quote_text("key=Füße,b")])
    assert override.is_sweep_override() and [*override.sweep_string_iterator()] == ['"Füße"', "b"]


def test_paths_are_text_whatever_is_in_them():
    for value in ("a b/c,d=e (f)", "Füße", "50%", "it's", 'q"', "back\\slash", "end\\"):
        (override,) = PARSER.parse_overrides([quote_path(f"evaluation.path={value}")])
        assert override.value() == value


def test_class_names_in_any_language():
    names = ["Füße", "it's", "100 %", "日本"]
    overrides = ["model=yolo_nas_s", "model.weights=random", f"model.class_names=[{','.join(names)}]"]
    assert list(compose([quote_path(override) for override in overrides]).config.model.class_names) == names


@pytest.mark.parametrize(
    ("one_override", "typed"),
    [
        ("model.class_names=[car, person (adult)]", 'model.class_names=["car","person (adult)"]'),
        ("model.class_names=['a, b', person (Füße)]", "model.class_names=['a, b',\"person (Füße)\"]"),
        ("name=(a", 'name="(a"'),
        ("name=ü=5", 'name="ü=5"'),
        ('model.class_names=["a', r'model.class_names="[\"a"'),
    ],
)
def test_what_cannot_be_is_one_line_that_shows_how_to_quote(one_override, typed, capsys):
    assert main(["model=yolo_nas_s", one_override]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"exporter: {one_override}: ") and line.endswith(f"; in a shell {shlex.quote(typed)}")
    (override,) = PARSER.parse_overrides(shlex.split(suggested(one_override)))
    assert override.key_or_group == one_override.partition("=")[0]


def test_a_function_that_is_none_is_named():
    with pytest.raises(RequestError, match=r"no function rnage in Hydra's grammar \(bool,choice,.*,tag\): put text"):
        compose(["model=yolo_nas_s", "input.size=rnage(64,96)"])
