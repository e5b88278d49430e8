"""Kinds of arguments that several verbs take."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.evaluation import EvaluationNode


def positive(argument: str) -> int:
    """A number of at least 1."""
    return _at_least(1, argument)


def positive_numbers(argument: str) -> list[int]:
    """As `1,2,4`."""
    return [positive(each) for each in argument.split(",")]


def rounds(argument: str) -> int:
    """How often each is timed: at least 2, since quartiles are taken."""
    return _at_least(2, argument)


def add_threads(parser: ArgumentParser) -> None:
    """`--threads`: of each session, several numbers one after the other."""
    from exporter.common.provenance import cores

    about = "of a session (as many as this process has cores)"
    parser.add_argument("--threads", type=positive_numbers, default=[cores()], metavar="N,…", help=about)


def add_bit_depth(parser: ArgumentParser) -> None:
    """`--bit-depth`: what 16-bit images use."""
    about = "bits that 16-bit images use, 8 to 16, as 10 or 12 of a camera (auto: found over all of them, and said)"
    parser.add_argument("--bit-depth", type=_bits, default="auto", metavar="N", help=about)


def add_labelled_images(parser: ArgumentParser, number: str) -> None:
    """Flags that say which labelled images accuracy is measured on, see `labelled_images`; `number`: what --num-images
    means to the verb."""
    parser.add_argument("--num-images", type=int, metavar="N", help=number)
    parser.add_argument("--yolo", metavar="FILE", help="a data.yaml; its split val is taken")
    parser.add_argument("--coco", nargs=2, metavar=("FOLDER", "JSON"), help="images, and their annotations")
    parser.add_argument("--strict", action="store_true", help="what is odd about their labels is an error")
    add_bit_depth(parser)


def labelled_images(given: Namespace) -> "EvaluationNode":
    """What the flags of `add_labelled_images` choose: a data.yaml, a folder with a COCO json, or synthetic images.
    Raises RequestError for both sets, for `--strict` or `--bit-depth` without one, and for numbers that cannot be."""
    from pydantic import ValidationError

    from exporter.common.errors import RequestError
    from exporter.common.messages import validation_lines
    from exporter.evaluation.coco import CocoEvaluation
    from exporter.evaluation.demo import DemoEvaluation
    from exporter.evaluation.yolo import YoloEvaluation

    number, strict, depth = given.num_images, given.strict, given.bit_depth
    if given.yolo and given.coco:
        raise RequestError("--yolo and --coco: give one of them")
    for flag, said in (("--strict", strict), ("--bit-depth", depth != "auto")):
        if said and not (given.yolo or given.coco):
            raise RequestError(f"{flag}: is for the images of --yolo or --coco: give one of them, or leave it out")
    try:
        if given.yolo:
            return YoloEvaluation(path=given.yolo, split="val", num_images=number, strict=strict, bit_depth=depth)
        if given.coco:
            folder, annotations = given.coco
            return CocoEvaluation(
                path=folder, annotations=annotations, num_images=number, strict=strict, bit_depth=depth
            )
        return DemoEvaluation(num_images=300 if number is None else number)
    except ValidationError as error:
        raise RequestError("; ".join(validation_lines(error, "evaluate"))) from error


def _bits(argument: str) -> int | str:
    if argument != "auto" and argument not in map(str, range(8, 17)):
        raise ArgumentTypeError(f"{argument!r}: give 8 to 16, or auto")
    return argument if argument == "auto" else int(argument)


def _at_least(least: int, argument: str) -> int:
    """Raises what argparse makes a line of."""
    if not argument.isdecimal() or int(argument) < least:
        raise ArgumentTypeError(f"{argument!r}: give a whole number of at least {least}")
    return int(argument)
