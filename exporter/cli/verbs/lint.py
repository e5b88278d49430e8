"""`exporter lint`: what an engine will not take of an ONNX file, for people or for programs."""

import dataclasses
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.backend.lint import Finding

USAGE = "DIR_OR_FILE [--json]"
SUMMARY = "what TensorRT will not take, in any ONNX file"

SHOWN = 3
"""Nodes of one rule that are listed."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="DIR_OR_FILE")
    parser.add_argument("--backend", default="tensorrt", choices=["tensorrt"])
    parser.add_argument("--json", action="store_true", help="for programs: every finding")


def run(given: Namespace) -> int:
    """0: clean; 1: errors, or the parser refuses it. Notes are printed and do not count."""
    from exporter.backend.lint.file import lint_file

    file, has_profile = _file(given.path)
    findings, said, reports = lint_file(file, has_profile=has_profile)
    errors = sum(finding.level == "error" for finding in findings)
    if given.json:
        listed = [
            {"cure" if key == "fix" else key: value for key, value in dataclasses.asdict(finding).items()}
            for finding in findings
        ]  # `cure` is the published key
        about = {"file": str(file), "backend": given.backend, "errors": errors, "findings": listed, "parser": said.line,
                 "reported": [str(each) for each in reports]}  # fmt: skip
        print(json.dumps(about, indent=1))
    else:
        for line in _lines(findings):
            print(line)
        for report in reports:
            print(f"reported by users, unverified: {report}")
        print(f"NVIDIA's parser: {said.line}")
        print(f"{file}: {errors} errors, {len(findings) - errors} notes for {given.backend}")
    return 1 if errors or said.refuses else 0


def _file(path: Path) -> tuple[Path, bool]:
    """The ONNX file, that of the artifact where `path` is a folder, and whether a manifest states its profile."""
    from exporter.artifact.manifest import FILE, read_manifest
    from exporter.common.errors import RequestError
    from exporter.common.files import is_file, is_folder

    if not is_folder(path):
        return path, False
    if not is_file(path / FILE):
        raise RequestError(f"{path}: holds no {FILE}: give the ONNX file itself, or a folder that a build wrote")
    manifest = read_manifest(path)
    return path / manifest.artifact.file, manifest.backend.profile is not None


def _lines(findings: "Sequence[Finding]") -> Iterator[str]:
    """A block for each rule that was broken: the first nodes, what to do, where the rule is written down."""
    for rule, group in groupby(findings, key=lambda finding: finding.rule):
        broken = list(group)
        first = broken[0]
        yield f"{first.level}: {rule}"
        yield from (f"  {finding.node}: {finding.what}" for finding in broken[:SHOWN])
        if len(broken) > SHOWN:
            yield f"  … and {len(broken) - SHOWN} more"
        if first.parser == "silent":
            yield "  NVIDIA's parser builds it without a word, and it computes something else"
        yield f"  fix: {first.fix}"
        yield f"  source: {first.source}, {first.url}"
