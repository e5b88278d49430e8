"""The closing lines of a build."""

from exporter.preprocessing.declared import Declared
from exporter.preprocessing.section import PreprocessingSource
from exporter.preprocessing.trained import Trained
from exporter.preprocessing.yolo_nas import YoloNas
from exporter.report.summary import summary_lines
from tests.making import NOTHING_PROVED
from tests.pipeline.sweep.made import manifest


def line(start: str, **preprocessing) -> list[str]:
    made = manifest()
    section = made.preprocessing.model_copy(update=preprocessing)
    made = made.model_copy(update={"preprocessing": section, "proof": NOTHING_PROVED})
    return [each for each in summary_lines(made) if each.startswith(f"  {start} ")]


def test_what_a_network_is_fed_is_said_where_nobody_knows_it():
    (told,) = line("fed")
    assert "set preprocessing=declared" in told
    assert line("fed", normalization=YoloNas().normalization) == []


def test_the_size_of_training_is_said_where_another_is_built():
    own = PreprocessingSource(normalization="checkpoint", geometry="checkpoint")
    known = {"normalization": YoloNas().normalization, "source": own, "geometry": YoloNas().geometry(96, 128)}
    for size, said in (((320, 416), True), ((96, 128), False), (None, False)):
        trained = Trained(source="checkpoint", preprocessing=Declared(), size=size)
        (told,) = line("trained", trained=trained, **known)
        assert ("at 320 × 416, which input.size=auto takes, and built for 96 × 128" in told) == said
