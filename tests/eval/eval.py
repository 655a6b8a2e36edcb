#!/usr/bin/env python3
"""How good the answers are: sentence similarity, retrieval and near-duplicates, through the daemon's
own socket, beside the same model in sentence-transformers.

    eval.py --bin FOLDER --data FOLDER --cache FOLDER [--model NAME] [--precisions f32,int8]
            [--only sts,retrieval,duplicates] [--crowd 100000] [--depth 1000] [--no-reference]

similarity.py, retrieval.py and duplicates.py say what is measured. sentence-transformers cuts long
documents where the daemon splits them into passages; its vectors are kept in --cache. Prints tables in
Markdown, and on standard error where it is.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import duplicates
import retrieval
import similarity
from reference import Reference
from service import start_all, stop_all

PARTS = ("sts", "retrieval", "duplicates")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--precisions", default="f32,int8")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--crowd", type=int, default=100000, help="captions beside the documents, for a graph; 0: none")
    parser.add_argument("--depth", type=int, default=1000, help="answers to a query; a graph is asked for 1,000 of "
                        "over 72,000 passages, for 100 of over 8,000, and else everything is scanned")
    parser.add_argument("--no-reference", action="store_true", help="leave sentence-transformers out")
    options = parser.parse_args()
    options.precisions, options.only = options.precisions.split(","), options.only.split(",")
    if set(options.only) - set(PARTS):
        parser.error(f"--only is of {', '.join(PARTS)}")
    return options


def main():
    options = read_options()
    started = time.monotonic()

    def say(what):
        print(f"[{time.monotonic() - started:5.0f} s] {what}", file=sys.stderr, flush=True)

    shown = subprocess.run([options.bin / "sbert-model", "show", "--json", options.model], check=True,
                           capture_output=True, text=True)
    reference = None if options.no_reference else Reference(json.loads(shown.stdout), options.cache)
    print(f"{time.strftime('%Y-%m-%d')}, {options.model}, {len(os.sched_getaffinity(0))} CPUs, load "
          f"{os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory() as folder:
        daemons = start_all(options, folder)
        try:
            evaluate(options, reference, daemons, say)
        finally:
            stop_all(daemons)
    print(f"\nIn all {time.monotonic() - started:.0f} s.")


def evaluate(options, reference, daemons, say):
    sets = similarity.read_sts(options.data)
    ours = {}
    if "sts" in options.only or "duplicates" in options.only:
        for precision, daemon in daemons.items():
            say(f"{precision}: sentence similarity")
            ours[precision] = similarity.cosines_of_sets(sets, daemon.embed)
    if "sts" in options.only:
        rows = {f"sbertd, {precision}": found for precision, found in ours.items()}
        if reference:
            say("sentence-transformers")
            rows = {reference.name: similarity.cosines_of_sets(sets, reference.embed)} | rows
        similarity.print_table(sets, rows)
    if "retrieval" in options.only:
        collections = retrieval.read_retrieval(options.data)
        crowd = retrieval.read_crowd(options.data, collections, options.crowd) if options.crowd else None
        retrieval.print_tables(collections, crowd, options.depth, reference, daemons, say)
    if "duplicates" in options.only:
        english = {name: sets[name] for name in ("STS-B dev", "SICK")}
        duplicates.print_table(duplicates.read_parakqc(options.data), english, ours, daemons, say)


if __name__ == "__main__":
    main()
