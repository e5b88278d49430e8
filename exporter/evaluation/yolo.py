"""Evaluation on images and labels as YOLO keeps them: a data.yaml, a text file beside each image."""

from collections.abc import Callable
from pathlib import Path

from exporter.evaluation.examples import spread
from exporter.evaluation.labels import LabelledEvaluation, LabelledSet, check_some
from exporter.evaluation.notes import Notes
from exporter.evaluation.yolo_data import Split, YoloData, read_data
from exporter.evaluation.yolo_labels import LabelFiles, labelled


class YoloEvaluation(LabelledEvaluation):
    """The images of one split: a folder, searched to the bottom, a text file that lists images, or several of them.
    The labels of …/images/a/b.jpg are in …/labels/a/b.txt, or beside it, lines `class x y width height`, centre and
    size as parts of the image's width and height. An image without such a file, or with an empty one, is background.

    Labels of the other tasks have boxes too: of a polygon, `class x1 y1 x2 y2 x3 y3 …` (segmentation, oriented boxes),
    it is the one around it, as Ultralytics takes it; key points (`kpt_shape` in the data.yaml) stand behind one. Five
    numbers are a box wherever they stand."""

    split: Split

    def read(self) -> LabelledSet:
        """The images that were chosen, and the classes' names by number."""
        data = read_data("evaluation", self.path, self.split, Notes(self.strict))
        found = labelled_set(data, lambda images: spread(images, self.num_images))
        check_some(found)
        return found


def labelled_set(data: YoloData, choose: Callable[[list[Path]], list[Path]]) -> LabelledSet:
    """Images with their objects, and the classes' names by number. `choose` takes those of the split's images whose
    files are to be looked at. Raises RequestError where the data.yaml is none; what is wrong with an image or its
    labels is a mistake in the notes."""
    names, images = data.names(), data.images()
    files, found = LabelFiles(images), []
    files.note_strangers(data.notes)
    for image in choose(images):
        with data.notes.collecting():
            found.append(labelled(image, files.of(image), names, data.has_key_points, data.notes))
    return LabelledSet(found, names, data.notes, data.given)
