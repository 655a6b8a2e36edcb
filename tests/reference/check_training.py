#!/usr/bin/env python3
"""sbert-train beside PyTorch, live: ten steps with the same batches and without dropout, and the vectors of
what was trained.

    tests/reference/check_training.py BIN [MODEL]

BIN is the folder of the programs; MODEL a real model's folder, taken too where it is there. For each of the
tiny models of tests/golden, and by each objective: with SGD all parameters within 1e-5; with Adam, the losses
within 1e-4 of each other (the key biases' true gradient is zero, so Adam makes steps of their rounding noise:
parameters are not compared then). Then sbertd serves the folder that sbert-train wrote, sentence-transformers
loads the same, and their vectors must be within 1e-5.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import types

import numpy
import safetensors.torch
import torch
from sentence_transformers import SentenceTransformer

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/golden"), str(ROOT / "tests/eval")]

import make_training  # noqa: E402
from eval import Daemon  # noqa: E402
from make_models import MODELS, load_reference  # noqa: E402

RATES = {"sts": 0.02, "nli": 0.02, "triplet": 0.02, "mnrl": 0.002}
TEXTS = ["the cat sat on the mat.", "It was a great day", "stock market prices fall today", "mats"]


def write_rows(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            names = ["text1", "text2", "negative"]
            file.write(json.dumps({**dict(zip(names, row["texts"])), "score": row["score"],
                                   "label": row["label"]}) + "\n")


def ours(programs, model, objective, optimizer, rate, rows, output):
    data = output.with_suffix(".jsonl")
    write_rows(data, rows)
    subprocess.run([programs / "sbert-train", objective, f"--base={model}", "--train", data, "--output", output,
                    f"--optimizer={optimizer}", f"--rate={rate}", "--schedule=constant", "--warmup=0",
                    "--clip=0", "--dropout=0", "--weight-decay=0", "--order=file", "--batch=4",
                    "--max-steps=10", "--quiet"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    log = [json.loads(line) for line in (output / "training/log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in log if line["type"] == "step"]


def tensors_of(model_folder):
    """The numbers of a folder by the names of make_training.parameters_of."""
    named = {}
    for file in model_folder.rglob("*.safetensors"):
        below = file.parent.relative_to(model_folder).parts
        for name, tensor in safetensors.torch.load_file(file).items():
            name = name.removeprefix("bert.").replace("gamma", "weight").replace("beta", "bias")
            if below and below[0] != "training":
                name = f"{int(below[0].split('_')[0]) - 2}/{name}"
            named[name] = tensor
    return named


def worst_difference(trained, wanted):
    worst = 0
    for name, tensor in wanted.items():
        if "pooler" in name or "position_ids" in name:
            continue
        difference = (trained[name].double() - tensor.double()).abs() / tensor.double().abs().clamp(min=1)
        worst = max(worst, difference.max().item())
    return worst


def reference(load, objective, optimizer, rate, rows):
    model = load()
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    losses, loss = make_training.train(model, objective, {}, rows,
                                       lambda parameters: kinds[optimizer](parameters, lr=rate))
    return losses, make_training.parameters_of(model, loss)


def vectors_differ(programs, folder, scratch):
    """How far what sbertd answers is from what sentence-transformers makes of the same folder."""
    daemon = Daemon(types.SimpleNamespace(bin=programs, model=folder), scratch, "f32")
    try:
        found = daemon.embed(TEXTS)
    finally:
        daemon.stop()
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if model.truncate_dim is not None:
        wanted = model.encode(TEXTS, normalize_embeddings=True)
    else:
        wanted = model.encode(TEXTS)
    return float(numpy.abs(found - wanted).max())


def check(programs, name, folder, load, objective, rate, failures, vectors=True):
    rows = make_training.examples(objective, seed=3)
    with tempfile.TemporaryDirectory() as scratch:
        output = pathlib.Path(scratch) / "sgd"
        ours(programs, folder, objective, "sgd", rate, rows, output)
        _, wanted = reference(load, objective, "sgd", rate, rows)
        parameters = worst_difference(tensors_of(output), wanted)
        found = ours(programs, folder, objective, "adam", 1e-4, rows, pathlib.Path(scratch) / "adam")
        expected, _ = reference(load, objective, "adam", 1e-4, rows)
        losses = max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(found, expected))
        served = vectors_differ(programs, output, pathlib.Path(scratch)) if vectors else 0
    right = parameters < 1e-5 and losses < 1e-4 and served < 1e-5
    print(f"{'ok' if right else 'WRONG':6} {name:22} {objective:8} SGD: parameters {parameters:.1e}  "
          f"Adam: losses {losses:.1e}  vectors {served:.1e}", flush=True)
    failures += not right
    return failures


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    torch.set_num_threads(1)
    failures = 0
    for i, (name, settings) in enumerate(MODELS.items()):
        if name == "cls-mean-64" or name not in make_training.CASES and name != "mean-64":
            continue
        folder = ROOT / "tests/golden/models" / name
        # What truncate_dim cuts would not fit the classifier of sentence-transformers.
        of_it = ["sts"] if name == "dense-16" else [list(RATES)[i % 4]]
        for objective in (list(RATES) if name == "mean-64" else of_it):
            failures = check(programs, name, folder, lambda: load_reference(folder, settings["style"]),
                             objective, RATES[objective], failures,
                             vectors=settings["style"] != "first")
    real = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if real and real.exists():
        for objective in RATES:
            failures = check(programs, real.name, real,
                             lambda: SentenceTransformer(str(real), device="cpu", local_files_only=True).double(),
                             objective, RATES[objective], failures)
    else:
        print("without the real model: it is not installed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
