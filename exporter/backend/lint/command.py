"""`exporter lint`: the findings, for people or for programs."""

import dataclasses
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from exporter.backend.lint import Finding, lint
from exporter.backend.lint.read import Read, read
from exporter.common.errors import RequestError
from exporter.common.limits import bounded

SHOWN = 3
MEMORY, COPIES = 2_000_000_000, 4
"""What looking at a file may take: so many bytes, and its own size so many times."""


def run(path: Path, backend: str, as_json: bool) -> int:
    """Prints what is wrong with a file, or a folder's artifact, for `backend`. 0: clean; 1: errors. Notes are printed
    and do not count. Raises RequestError where it cannot be read."""
    given = read(path)
    allowed = MEMORY + COPIES * given.file.stat().st_size
    with bounded(path, allowed):
        findings = _findings(given, backend)
    errors = sum(finding.level == "error" for finding in findings)
    if as_json:
        listed = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"file": str(given.file), "backend": backend, "errors": errors, "findings": listed}, indent=1))
    else:
        for line in (*_lines(findings), f"{given.file}: {errors} errors, {len(findings) - errors} notes for {backend}"):
            print(line)
    return 1 if errors else 0


def _findings(given: Read, backend: str) -> list[Finding]:
    try:
        return lint(given.model, backend, folder=given.file.parent, has_profile=given.has_profile)
    except RequestError as error:
        raise RequestError(f"{given.file}: {error}") from error


def _lines(findings: list[Finding]) -> Iterator[str]:
    """A block for each rule that was broken: the first nodes, what to do, where the rule is written down."""
    for rule, group in groupby(findings, key=lambda finding: finding.rule):
        broken = list(group)
        first = broken[0]
        yield f"{first.level}: {rule}"
        yield from (f"  {finding.node}: {finding.what}" for finding in broken[:SHOWN])
        if len(broken) > SHOWN:
            yield f"  … and {len(broken) - SHOWN} more"
        yield f"  cure: {first.cure}"
        yield f"  source: {first.source}, {first.url}"
