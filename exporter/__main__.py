"""`python -m exporter`."""

import sys

from exporter.cli import program

sys.exit(program())
