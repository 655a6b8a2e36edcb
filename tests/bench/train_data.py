"""The data that training is measured on: pairs with scores (the STS benchmark), pairs with labels (SICK),
and triplets made from both. Pure functions of the files of shared/data, so both sides train on the same.
"""

import csv
import json
import random

LABELS = {"CONTRADICTION": 0, "ENTAILMENT": 1, "NEUTRAL": 2}
FILES = {"train": ("stsb-en-train.csv", "SICK_train.txt"), "dev": ("stsb-en-dev.csv", "SICK_trial.txt")}


def read_sts(path):
    """[(text, text, score from 0 to 1)]"""
    with open(path, newline="", encoding="utf-8") as file:
        return [(a, b, float(score) / 5) for a, b, score in csv.reader(file)]


def read_sick(path):
    """[(text, text, relatedness from 0 to 1, label)]"""
    with open(path, encoding="utf-8") as file:
        return [(row["sentence_A"], row["sentence_B"], (float(row["relatedness_score"]) - 1) / 4,
                 row["entailment_judgment"]) for row in csv.DictReader(file, delimiter="\t",
                                                                        quoting=csv.QUOTE_NONE)]


def overlap(a, b):
    a, b = set(a.lower().split()), set(b.lower().split())
    return len(a & b) / len(a | b)


def triplets_of(pairs, seed=1):
    """A triplet of each pair that scores 0.7 and more: the negative is the text that scored lowest beside
    the anchor, where that is 0.5 or less, else that of 20 drawn ones that shares most words with it."""
    draw = random.Random(seed)
    texts = sorted({text for pair in pairs for text in pair[:2]})
    partners = {}
    for a, b, score in pairs:
        partners.setdefault(a, []).append((score, b))
        partners.setdefault(b, []).append((score, a))
    triplets = []
    for a, b, score in pairs:
        if score < 0.7:
            continue
        lowest = min(partners[a])
        near = {a} | {text for value, text in partners[a] if value > 0.5}
        drawn = [text for text in draw.sample(texts, 20) if text not in near]
        triplets.append((a, b, lowest[1] if lowest[0] <= 0.5 else max(drawn, key=lambda t: overlap(a, t))))
    return triplets


def read(task, part, data):
    """The rows of a task: tuples of texts, with the score or the label last."""
    sts, sick = data / "sts" / FILES[part][0], data / "nli" / FILES[part][1]
    if task == "sts":
        return read_sts(sts)
    if task == "nli":
        return [(a, b, LABELS[label]) for a, b, _, label in read_sick(sick)]
    return triplets_of(read_sts(sts)) + triplets_of([row[:3] for row in read_sick(sick)])


def write(task, rows, path):
    """As JSON lines with the names that sbert-train knows."""
    names = {"sts": ("sentence1", "sentence2", "score"), "nli": ("premise", "hypothesis", "label"),
             "triplet": ("anchor", "positive", "negative")}[task]
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(dict(zip(names, row))) + "\n")
