#!/usr/bin/env python3
"""Training beside sentence-transformers from all-MiniLM-L6-v2: regression on the STS benchmark,
classification on SICK and triplets made from both, with the same data, batch, epochs, learning rate and
seeds. Prints tables as they stand in docs/TRAINING.md.

    tests/bench/train.py --ours build/bin/sbert-train --model DIR --data shared/data --results DIR
        [--tasks sts,nli,triplet] [--seeds 1,2,3] [--quick [--steps 40]] [--resume]

Each run is a process of its own, one after the other, so that rate and peak memory are its own; its figures
are kept in --results as it ends, and --resume takes those that are there. --quick takes some steps of each on
STS alternately, three times, for the rate alone: batches are then in random order in both.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import train_data

BATCH, RATE = 16, 2e-5
EPOCHS = {"sts": 4, "nli": 4, "triplet": 1}
FIGURES = {"sts": "Spearman x 100", "nli": "accuracy, %", "triplet": "accuracy, %"}
SIDES = ("sbert-train", "sentence-transformers")


def run(command):
    """A process's standard output and what it took."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{said}")
    return said, usage


def seconds_of(log):
    """What the steps of a log took, without evaluations and what was written beside them, and how many of
    them could be counted."""
    seconds, steps, previous = 0.0, 0, 0.0
    for i, line in enumerate(log):
        if line["type"] != "step":
            continue
        if i == 0 or log[i - 1]["type"] != "evaluation":
            seconds += line["seconds"] - previous
            steps += 1
        previous = line["seconds"]
    return seconds, steps


def ours(options, task, seed):
    """A run by sbert-train. The command is given back as a user would type it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for part in ("train", "dev"):
            train_data.write(task, train_data.read(task, part, options.data), folder / f"{part}.jsonl")
        words = [task, f"--rate={RATE}", f"--batch={BATCH}", f"--seed={seed}"]
        words += ["--score-max=1"] if task == "sts" else []
        words += ([f"--max-steps={options.steps}", "--order=random"] if options.steps
                  else [f"--epochs={EPOCHS[task]}"])
        files = ["--train", folder / "train.jsonl"]
        files += [] if options.steps else ["--dev", folder / "dev.jsonl"]
        output = folder / "output"
        _, usage = run([options.ours.resolve(), *words, f"--base={options.model}", *files, "--output", output, "--quiet"])
        log = [json.loads(line) for line in (output / "training/log.jsonl").read_text().splitlines()]
    seconds, steps = seconds_of(log)
    return {"rate": steps * BATCH / seconds, "seconds": seconds,
            "curve": [line["value"] for line in log if line["type"] == "evaluation"],
            "memory": usage.ru_maxrss / 1024}


def theirs(options, task, seed):
    program = pathlib.Path(__file__).with_name("train_reference.py")
    said, _ = run([sys.executable, program, f"--task={task}", f"--model={options.model}",
                   f"--data={options.data}", f"--seed={seed}", f"--epochs={EPOCHS[task]}",
                   f"--steps={options.steps}", f"--batch={BATCH}", f"--rate={RATE}"])
    return json.loads(said.splitlines()[-1])


def figures_of(options, side, task, seed):
    """Of a run that was made before, or of one made now."""
    kept = options.results / f"{task}-{side}-{options.steps or 'whole'}-{seed}.json"
    if options.resume and kept.exists():
        return json.loads(kept.read_text())
    figures = (ours if side == SIDES[0] else theirs)(options, task, seed)
    part = kept.with_suffix(".part")
    part.write_text(json.dumps(figures) + "\n")
    part.replace(kept)
    return figures


def print_runs(options, task):
    """Both sides of every seed: what they reached, and how they got there."""
    print(f"\n{task}: {EPOCHS[task]} epochs, batch {BATCH}, rate {RATE}; the figure is {FIGURES[task]}\n")
    print(f"| seed | | best | the curve | time | {'pairs' if task != 'triplet' else 'triplets'} a second | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    runs = {side: [] for side in SIDES}
    for seed in options.seeds:
        for side in SIDES:
            figures = figures_of(options, side, task, seed)
            runs[side].append(figures)
            print(f"| {seed} | {side} | {max(figures['curve'][1:]):.2f} | "
                  f"{' '.join(f'{value:.2f}' for value in figures['curve'])} | "
                  f"{figures['seconds']:.0f} s | {figures['rate']:.1f} | {figures['memory']:.0f} MB |", flush=True)
    best = [statistics.mean(max(figures["curve"][1:]) for figures in runs[side]) for side in SIDES]
    print(f"\nmean of {len(options.seeds)}: {best[0]:.2f} against {best[1]:.2f}", flush=True)
    return runs


def print_rates(options):
    """Some steps of each, alternately, so that what else the machine does falls on both."""
    print(f"STS, {options.steps} steps, batch {BATCH}, {len(os.sched_getaffinity(0))} threads\n")
    print(f"| round | {SIDES[0]} | {SIDES[1]} | times | memory | | share |\n{'| --- ' * 7}|", flush=True)
    ratios = []
    for seed in options.seeds:
        a, b = (figures_of(options, side, "sts", seed) for side in SIDES)
        ratios.append(a["rate"] / b["rate"])
        print(f"| {seed} | {a['rate']:.1f} pairs/s | {b['rate']:.1f} pairs/s | {ratios[-1]:.2f} | "
              f"{a['memory']:.0f} MB | {b['memory']:.0f} MB | {a['memory'] / b['memory']:.2f} |", flush=True)
    print(f"\nmedian: {statistics.median(ratios):.2f} times {SIDES[1]}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(EPOCHS))
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--steps", type=int, default=40, help="with --quick")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    if options.quick:
        return print_rates(options)
    options.steps = 0
    for task in options.tasks:
        print_runs(options, task)
    return None


if __name__ == "__main__":
    main()
