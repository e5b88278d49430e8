"""What shows images to a network is refused before any work where nobody knows how an image becomes its input."""

import pytest

import exporter
from exporter.common.errors import RequestError
from tests.small_network import SmallDetector

UNKNOWN = ["model=custom", "input.size=64", "proof.num_scenes=0"]


@pytest.mark.parametrize(
    "asked",
    [
        ["quantization=int8", "calibration=demo"],
        ["quantization=mixed", "calibration=demo"],
        ["quantization=fp16"],
        ["benchmark=cpu"],
        ["evaluation=demo"],
    ],
)
def test_it_is_refused_before_the_network_is_traced(asked, tmp_path, monkeypatch):
    monkeypatch.setattr("exporter.pipeline.build.build", lambda *_: pytest.fail("work has started"))
    with pytest.raises(
        RequestError, match=rf"^{asked[0]}: shows the network images.*choose the preprocessing"
    ) as refusal:
        exporter.build(
            overrides=[*UNKNOWN, *asked, f"output_dir={tmp_path / 'out'}"], model=SmallDetector(), digest="x"
        )
    assert "\n" not in str(refusal.value) and not (tmp_path / "out").exists()
