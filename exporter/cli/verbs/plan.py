"""`exporter plan`: what a build or a sweep would do, and how long that takes."""

from argparse import ArgumentParser, Namespace

USAGE = "[-m] +recipe=NAME …"
SUMMARY = "what a build or a sweep would do, and how long that takes"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="of a build")
    parser.add_argument("-m", "--multirun", action="store_true", help="the words are those of a sweep")


def run(given: Namespace) -> int:
    from exporter.common.quoting import quote_path, quote_text
    from exporter.config.check import check
    from exporter.config.compose import compose
    from exporter.pipeline.plan import plan, plan_sweep

    if given.multirun:  # as of a build: where a sweep has them, paths are swept over
        lines = plan_sweep([quote_text(argument) for argument in given.words])
    else:
        lines = plan([check(compose([quote_path(argument) for argument in given.words]))])
    for line in lines:
        print(line)
    return 0
