#!/usr/bin/env python3
"""Drives a program through the qtest protocol, scenario by scenario, and holds it to what QEMU 11.1.3 answered.

  run.py --binary "PROGRAM" [--jobs N] [NAME…]

Each file of scenarios/ and scenarios-amd/ is played by rig.py on a process of its own. A scenario that differs prints the first steps that
do. The last line is `N passed, N failed`, one count a scenario.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import sys

import rig

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = "11.1.3"
SHOWN = 3  # differing steps of a scenario that are printed


def differences(expected, results):
    """One line for each step that differs."""
    lines = []
    for index in range(max(len(expected), len(results))):
        want = expected[index] if index < len(expected) else None
        got = results[index] if index < len(results) else None
        if want != got:
            lines.append("  expected %s\n  got      %s" % (json.dumps(want), json.dumps(got)))
    return lines


def play(path, program):
    """The name of a scenario and its differences; none of them where it is as recorded."""
    with open(path) as file:
        document = json.load(file)
    scenario = document["scenario"]
    answer = document["answers"].get(VERSION)
    if answer is None:
        return scenario["name"], ["  no answer of %s is recorded" % VERSION]
    try:
        return scenario["name"], differences(rig.strip(answer), rig.strip(rig.run(scenario, program)))
    except Exception as error:  # whatever goes wrong in one scenario is that scenario's failure
        return scenario["name"], ["  %s: %s" % (type(error).__name__, error)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    version = "QEMU emulator version " + VERSION
    program = {"argv": options.binary.split(), "env": {}, "accel": "qtest", "version": version}
    paths = sorted(glob.glob(os.path.join(HERE, "scenarios*", "*.json")))
    if options.names:
        paths = [path for path in paths if any(name in os.path.basename(path) for name in options.names)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, lines in pool.map(lambda path: play(path, program), paths):
            if not lines:
                continue
            failed += 1
            print("FAIL %s: %d steps differ" % (name, len(lines)))
            print("\n".join(lines[:SHOWN]))
            sys.stdout.flush()
    print("%d passed, %d failed" % (len(paths) - failed, failed))
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
