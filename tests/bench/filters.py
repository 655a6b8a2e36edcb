"""Times filtered searches through the daemon: the first time a filter is asked for, and when what it
selects is known; and says whether all of top_k came, and how many of the right ones.

    tests/bench/filters.py --bin build/bin [--count 100000] [--vectors FOLDER] [--realtime]

Every kind of condition selects 50%, 10%, 1% and 0.1% of the documents. The vectors are those of
`make bench-index` where they are there (FOLDER/part-*.npy), else of random clusters. --realtime gives the
daemon and this program the processor before other work, for the seconds that the questions take.
"""

import argparse
import base64
import itertools
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

PATH = "/v1/collections/v"
TOP_K, ROUNDS, QUERIES = 10, 5, 20
SHARES = [0.5, 0.1, 0.01, 0.001]
FIELDS = {"rank": "integer", "price": "real", "block": "integer", "half": "boolean", "band": "text", "path": "text",
          **{f"x{round(share * 1000)}": "integer" for share in SHARES}}


def load_vectors(folder, count):
    parts = sorted(folder.glob("part-*.npy")) if folder else []
    vectors = numpy.concatenate([numpy.load(part, mmap_mode="r") for part in parts[:count // 10000 + 2]]) if parts else None
    if vectors is not None and len(vectors) >= count + QUERIES:
        return "real", vectors[:count + QUERIES].astype("<f4")
    chance = numpy.random.default_rng(1)
    centres = chance.normal(size=(2000, 384))
    made = centres[chance.integers(0, 2000, count + QUERIES)] + 0.7 * chance.normal(size=(count + QUERIES, 384))
    return "clustered", (made / numpy.linalg.norm(made, axis=1, keepdims=True)).astype("<f4")


def metadata(rank, count):
    """What a document of that rank has; each share of the ranks has something of its own."""
    band = next((f"{share}" for share in reversed(SHARES) if rank < share * count), "rest")
    fields = {"rank": rank, "price": rank / 7, "block": rank * 1000 // count, "half": rank % 2 == 0,
              "band": band, "path": f"{band}/{rank:07}.txt"}
    for share in SHARES:
        if rank < share * count:
            fields[f"x{round(share * 1000)}"] = rank
    return fields


def conditions(share, count):
    """Name, filter and the ranks that match, of every kind of condition."""
    most = round(share * count)
    ranks = numpy.arange(count)
    low = ranks < most
    below = {"key": "rank", "range": {"lt": most}}
    bands = [f"{s}" for s in SHARES if s <= share]
    yield "range of integers", below, low
    yield "range of reals", {"key": "price", "range": {"gte": 0, "lt": most / 7}}, low
    yield "exists", {"key": f"x{round(share * 1000)}", "exists": True}, low
    yield "in", {"key": "block", "match": {"any": list(range(max(1, round(share * 1000))))}}, \
        ranks * 1000 // count < max(1, round(share * 1000))
    yield "in texts", {"key": "band", "match": {"any": bands}}, low
    inner = {0.5: 0.1, 0.1: 0.01, 0.01: 0.001}.get(share, 0)
    yield "equality", {"key": "band", "match": {"value": f"{share}"}}, low & (ranks >= inner * count)
    yield "prefix", {"key": "path", "match": {"prefix": f"{share}/"}}, low & (ranks >= inner * count)
    yield "and", {"must": [{"key": "rank", "range": {"lt": 2 * most}}, {"key": "half", "match": {"value": True}}]}, \
        (ranks < 2 * most) & (ranks % 2 == 0)
    yield "or", {"should": [{"key": "rank", "range": {"lt": most // 2}},
                            {"key": "price", "range": {"gte": (most // 2) / 7 - 1e-9, "lt": most / 7}}]}, low
    yield "not", {"must_not": [{"key": "rank", "range": {"gte": most}}]}, low


def fill(client, vectors, ranks):
    count = len(ranks)
    for start in range(0, count, 1000):
        answer = client.post(f"{PATH}/documents", {"documents": [
            {"id": f"d{i}", "text": f"text {i}", "vector": base64.b64encode(vectors[i].tobytes()).decode(),
             "metadata": metadata(int(ranks[i]), count)} for i in range(start, min(start + 1000, count))]})
        assert answer.status == 200, answer


def wait_for_graph(client):
    """Until nothing is built any more; a rest may stay without a graph."""
    quiet = 0
    while quiet < 4:
        index = client.get(PATH).json["index"]
        quiet = 0 if index["building"] else quiet + 1
        time.sleep(0.5)
    return f"{index['kind']}, {index['unlinked']} in no graph"


def search(client, vector, wanted):
    body = {"vector": base64.b64encode(vector.tobytes()).decode(), "top_k": TOP_K, "filter": wanted}
    start = time.perf_counter()
    answer = client.post(f"{PATH}/search", body)
    took = (time.perf_counter() - start) * 1000
    assert answer.status == 200, answer
    return [int(hit["id"][1:]) for hit in answer.json["results"]], took


def right_ones(vectors, query, rows):
    scores = vectors[rows] @ query
    best = numpy.argsort(-scores, kind="stable")[:TOP_K]
    return {int(rows[i]) for i in best}


def measure(client, vectors, queries, wanted, rows, touch):
    first, again, found, missing = [], [], 0, 0
    for _ in range(ROUNDS):
        touch()  # a change of the collection: what the filter selects is worked out anew
        first.append(search(client, queries[0], wanted)[1])
    for query in queries:
        hits, took = search(client, query, wanted)
        again.append(took)
        missing += min(TOP_K, len(rows)) - len(hits)
        found += len(right_ones(vectors, query, rows) & set(hits))
    return first, again, found / (len(queries) * min(TOP_K, len(rows))), missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--vectors", type=pathlib.Path)
    parser.add_argument("--realtime", action="store_true")
    arguments = parser.parse_args()
    os.environ["SBERTD_BIN"] = str(arguments.bin.resolve())
    from conftest import Daemon

    kind, vectors = load_vectors(arguments.vectors, arguments.count)
    vectors, queries = vectors[:arguments.count], vectors[arguments.count:]
    ranks = numpy.random.default_rng(2).permutation(arguments.count)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sbertd-"))
    daemon = Daemon(folder)
    try:
        client = daemon.client()
        assert client.put(PATH, {"dimension": 384, "fields": FIELDS}).status == 201
        fill(client, vectors, ranks)
        print(f"{arguments.count:,} documents, {kind} vectors of 384 dimensions, {wait_for_graph(client)}, "
              f"{os.cpu_count()} cores, {platform.machine()}; top {TOP_K}; milliseconds from request to answer")
        if arguments.realtime:
            subprocess.run(["chrt", "-a", "-f", "-p", "40", str(daemon.process.pid)], check=True)
            subprocess.run(["chrt", "-f", "-p", "41", str(os.getpid())], check=True)
        changes = itertools.count()

        def touch():
            answer = client.post(f"{PATH}/documents", {"documents": [
                {"id": "touched", "text": f"text {next(changes)}", "vector": [1] * 384,
                 "metadata": {"rank": 10 * arguments.count}}]})
            assert answer.status == 200, answer

        print(f"{'condition':18} {'selects':>8} {'first p50':>10} {'max':>7} {'again p50':>10} {'max':>7} {'recall':>7}")
        worst = [0, 0, 1, 0]
        for share in SHARES:
            for name, wanted, match in conditions(share, arguments.count):
                rows = numpy.flatnonzero(match[ranks])
                first, again, recall, missing = measure(client, vectors, queries, wanted, rows, touch)
                print(f"{name:18} {100 * len(rows) / arguments.count:7.2f}% {statistics.median(first):10.2f} {max(first):7.2f} "
                      f"{statistics.median(again):10.2f} {max(again):7.2f} {recall:7.4f}"
                      + (f"  {missing} results missing" if missing else ""))
                worst = [max(worst[0], statistics.median(first)), max(worst[1], statistics.median(again)),
                         min(worst[2], recall), worst[3] + missing]
        print(f"worst: first {worst[0]:.2f} ms, again {worst[1]:.2f} ms, recall {worst[2]:.4f}, "
              f"{worst[3]} results missing")
    finally:
        daemon.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
