#!/usr/bin/env python3
"""Counts the encoder's instructions under callgrind and compares them with a baseline.

    instructions.py --program PROGRAM [--compiler TEXT] [--update]

For f32 and int8 with AVX2 (valgrind knows no AVX-512): the instructions of a fixed piece of work
(bench_instructions.c), its costliest functions, and how both changed against instructions.json.
The count is the same whatever else the machine does. Exit codes: 0 nothing changed by 5% or more,
1 something did, 2 it could not be measured. --update writes the new counts into the file.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PRECISIONS = ("f32", "int8")
LIMIT = 0.05
SMALL = 0.02  # functions below this part of all are not compared by themselves
SHOWN = 8
BASELINE = pathlib.Path(__file__).with_name("instructions.json")
PROGRAM = "instructions.py"


def fail(text):
    print(f"{PROGRAM}: {text}", file=sys.stderr)
    raise SystemExit(2)


def run(command, **environment):
    try:
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ, **environment),
            check=True,
        ).stdout
    except FileNotFoundError:
        fail(f"there is no {command[0]}: install valgrind")
    except subprocess.CalledProcessError as problem:
        fail(f"{command[0]} failed:\n{problem.stderr}")


def count(program, precision):
    """{"total": instructions, "functions": {name: instructions of its own}}"""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet"]
            + ["--toggle-collect=counted_work*", program, precision],
            SBERT_ISA="avx2",
        )
        text = run(["callgrind_annotate", "--auto=no", "--threshold=100", out])
    functions = {}
    total = None
    for line in text.splitlines():
        found = re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+(.*)", line)
        if not found:
            continue
        instructions, name = int(found[1].replace(",", "")), found[2]
        if name.startswith("PROGRAM TOTALS"):
            total = instructions
        elif total:
            # What was inlined stands under the files that it came from.
            function = name.split(" [")[0].rpartition(":")[2]
            functions[function] = functions.get(function, 0) + instructions
    if not total:
        fail(f"nothing was counted in {precision}")
    functions = {k: v for k, v in functions.items() if v >= SMALL * total}
    return {"total": total, "functions": dict(sorted(functions.items(), key=lambda f: -f[1]))}


def compare(what, before, now, noted=False):
    """Prints a line; whether the change is beyond the limit."""
    change = now / before - 1 if before else None
    beyond = change is None or abs(change) >= LIMIT
    shown = "new" if change is None else f"{100 * change:+.1f}%"
    print(f"  {now:>12,} {shown:>8}  {what}{'  <--' if beyond and noted else ''}")
    return beyond


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", required=True, help="the program bench_instructions")
    parser.add_argument("--compiler", default="", help="what it was built by")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    arguments = parser.parse_args()
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    counts = {precision: count(arguments.program, precision) for precision in PRECISIONS}

    if baseline and baseline["compiler"] != arguments.compiler:
        print(f"The baseline was built by {baseline['compiler']}, this by {arguments.compiler}.")
    changed = False
    for precision, now in counts.items():
        before = baseline.get(precision, {"total": 0, "functions": {}})
        print(f"{precision}, avx2:")
        changed |= compare("instructions in all", before["total"], now["total"], noted=True)
        for name in list(now["functions"])[:SHOWN]:
            compare(name, before["functions"].get(name), now["functions"][name])
        for name in before["functions"]:
            if name not in now["functions"]:
                print(f"  {'gone':>12} {'':>8}  {name}")
    if arguments.update:
        BASELINE.write_text(json.dumps({"compiler": arguments.compiler, **counts}, indent=2) + "\n")
        print(f"written: {BASELINE.name}")
    elif changed:
        print(f"A total changed by {100 * LIMIT:.0f}% or more: if that is meant, make "
              "bench-instructions UPDATE=1 and commit the file.")
    return 1 if changed and not arguments.update else 0


if __name__ == "__main__":
    sys.exit(main())
