#!/usr/bin/env python3
"""Replays the recordings of transcripts/ against a program and holds the differences to expectations.json.

  run.py --binary "PROGRAM" [NAME…]

expectations.json names each transcript with the steps that may differ and why. A step that differs and is not listed
is a failure; so is a listed step that no longer differs, unless its reason starts with "timing". Some are replayed at
the same time, since a replay mostly waits; one that fails is replayed once more by itself before that counts, since the
recordings hold moments of a real machine.
The last line is `N passed, N failed`, one count a transcript.
"""
import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import re
import shlex
import sys

import replay

HERE = os.path.dirname(os.path.abspath(__file__))
AT_ONCE = 4


def attempt(name, argv, expected):
    """One run: its counts (alike, compared, absent) and the complaints about it."""
    with open(os.path.join(HERE, "transcripts", name + ".json")) as file:
        document = json.load(file)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        same, compared, absent, note = replay.run(document, argv, True)
    parts = re.split(r"^  step (\d+) ", printed.getvalue(), flags=re.M)[1:]
    differing = dict(zip(map(int, parts[::2]), parts[1::2]))
    return (same, compared, absent), judge(expected, differing, note)


def judge(expected, differing, note):
    """The complaints about one run; none when it is as expected."""
    allowed = {int(step): reason for step, reason in expected.get("differences", {}).items()}
    complaints = ["step %d %s" % (step, text.rstrip()) for step, text in sorted(differing.items()) if step not in allowed]
    for step, reason in sorted(allowed.items()):
        if step not in differing and not reason.startswith("timing"):
            complaints.append("step %d is alike now; take it out of expectations.json (%s)" % (step, reason))
    if note.startswith("broke off") and "note" not in expected:
        complaints.append(note)
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    with open(os.path.join(HERE, "expectations.json")) as file:
        expectations = json.load(file)
    unknown = {name[:-5] for name in os.listdir(os.path.join(HERE, "transcripts"))} ^ set(expectations)
    if unknown:
        sys.exit("expectations.json and transcripts/ disagree about: " + ", ".join(sorted(unknown)))
    argv = shlex.split(options.binary)
    names = options.names or sorted(expectations)
    passed = failed = 0
    # Processes, not threads: what replay prints is caught by redirecting a whole process's output.
    with concurrent.futures.ProcessPoolExecutor(AT_ONCE) as pool:
        replayed = [name for name in names if options.names or "left-out" not in expectations[name]]
        results = {name: pool.submit(attempt, name, argv, expectations[name]) for name in replayed}
        concurrent.futures.wait(results.values())
    for name in names:
        if name not in results:
            print("%-32s left out: %s" % (name, expectations[name]["left-out"]), flush=True)
            continue
        counts, complaints = results[name].result()
        if complaints:
            counts, complaints = attempt(name, argv, expectations[name])
        line = "%-32s %4d / %4d alike, %d absent" % ((name,) + counts)
        print(line + ("" if not complaints else "  FAILED"), flush=True)
        for complaint in complaints:
            print("    " + complaint.replace("\n", "\n    "), flush=True)
        passed, failed = passed + (not complaints), failed + bool(complaints)
    print("%d passed, %d failed" % (passed, failed))
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
