"""`exporter schema`: recipes as a JSON schema."""

from argparse import ArgumentParser

USAGE = ""
SUMMARY = "a JSON schema of recipes, for editors to complete and check them"


def parser() -> ArgumentParser:
    about = "prints a JSON schema of recipes, with which editors complete and check them"
    return ArgumentParser(prog="exporter schema", description=about)


def run(arguments: list[str]) -> int:
    parser().parse_args(arguments)
    from exporter.config.schema.schema import schema_text

    print(schema_text(), end="")
    return 0
