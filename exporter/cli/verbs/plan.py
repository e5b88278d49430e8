"""`exporter plan`: what a build or a sweep would do, and how long that takes."""

from argparse import ArgumentParser

USAGE = "[-m] +recipe=NAME …"
SUMMARY = "what a build or a sweep would do, and how long that takes"


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="exporter plan", description=SUMMARY)
    parser.add_argument("words", nargs="*", metavar="WORD", help="of a build")
    parser.add_argument("-m", "--multirun", action="store_true", help="the words are those of a sweep")
    return parser


def run(arguments: list[str]) -> int:
    from exporter.common.errors import RequestError

    flags = [argument for argument in arguments if argument.startswith("-")]
    if flags not in ([], ["-h"], ["--help"], ["-m"], ["--multirun"]):  # a flag of Hydra's is nothing to plan
        raise RequestError(f"plan {' '.join(flags)}: takes the overrides of a build, and -m for those of a sweep")
    given = parser().parse_intermixed_args(arguments)  # -m may stand anywhere, as in a build
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
