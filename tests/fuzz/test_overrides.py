"""Short texts that we take apart ourselves: constraints, sizes in bytes, numbers and names in settings."""

import math
import string

from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.common.messages import explained
from exporter.config.settings import Export, ProgressSettings, StoreSettings, Sweep
from exporter.config.sweep_constraint import COMPARISONS, parse
from exporter.config.sweep_metrics import NAMES
from exporter.preprocessing.input import Input
from exporter.proof.settings import ProofSettings
from tests.fuzz.campaign import fuzz
from tests.fuzz.mutations import STRANGE, refused_or

numbers = st.sampled_from(
    ["0", "1", "-1", "0.5", ".5", "5.", "1e3", "1e999", "1e", "-", "٣", "１", "9" * 400, "0x10", "inf", "nan", "1_0"]
)
clause = st.tuples(
    st.sampled_from([*NAMES, "mAP", "", "drоp"]), st.sampled_from([*COMPARISONS, "=", "==", "=<", "≤", ""]), numbers
).map("".join)
constraints = (
    st.lists(clause, max_size=3).map(",".join) | st.text(max_size=40) | st.text("drop<=>0.5, e-+", max_size=30)
)


@fuzz(few=100, many=3000, examples=[{"text": "map<=1e999"}, {"text": "drop<=\u0663"}], text=constraints)
def test_a_constraint_is_bounds_or_a_refusal(text: str):
    try:
        bounds = parse(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert len(bounds) == text.count(",") + 1
    for bound in bounds:
        assert bound.name in NAMES and bound.sign in COMPARISONS and math.isfinite(bound.limit)


sizes = st.tuples(
    numbers | st.floats(0, 1e6).map(str),
    st.sampled_from(["", " ", "  "]),
    st.sampled_from(["", "B", "KB", "mb", "GB", "TB", "PB", "Ｇ", "iB"]),
).map("".join)


@fuzz(
    few=100,
    many=3000,
    examples=[{"value": each} for each in ("9" * 400, "9223372036854775296", "\u0663 GB", "1 \u212aB")],
    value=sizes | st.text(string.digits + ". GMKTB", max_size=400) | st.sampled_from(STRANGE),
)
def test_a_size_is_bytes_or_a_refusal(value: object):
    def read() -> StoreSettings:
        with explained("store"):
            return StoreSettings.model_validate({"max_size": value})

    found = refused_or(read)
    if found is not None:
        assert 0 <= found.max_size < 2**63 and str(value).isascii()


fields = {
    "size": 640, "height": 640, "width": 640, "min_size": 320, "nominal_size": 640, "max_size": 1280, "batch": 1,
    "dtype": "auto", "layout": "nchw", "channels": "auto",
}  # fmt: skip
proof = {"num_images": 4, "num_scenes": 32} | dict.fromkeys(
    [
        "max_score_error",
        "max_box_error",
        "mean_score_error",
        "mean_box_error",
        "max_map_drop",
        "max_score_shift",
        "blind",
    ],
    "auto",
)
SECTIONS = [
    (Input, fields), (Export, {"opset": 18, "simplify": True, "device": "cpu", "options": {}}), (ProofSettings, proof),
    (StoreSettings, {"path": "auto", "max_size": "20 GB"}), (ProgressSettings, {"format": "text"}),
    (Sweep, {"constraint": "drop<=0.5", "metric": "drop,ratio"}),
]  # fmt: skip
values = (
    st.sampled_from(STRANGE)
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["dynamic", 32, 64, 96, 1e300])
)


@fuzz(few=100, many=3000, section=st.sampled_from(SECTIONS), data=st.data())
def test_settings_are_checked_or_refused(section, data):
    kind, good = section
    changes = data.draw(st.dictionaries(st.sampled_from([*good, "more"]), values, min_size=1, max_size=3))

    def read():
        with explained(kind.__name__):
            return kind.model_validate(good | changes)

    found = refused_or(read)
    if found is None:
        return
    if kind is Input:
        assert found.nominal[0] % 32 == found.nominal[1] % 32 == 0 and min(found.nominal) >= 32 and found.sizes_to_prove
        assert found.batch == "dynamic" or found.batch >= 1
    if kind is ProofSettings:
        bounds = [getattr(found, name) for name in good if name.endswith(("error", "drop"))]
        assert all(bound == "auto" or (math.isfinite(bound) and bound >= 0) for bound in bounds), (
            "a bound that bounds nothing"
        )
    if kind is Sweep:
        assert all(name in NAMES for name in found.metrics)


def test_the_good_ones_are_taken():
    for kind, good in SECTIONS:
        kind.model_validate(good)
    try:
        Input.model_validate(fields | {"size": 33})
    except ValidationError:
        return
    raise AssertionError("33 pixels were taken")
