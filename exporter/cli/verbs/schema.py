"""`exporter schema`: recipes as a JSON schema."""

from argparse import ArgumentParser, Namespace

USAGE = ""
SUMMARY = "a JSON schema of recipes, for editors to complete and check them"


def add_arguments(parser: ArgumentParser) -> None:
    """None: there is one schema."""


def run(given: Namespace) -> int:
    from exporter.cli.data import print_data
    from exporter.config.schema.schema import schema_text

    print_data(schema_text())
    return 0
