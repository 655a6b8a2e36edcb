#!/usr/bin/env python3
"""Training beside sentence-transformers: regression on the STS benchmark from all-MiniLM-L6-v2, with the
same data, batch, epochs, learning rate and seeds; both figures of every seed are printed.

    tests/bench/train.py --ours build/bin/sbert-train --model DIR --data shared/data/sts
        [--quick] [--seeds 1,2,3] [--epochs 4]

The reference is SentenceTransformer.old_fit, the loop of its own that needs no further package. Each run is
a process of its own, one after the other, so that rate and peak memory are its own. --quick takes some
steps of each alternately, for the rate alone.
"""

import argparse
import csv
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

BATCH, RATE = 16, 2e-5


def read_pairs(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [(a, b, float(score) / 5) for a, b, score in csv.reader(file)]


def reference(options):
    """In a child: trains by the reference and prints its figures as JSON."""
    import torch
    from sentence_transformers import InputExample, SentenceTransformer, losses
    from sentence_transformers.evaluation import EmbeddingSimilarityEvaluator
    from torch.utils.data import DataLoader

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(options.seed)
    pairs = read_pairs(options.data / "stsb-en-train.csv")
    dev = read_pairs(options.data / "stsb-en-dev.csv")
    model = SentenceTransformer(str(options.model), device="cpu", local_files_only=True)
    examples = [InputExample(texts=[a, b], label=score) for a, b, score in pairs]
    if options.steps:
        examples = examples[:options.steps * BATCH]
    loader = DataLoader(examples, shuffle=True, batch_size=BATCH)
    evaluator = EmbeddingSimilarityEvaluator([p[0] for p in dev], [p[1] for p in dev],
                                             [p[2] for p in dev], main_similarity="cosine")
    curve, spent = [], [0.0]

    def figure(*_):
        started = time.monotonic()
        value = evaluator(model)
        curve.append(100 * (value["spearman_cosine"] if isinstance(value, dict) else value))
        spent[0] += time.monotonic() - started
        return curve[-1]

    if not options.steps:
        figure()
    spent[0] = 0
    epochs = 1 if options.steps else options.epochs
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as output:
        model.old_fit(train_objectives=[(loader, losses.CosineSimilarityLoss(model))], epochs=epochs,
                      warmup_steps=-(-len(loader) * epochs // 10), optimizer_params={"lr": RATE},
                      weight_decay=0.01, max_grad_norm=1, show_progress_bar=False,
                      evaluator=None if options.steps else figure, output_path=output,
                      save_best_model=False)
    seconds = time.monotonic() - started - spent[0]
    print(json.dumps({"rate": len(examples) * epochs / seconds, "curve": curve,
                      "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def run(command):
    """A process's standard output and what it took."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed: {said}")
    return said, usage


def ours(options, seed, folder):
    """The same run by sbert-train."""
    output = pathlib.Path(folder) / f"seed-{seed}"
    command = [options.ours, "sts", f"--base={options.model}", "--columns=sentence1,sentence2,score",
               "--train", options.data / "stsb-en-train.csv", "--output", output, f"--rate={RATE}",
               f"--batch={BATCH}", f"--seed={seed}", "--quiet"]
    if options.steps:
        command += [f"--max-steps={options.steps}", "--order=random"]
    else:
        command += ["--dev", options.data / "stsb-en-dev.csv", f"--epochs={options.epochs}"]
    _, usage = run(command)
    log = [json.loads(line) for line in (output / "training/log.jsonl").read_text().splitlines()]
    examples = options.steps * BATCH if options.steps else log[0]["examples"] * options.epochs
    seconds, previous = 0.0, 0.0
    for i, line in enumerate(log):  # what passed between two lines, but for evaluations
        if line["type"] == "step":
            if i == 0 or log[i - 1]["type"] != "evaluation":
                seconds += line["seconds"] - previous
            else:
                examples -= BATCH
            previous = line["seconds"]
    curve = [line["value"] for line in log if line["type"] == "evaluation"]
    return {"rate": examples / seconds, "curve": curve, "memory": usage.ru_maxrss / 1024}


def theirs(options, seed):
    said, _ = run([sys.executable, __file__, "--reference", "--model", options.model, "--data", options.data,
                   "--seed", seed, "--epochs", options.epochs, "--steps", options.steps])
    return json.loads(said.splitlines()[-1])


def show(name, seed, figures):
    curve = "  ".join(f"{value:.2f}" for value in figures["curve"])
    print(f"{name:22} seed {seed}  {figures['rate']:6.1f} pairs/s  "
          f"{figures['memory']:6.0f} MB  {curve}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        return reference(options)
    if options.quick and not options.steps:
        options.steps = 40
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in map(int, options.seeds.split(",")):
            pair = ours(options, seed, folder), theirs(options, seed)
            show("sbert-train", seed, pair[0])
            show("sentence-transformers", seed, pair[1])
            results.append(pair)
    count = len(results)
    for key, name in (("rate", "speed"), ("memory", "memory")):
        mean = [sum(pair[i][key] for pair in results) / count for i in range(2)]
        print(f"{name}: {mean[0] / mean[1]:.2f} times sentence-transformers'")
    if not options.steps:
        best = [sum(max(pair[i]["curve"][1:]) for pair in results) / count for i in range(2)]
        print(f"best development Spearman, mean of {count}: {best[0]:.2f} against {best[1]:.2f}")


if __name__ == "__main__":
    main()
