"""`.ci/audit` gives a clean bill only for an answer about every pinned package."""

import json
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / ".ci"
PINNED = [
    line.split("==") for line in (CI / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
]
LOOKED_UP = [{"name": name, "version": version, "vulns": []} for name, version in PINNED]
SKIPPED = [*LOOKED_UP[1:], {"name": PINNED[0][0], "skip_reason": "Dependency not found on PyPI"}]
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["9.9"], "aliases": [], "description": ""}


def audit(tmp_path, answer, said="", status=0):
    """The script with a program in the place of pip-audit that writes `answer`."""
    program = tmp_path / "pip-audit"
    (tmp_path / "answer").write_text(answer)
    (tmp_path / "said").write_text(said)
    program.write_text(f"""#!/bin/sh
while [ "$1" != --output ]; do shift; done
{f'cp "{tmp_path}/answer" "$2"' if answer else ":"}
cat "{tmp_path}/said" >&2
exit {status}
""")
    program.chmod(0o755)
    run = subprocess.run([CI / "audit", program], capture_output=True, text=True, check=False)
    return run.returncode, (run.stdout + run.stderr).strip()


def test_a_clean_bill(tmp_path):
    assert audit(tmp_path, json.dumps({"dependencies": LOOKED_UP})) == (
        0,
        f"audited: {len(PINNED)} packages, no known vulnerability",
    )


def test_a_vulnerability_is_named(tmp_path):
    flawed = [{**LOOKED_UP[0], "vulns": [FLAW]}, *LOOKED_UP[1:]]
    status, said = audit(tmp_path, json.dumps({"dependencies": flawed}), status=1)
    assert status == 1 and said == f"{' '.join(PINNED[0])}: PYSEC-2026-1, mended in 9.9"


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize(
    ("answer", "said", "reason"),
    [
        ("", "Traceback\nConnectionError: Connection refused\n", "ConnectionError: Connection refused"),
        ("", "", "said nothing"),
        ("not json", "", "said nothing"),
        ('{"error": 1}', "503\n", "503"),
        (json.dumps({"dependencies": []}), "", f"0 of {len(PINNED)} packages looked up"),
        (json.dumps({"dependencies": LOOKED_UP[1:]}), "", f"{len(PINNED) - 1} of {len(PINNED)} packages looked up"),
        (json.dumps({"dependencies": SKIPPED}), "", f"without an answer: {PINNED[0][0]}"),
    ],
)
def test_without_an_answer_nothing_was_audited(tmp_path, answer, said, reason, status):
    code, line = audit(tmp_path, answer, said, status)
    assert code == 1 and line.startswith("not audited: ") and reason in line and "\n" not in line


def test_a_status_that_the_answer_does_not_explain_is_no_clean_bill(tmp_path):
    code, line = audit(tmp_path, json.dumps({"dependencies": LOOKED_UP}), "odd\n", status=3)
    assert (code, line) == (1, "not audited: pip-audit ended with 3: odd")
