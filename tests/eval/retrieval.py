"""Retrieval: Cranfield and MED, documents being title and text, ranked to some depth (1,000).

nDCG@10, MAP and recall@100 by the definitions of trec_eval, computed here and, where the package
ir-measures is there, held to its figures. A collection as small as these is scanned, so that its
answers are exact whatever is asked for. For answers by a graph all documents stand in one collection
among a crowd of captions: what the graph loses is the difference to the exact answers there.
"""

import json
import math
import random
import time

import numpy

TAIL = 8192  # vectors that may wait for the graph (index/index.c)
NAMES = ("cranfield", "med")


def read_collection(folder):
    """(documents, queries, judgements): id to text, id to text, query to the set of relevant ids."""

    def records(name):
        with open(folder / name, encoding="utf-8") as stream:
            for line in stream:
                record = json.loads(line)
                yield record["_id"], f"{record.get('title', '')} {record['text']}".strip()

    judgements = {}
    with open(folder / "qrels/test.tsv", encoding="utf-8") as stream:
        next(stream)
        for line in stream:
            query, document, score = line.split()
            if int(score) > 0:
                judgements.setdefault(query, set()).add(document)
    queries = {key: text for key, text in records("queries.jsonl") if key in judgements}
    return dict(records("corpus.jsonl")), queries, judgements


def read_retrieval(data):
    return {name: read_collection(data / "retrieval" / name) for name in NAMES}


def read_crowd(data, collections, size):
    """The documents of all collections first, so that they are in the graph, and then captions."""
    crowd = {f"{name}/{key}": text for name, (documents, _, _) in collections.items() for key, text in documents.items()}
    lines = (data / "sentences/captions_en.txt").read_text(encoding="utf-8").split("\n")
    chosen = random.Random(7).sample(sorted(set(lines) - {""}), size)
    crowd.update((f"caption/{i}", text) for i, text in enumerate(chosen))
    return crowd


def measure(ranking, judgements):
    """nDCG@10, MAP, recall@100, each a mean over the queries, times 100."""
    totals = [0.0, 0.0, 0.0]
    for query, relevant in judgements.items():
        hits = [document in relevant for document, _ in ranking[query]]
        gain = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(hits[:10]) if hit)
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))
        found = precision = 0
        for rank, hit in enumerate(hits):
            if hit:
                found += 1
                precision += found / (rank + 1)
        for i, value in enumerate((gain / ideal, precision / len(relevant), sum(hits[:100]) / len(relevant))):
            totals[i] += value
    return [100 * total / len(judgements) for total in totals]


def check_measures(ranking, judgements, ours):
    """Holds our figures to those of ir-measures; False where that package is not there."""
    try:
        import ir_measures
        from ir_measures import AP, R, nDCG
    except ImportError:
        return False
    qrels = [ir_measures.Qrel(query, document, 1) for query, found in judgements.items() for document in found]
    # Equal scores are put in another order there, so the ranks themselves are the scores.
    run = [ir_measures.ScoredDoc(query, document, float(-rank))
           for query, documents in ranking.items() for rank, (document, _) in enumerate(documents)]
    theirs = ir_measures.calc_aggregate([nDCG @ 10, AP, R @ 100], qrels, run)
    for measured, value in zip((nDCG @ 10, AP, R @ 100), ours):
        assert abs(100 * theirs[measured] - value) < 1e-6, (measured, theirs[measured], value)
    return True


def daemon_ranking(daemon, collection, queries, depth, exact, prefix=""):
    ranking = {}
    for key, text in queries.items():
        found = daemon.search(collection, text, depth, exact)
        ranking[key] = [(name[len(prefix):] if name.startswith(prefix) else name, score) for name, score in found]
    return ranking


def reference_ranking(reference, documents, queries, depth):
    keys = [key for key, text in documents.items() if text]
    vectors, asked = reference.embed([documents[key] for key in keys]), reference.embed(list(queries.values()))
    ranking = {}
    for key, scores in zip(queries, asked @ vectors.T):
        order = numpy.argsort(-scores, kind="stable")[:depth]
        ranking[key] = [(keys[i], float(scores[i])) for i in order]
    return ranking


def wait_for_graph(daemon, collection):
    """Until all that will be linked is linked; what the index says of itself then."""
    while True:
        index = daemon.index(collection)
        if index["kind"] == "hnsw" and index["unlinked"] < TAIL and index["building"] == 0:
            return index
        time.sleep(0.5)


def share_found(approximate, exact, depth):
    """Of the exact answers' first `depth`, how many stand among the first `depth` of the others."""
    shares = [len({key for key, _ in approximate[query][:depth]} & {key for key, _ in exact[query][:depth]})
              / len(exact[query][:depth]) for query in exact]
    return sum(shares) / len(shares)


def print_tables(collections, crowd, depth, reference, daemons, say):
    rows = {name: [] for name in collections}
    notes = []
    for precision, daemon in daemons.items():
        for name, (documents, queries, _) in collections.items():
            say(f"{precision}: {name}")
            daemon.add(name, documents)
            rows[name].append((f"sbertd, {precision}, exact", daemon_ranking(daemon, name, queries, depth, True)))
        if not crowd:
            continue
        say(f"{precision}: adding {len(crowd):,} documents")
        daemon.add("crowd", crowd)
        say(f"{precision}: linking")
        index = wait_for_graph(daemon, "crowd")
        for name, (_, queries, _) in collections.items():
            say(f"{precision}: {name} among the crowd")
            both = [daemon_ranking(daemon, "crowd", queries, depth, exact, f"{name}/") for exact in (True, False)]
            rows[name] += [(f"sbertd, {precision}, in the crowd, {how}", ranking)
                           for how, ranking in zip(("exact", "by the graph"), both)]
            shares = ", ".join(f"{100 * share_found(both[1], both[0], first):.2f}" for first in (10, 100, depth))
            notes.append(f"{name}, {precision}: of the exact first 10, 100 and {depth:,} in the crowd the graph found "
                         f"{shares}% ({index['vectors'] - index['unlinked']:,} of {index['vectors']:,} passages linked)")
    checked = True
    for name, (documents, queries, judgements) in collections.items():
        print(f"\n| {name}: {len(documents):,} documents, {len(queries)} queries | nDCG@10 | MAP | recall@100 |\n"
              "| --- | --- | --- | --- |")
        theirs = [(f"{reference.name}, exact", reference_ranking(reference, documents, queries, depth))] if reference else []
        for label, ranking in theirs + rows[name]:
            values = measure(ranking, judgements)
            checked &= check_measures(ranking, judgements, values)
            print(f"| {label} | " + " | ".join(f"{value:.2f}" for value in values) + " |", flush=True)
    print()
    if crowd:
        print(f"The crowd is one collection of all these documents and captions, {len(crowd):,} in all. In a smaller "
              "one everything is scanned, so there is no approximate answer to judge.")
    print("\n".join(f"- {note}" for note in notes))
    print("The measures equal those of ir-measures." if checked else
          "The package ir-measures is not there, so the measures are ours alone.")
