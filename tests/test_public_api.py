import difflib
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "public_api.py"
SNAPSHOT = Path(__file__).with_name("public_api.txt")


def test_the_public_api_is_the_one_that_was_agreed_on():
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "class faimtrack.structures.Detections(" in done.stdout
    changes = difflib.unified_diff(
        SNAPSHOT.read_text(encoding="utf-8").splitlines(),
        done.stdout.splitlines(),
        "agreed on",
        "found",
        lineterm="",
        n=0,
    )
    differences = "\n".join(changes)
    assert not differences, (
        "if this is meant: python scripts/public_api.py --write, and a line in CHANGELOG.md"
    )
