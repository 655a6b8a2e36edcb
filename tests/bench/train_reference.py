#!/usr/bin/env python3
"""One training run by sentence-transformers, its figures printed as a line of JSON: train.py runs it as a
process of its own. The loop is SentenceTransformer.old_fit, the library's own that needs no further package.
"""

import argparse
import json
import os
import pathlib
import resource
import tempfile
import time

import torch
import train_data
from sentence_transformers import InputExample, SentenceTransformer
from sentence_transformers.sentence_transformer import evaluation, losses
from torch.utils.data import DataLoader


def objective(task, model, dev):
    """The loss and what measures it: a function of the model, times 100."""
    columns = list(zip(*dev))
    if task == "sts":
        evaluator = evaluation.EmbeddingSimilarityEvaluator(*columns, main_similarity="cosine")
        return losses.CosineSimilarityLoss(model), lambda: evaluator(model)["spearman_cosine"]
    if task == "nli":
        loss = losses.SoftmaxLoss(model, model.get_embedding_dimension(), num_labels=3)
        loader = DataLoader([InputExample(texts=row[:2], label=row[2]) for row in dev], batch_size=32)
        evaluator = evaluation.LabelAccuracyEvaluator(loader, softmax_model=loss)
        return loss, lambda: evaluator(model)["accuracy"]
    evaluator = evaluation.TripletEvaluator(*columns, main_similarity_function="euclidean")
    loss = losses.TripletLoss(model, losses.TripletDistanceMetric.EUCLIDEAN, triplet_margin=1)
    return loss, lambda: evaluator(model)["euclidean_accuracy"]


def example(task, row):
    if task == "triplet":
        return InputExample(texts=list(row))
    return InputExample(texts=list(row[:2]), label=row[2])


def train(options):
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(options.seed)
    model = SentenceTransformer(str(options.model), device="cpu", local_files_only=True)
    rows = train_data.read(options.task, "train", options.data)
    if options.steps:
        rows = rows[:options.steps * options.batch]
    loader = DataLoader([example(options.task, row) for row in rows], shuffle=True, batch_size=options.batch)
    loss, measure = objective(options.task, model, train_data.read(options.task, "dev", options.data))
    curve, spent = [], [0.0]

    def figure(*_, **_named):
        started = time.monotonic()
        curve.append(100 * float(measure()))
        spent[0] += time.monotonic() - started
        return curve[-1]

    epochs = 1 if options.steps else options.epochs
    if not options.steps:
        figure()
    spent[0] = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as output:
        model.old_fit(train_objectives=[(loader, loss)], epochs=epochs,
                      warmup_steps=-(-len(loader) * epochs // 10), optimizer_params={"lr": options.rate},
                      weight_decay=0.01, max_grad_norm=1, show_progress_bar=False,
                      evaluator=None if options.steps else figure, output_path=output,
                      save_best_model=False)
    seconds = time.monotonic() - started - spent[0]
    return {"rate": len(rows) * epochs / seconds, "seconds": seconds, "curve": curve,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=("sts", "nli", "triplet"), required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True, help="so many instead of epochs; 0: epochs")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()
