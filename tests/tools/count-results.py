# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints how many tests passed, failed and were skipped.

Usage: count-results.py TESTLOG

Each line of a TAP program counts as a test, any other program as one.
"""

import json
import re
import sys
from pathlib import Path


def count(log):
    """Counts passed, failed, skipped of one program."""
    lines = re.findall(r"^(ok|not ok)\b(.*)$", log.get("stdout", ""), re.MULTILINE)
    skipped = sum(1 for result, rest in lines if result == "ok" and re.search(r"#\s*skip", rest, re.IGNORECASE))
    passed = sum(1 for result, _ in lines if result == "ok") - skipped
    failed = len(lines) - passed - skipped
    if log["result"] == "SKIP":
        return 0, 0, max(skipped, 1)
    if log["result"] in ("OK", "EXPECTEDFAIL"):
        return (passed, 0, skipped) if lines else (1, 0, 0)
    return passed, max(failed, 1), skipped


def main(arguments):
    path = Path(arguments[0])
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    print(*(sum(numbers) for numbers in zip(*(count(json.loads(line)) for line in lines), (0, 0, 0))))


main(sys.argv[1:])
