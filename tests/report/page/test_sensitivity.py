"""Mixed precision on the page and in its two charts, from a manifest that holds a choice of layers."""

import cv2
import pytest

from exporter.artifact.manifest import Run, read_manifest
from exporter.quantization.section import Mixed
from exporter.report.page.page import page
from exporter.report.page.plots import FILES, write_plots
from exporter.report.page.sensitivity import MOST_LAYERS, points
from tests.report.page.test_page import check_self_contained

LAYERS = [f"layer{i}.$x_{i}/Conv" for i in range(40)]


@pytest.fixture
def chosen(int8_artifact):
    """A manifest in which two of forty layers stay in float, the first of the ranking and the third."""
    manifest = read_manifest(int8_artifact)

    def tried(in_int8, drop, given_back=(), chosen=False):
        return {"in_int8": in_int8, "map": 90 - drop, "drop": drop, "given_back": list(given_back), "chosen": chosen}

    summary = manifest.quantization.model_dump() | {
        "precision": "mixed",
        "drop": 0.4,
        "map": {"float": 90.0, "mixed": 89.6},
        "max_drop": 0.5,
        "labels": "the pictures' own",
        "num_images": {"ranking": 4, "drop": 32},
        "left_for_accuracy": [LAYERS[0], LAYERS[2]],
        "ranking": [{"layer": layer, "error": 1 / (1 + i), "map_drop": None if i else 12.5} for i, layer in enumerate(LAYERS)],
        "tried": [tried(40, 30.0), tried(39, 7.25), tried(38, 6.0), tried(36, 0.25), tried(37, 0.3, [LAYERS[1]]),
                  tried(38, 0.4, [LAYERS[1]], chosen=True), tried(20, -0.1)],
    }  # fmt: skip
    tradeoff = [
        {"in_int8": n, "p50_ms": 9.0, "ratio": 1 - n / 60, "low": 0.3, "high": 0.5} for n in (40, 39, 38, 36, 20)
    ]
    run = Run.model_validate({"tradeoff": tradeoff})
    return manifest.model_copy(update={"quantization": Mixed.model_validate(summary), "run": run})


def test_the_points_are_prefixes_and_the_artifact(chosen):
    known = points(chosen)
    assert [point.in_int8 for point in known] == [0, 20, 36, 38, 39, 40]
    assert [point.drop for point in known] == [0, -0.1, 0.25, 0.4, 7.25, 30]
    assert [point.in_int8 for point in known if point.chosen] == [38]
    assert (known[0].ratio, known[-1].ratio) == (1, pytest.approx(1 / 3))


def test_the_page_shows_them(chosen):
    text = page(chosen, [])
    parsed = check_self_contained(text)
    words = "".join(parsed.words)
    assert "38 layers in INT8: this artifact" in words and "0.5 are allowed" in words
    assert LAYERS[MOST_LAYERS - 1] in words and LAYERS[MOST_LAYERS] not in words
    assert f"and {len(LAYERS) - MOST_LAYERS} layers more" in words
    assert text.count('<meter class="reference"') == 2  # those in float
    assert "−12.50" in words and "−30.00" in words and "+0.10" in words


def test_both_charts_are_written_and_the_same_again(chosen, tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_plots(folder, chosen)
        assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        image = cv2.imread(str(tmp_path / "a" / name))
        assert min(image.shape[:2]) > 400
        # Grey is for layers in float and for the bound, and both are there.
        assert (abs(image.astype(int) - (0x9F, 0x95, 0x8C)).sum(axis=2) < 30).any()


def test_without_a_choice_there_is_nothing_to_show(int8_artifact, tmp_path):
    manifest = read_manifest(int8_artifact)
    write_plots(tmp_path, manifest)
    assert list(tmp_path.iterdir()) == []
    assert points(manifest) == [] and "Sensitivity" not in page(manifest, [])
