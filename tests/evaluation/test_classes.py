"""Classes are matched by name, and where they do not fit the difference is told."""

from exporter.evaluation.classes import listed, matched, only


def test_a_name_is_the_class_written_like_it_or_the_only_one_but_for_its_case():
    assert matched(["dog", "CAT"], ["cat", "dog"]) == ({"dog": 1, "CAT": 0}, ["CAT"], [])
    assert matched(["Cat", "cat"], ["Cat", "cat"]) == ({"Cat": 0, "cat": 1}, [], [])
    assert matched(["straße"], ["STRASSE"]).places == {"straße": 0}


def test_what_could_be_two_is_none():
    assert matched(["CAT"], ["Cat", "cat"]).strange == ["CAT"]
    assert matched(["Cat", "CAT"], ["cat"]).strange == ["Cat", "CAT"]
    assert matched(["Cat", "cat"], ["cat"]) == ({"cat": 0}, [], ["Cat"])
    assert matched(["cat"], ["cat", "cat"]).strange == ["cat"]
    assert matched(["bird"], ["cat"]).strange == ["bird"]


def test_the_difference_is_short():
    assert only(["a", "B", "c"], ["b", "d"]) == ["a", "c"]
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"class {i}" for i in range(80)]) == "class 0, class 1, class 2, class 3, class 4 … (80 in all)"
    assert listed(["x" * 100]) == "x" * 40 + "…"
