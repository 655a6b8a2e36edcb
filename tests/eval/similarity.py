"""Sentence similarity: Spearman's rank correlation of the cosines with the gold scores."""

import csv

import numpy


def read_sts(data):
    """{name: (texts, texts, gold scores)}"""
    with open(data / "sts/stsb-en-dev.csv", encoding="utf-8", newline="") as stream:
        stsb = [(row[0], row[1], float(row[2])) for row in csv.reader(stream)]
    sick, korsts = [], []
    for name in ("SICK_train.txt", "SICK_trial.txt"):
        with open(data / "nli" / name, encoding="utf-8") as stream:
            next(stream)
            sick += [(row[1], row[2], float(row[3])) for row in (line.rstrip("\n").split("\t") for line in stream)]
    with open(data / "sts/korsts-dev.tsv", encoding="utf-8") as stream:
        next(stream)
        korsts += [(row[5], row[6], float(row[4])) for row in (line.rstrip("\n").split("\t") for line in stream)]
    return {name: tuple(zip(*rows)) for name, rows in (("STS-B dev", stsb), ("SICK", sick), ("KorSTS dev", korsts))}


def ranks(values):
    """Average ranks, as ties are usually treated."""
    values = numpy.asarray(values, float)
    _, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    ends = numpy.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse]


def spearman(a, b):
    return float(numpy.corrcoef(ranks(a), ranks(b))[0, 1])


def pair_cosines(first, second, embed):
    """The cosines of texts with their partners; a text that stands in many pairs is encoded once."""
    texts = sorted(set(first) | set(second))
    place = {text: i for i, text in enumerate(texts)}
    vectors = embed(texts).astype(numpy.float64)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors[[place[text] for text in first]] * vectors[[place[text] for text in second]]).sum(1)


def cosines_of_sets(sets, embed):
    return {name: pair_cosines(first, second, embed) for name, (first, second, _) in sets.items()}


def print_table(sets, cosines):
    """`cosines`: {row's label: {name: cosines}}"""
    print("| Spearman x 100 | " + " | ".join(sets) + " |\n| --- |" + " --- |" * len(sets))
    for label, found in cosines.items():
        values = [100 * spearman(found[name], sets[name][2]) for name in sets]
        print(f"| {label} | " + " | ".join(f"{value:.2f}" for value in values) + " |", flush=True)
