#!/usr/bin/env python3
"""How good the answers are: sentence similarity and retrieval, through the daemon's own socket.

    eval.py --bin FOLDER --data FOLDER [--model NAME] [--precisions f32,int8] [--only sts,retrieval]

Sentence similarity: Spearman's rank correlation (times 100) of the cosines with the gold scores, on
STS-B dev, SICK (train and trial) and KorSTS dev. Retrieval: Cranfield and MED, documents being title
and text, ranked to depth 1,000: nDCG@10, MAP and recall@100 by the definitions of trec_eval, computed
here and, where the package ir-measures is there, held to its figures. Beside ours the same model in
sentence-transformers, which cuts long documents where the daemon splits them into passages.

Prints tables in Markdown with what they ran on.
"""

import argparse
import base64
import csv
import http.client
import importlib.metadata
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

DEPTH = 1000


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """`sbertd run` in a folder of its own."""

    def __init__(self, options, folder, precision):
        self.socket = folder / "s"
        self.process = subprocess.Popen(
            [options.bin / "sbertd", "run", f"--socket={self.socket}", f"--data-dir={folder / 'data'}",
             f"--model={options.model}", f"--precision={precision}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"eval.py: sbertd --precision={precision} did not start")
            time.sleep(0.02)

    def healthy(self):
        try:
            return self.request("GET", "/health") is not None
        except (OSError, http.client.HTTPException, RuntimeError):
            return False

    def request(self, method, path, body=None):
        connection = Connection(self.socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data)

    def embed(self, texts):
        import numpy

        vectors = []
        for i in range(0, len(texts), 1000):
            answer = self.request("POST", "/v1/embeddings", {"input": texts[i : i + 1000], "encoding_format": "base64"})
            vectors += [numpy.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in answer["data"]]
        return numpy.array(vectors)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


# --- sentence similarity ---


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


def spearman(a, b):
    """Of average ranks, as ties are usually treated."""
    import numpy

    def ranks(values):
        values = numpy.asarray(values, float)
        order = numpy.argsort(values, kind="stable")
        result = numpy.empty(len(values))
        start = 0
        while start < len(values):
            end = start
            while end < len(values) and values[order[end]] == values[order[start]]:
                end += 1
            result[order[start:end]] = (start + end - 1) / 2
            start = end
        return result

    return float(numpy.corrcoef(ranks(a), ranks(b))[0, 1])


def cosines(a, b):
    import numpy

    a, b = a.astype(numpy.float64), b.astype(numpy.float64)
    return (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)


def sts_row(sets, embed):
    row = []
    for first, second, gold in sets.values():
        vectors = embed(list(first) + list(second))
        row.append(100 * spearman(cosines(vectors[: len(first)], vectors[len(first) :]), gold))
    return row


# --- retrieval ---


def read_retrieval(folder):
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


def daemon_ranking(daemon, name, documents, queries, index, exact):
    collection = f"/v1/collections/{name}-{index}"
    if not any(c["name"] == f"{name}-{index}" for c in daemon.request("GET", "/v1/collections")["collections"]):
        daemon.request("PUT", collection, {"index": index})
        items = [{"id": key, "text": text} for key, text in documents.items() if text]
        for i in range(0, len(items), 500):
            daemon.request("POST", f"{collection}/documents", {"documents": items[i : i + 500]})
    ranking = {}
    for key, text in queries.items():
        body = {"query": text, "top_k": DEPTH}
        if exact:
            body["exact"] = True
        answer = daemon.request("POST", f"{collection}/search", body)
        ranking[key] = [(result["id"], result["score"]) for result in answer["results"]]
    return ranking, daemon.request("GET", collection)["index"]["kind"]


def reference_ranking(model, documents, queries):
    import numpy

    keys = [key for key, text in documents.items() if text]
    vectors = model.encode([documents[key] for key in keys], normalize_embeddings=True, show_progress_bar=False)
    asked = model.encode(list(queries.values()), normalize_embeddings=True, show_progress_bar=False)
    ranking = {}
    for key, scores in zip(queries, asked @ vectors.T):
        order = numpy.argsort(-scores, kind="stable")[:DEPTH]
        ranking[key] = [(keys[i], float(scores[i])) for i in order]
    return ranking


def print_row(label, values):
    print(f"| {label} | " + " | ".join(f"{value:.2f}" for value in values) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--precisions", default="f32,int8")
    parser.add_argument("--only", default="sts,retrieval")
    parser.add_argument("--no-reference", action="store_true", help="leave sentence-transformers out")
    options = parser.parse_args()
    options.precisions, options.only = options.precisions.split(","), options.only.split(",")

    shown = subprocess.run([options.bin / "sbert-model", "show", "--json", options.model], check=True,
                           capture_output=True, text=True)
    reference = None
    if not options.no_reference:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        reference = SentenceTransformer(json.loads(shown.stdout)["folder"], device="cpu")
    sets = read_sts(options.data) if "sts" in options.only else {}
    collections = {name: read_retrieval(options.data / "retrieval" / name) for name in ("cranfield", "med")} \
        if "retrieval" in options.only else {}

    print(f"{time.strftime('%Y-%m-%d')}, {options.model}\n")
    with tempfile.TemporaryDirectory() as folder:
        daemons = {}
        try:
            for precision in options.precisions:
                (pathlib.Path(folder) / precision).mkdir()
                daemons[precision] = Daemon(options, pathlib.Path(folder) / precision, precision)
            peer = reference and f"sentence-transformers {importlib.metadata.version('sentence-transformers')}, f32"
            if sets:
                print("| Spearman x 100 | " + " | ".join(sets) + " |\n| --- |" + " --- |" * len(sets))
                if reference:
                    print_row(peer, sts_row(sets, lambda texts: reference.encode(texts, show_progress_bar=False)))
                for precision, daemon in daemons.items():
                    print_row(f"sbertd, {precision}", sts_row(sets, daemon.embed))
            checked = True
            for name, (documents, queries, judgements) in collections.items():
                print(f"\n| {name}: {len(documents):,} documents, {len(queries)} queries | nDCG@10 | MAP | recall@100 |\n"
                      "| --- | --- | --- | --- |")
                if reference:
                    print_row(peer, measure(reference_ranking(reference, documents, queries), judgements))
                for precision, daemon in daemons.items():
                    for index, exact in (("flat", True), ("hnsw", False)):
                        ranking, kind = daemon_ranking(daemon, name, documents, queries, index, exact)
                        values = measure(ranking, judgements)
                        checked &= check_measures(ranking, judgements, values)
                        print_row(f"sbertd, {precision}, {'exact' if exact else f'index {index}, answered by {kind}'}",
                                  values)
            if collections:
                print("\n" + ("The measures equal those of ir-measures." if checked else
                              "The package ir-measures is not there, so the measures are ours alone."))
        finally:
            for daemon in daemons.values():
                daemon.stop()


if __name__ == "__main__":
    main()
