"""Times our index beside faiss, hnswlib, usearch and pgvector on the same vectors of real text.

    tests/bench/index.py --ours build/.../bench_index --encode build/bin/sbert-encode \
        --data ../shared/data --folder CACHE [--sizes 10000,100000] [--threads 2] [--peers NAME,...]

Each library runs in a process of its own, one after the other, on the vectors that index/corpus.py
made. A graph's queue is the shortest of a few at which recall@10 reaches 0.99 (ours: its default).
Peers are called from Python, which costs them some 10 to 30 microseconds a query, and search on one
thread a client; our exact scan is on all. What is missing is reported, and so is the machine's load,
since timings beside other work are noisy. A peer that takes longer than --limit seconds is ended.
"""

import argparse
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "index"))
from corpus import Corpus, PART  # noqa: E402

TOP_K = 10
WANTED_RECALL = 0.99
QUEUES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
ONE_CLIENT, EIGHT_CLIENTS = 1000, 4000


def load(folder, count):
    parts = [np.load(f"{folder}/part-{part:03}.npy", mmap_mode="r")
             for part in range((count + PART - 1) // PART)]
    return (np.concatenate(parts)[:count], np.ascontiguousarray(np.load(f"{folder}/queries.npy")),
            np.load(f"{folder}/truth-{count}.npy"))


def find_truth(folder, count):
    """The 10 nearest of each query by comparing all in f32, ids counted from 1; kept."""
    path = pathlib.Path(folder) / f"truth-{count}.npy"
    if path.exists():
        return
    queries = np.load(f"{folder}/queries.npy")
    scores = np.empty((len(queries), 0), np.float32)
    ids = np.empty((len(queries), 0), np.int64)
    for part in range((count + PART - 1) // PART):
        vectors = np.load(f"{folder}/part-{part:03}.npy")[:count - part * PART]
        found = queries @ vectors.T
        near = np.argpartition(-found, 2 * TOP_K, axis=1)[:, :2 * TOP_K]
        scores = np.concatenate([scores, np.take_along_axis(found, near, 1)], axis=1)
        ids = np.concatenate([ids, near + part * PART + 1], axis=1)
        best = np.lexsort((ids, -scores), axis=1)[:, :TOP_K]
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    np.save(path, ids)


def resident():
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


# --- peers: each gives an object with build(vectors), set_queue(ef) and search(query) -> positions ---

class FaissFlat:
    def __init__(self, threads):
        import faiss
        self.faiss, self.threads = faiss, threads

    def build(self, vectors):
        self.index = self.faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)
        self.faiss.omp_set_num_threads(1)

    def search(self, query):
        return self.index.search(query[None], TOP_K)[1][0]


class FaissHnsw(FaissFlat):
    def build(self, vectors):
        self.faiss.omp_set_num_threads(self.threads)
        self.index = self.faiss.IndexHNSWFlat(vectors.shape[1], 32, self.faiss.METRIC_INNER_PRODUCT)
        self.index.add(vectors)
        self.faiss.omp_set_num_threads(1)

    def set_queue(self, length):
        self.index.hnsw.efSearch = length


class FaissSq8(FaissFlat):
    def build(self, vectors):
        self.faiss.omp_set_num_threads(self.threads)
        self.index = self.faiss.IndexScalarQuantizer(
            vectors.shape[1], self.faiss.ScalarQuantizer.QT_8bit, self.faiss.METRIC_INNER_PRODUCT)
        self.index.train(vectors[:100000])
        self.index.add(vectors)
        self.faiss.omp_set_num_threads(1)


class Hnswlib:
    def __init__(self, threads):
        import hnswlib
        self.hnswlib, self.threads = hnswlib, threads

    def build(self, vectors):
        self.index = self.hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), ef_construction=100, M=16)
        self.index.add_items(vectors, num_threads=self.threads)

    def set_queue(self, length):
        self.index.set_ef(length)

    def search(self, query):
        return self.index.knn_query(query, TOP_K, num_threads=1)[0][0]


class Usearch:
    def __init__(self, threads):
        from usearch.index import Index
        self.Index, self.threads = Index, threads

    def build(self, vectors):
        self.index = self.Index(ndim=vectors.shape[1], metric="ip", dtype="bf16", connectivity=16,
                                expansion_add=128)
        self.index.add(np.arange(len(vectors)), np.ascontiguousarray(vectors),
                       threads=self.threads)

    def set_queue(self, length):
        self.index.expansion_search = length

    def search(self, query):
        return self.index.search(query, TOP_K, threads=1).keys


class Pgvector:
    most = 100000  # vectors: its build takes about a minute for each 10,000 on two threads

    def __init__(self, threads):
        import pgserver
        import psycopg2
        import tempfile
        self.psycopg2, self.threads, self.local = psycopg2, threads, threading.local()
        self.folder = tempfile.TemporaryDirectory()
        self.server = pgserver.get_server(self.folder.name)
        self.queue = QUEUES[0]

    def connection(self):
        if not hasattr(self.local, "cursor"):
            connection = self.psycopg2.connect(self.server.get_uri())
            connection.autocommit = True
            self.local.cursor, self.local.queue = connection.cursor(), None
        return self.local

    def build(self, vectors):
        import io
        cursor = self.connection().cursor
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute(f"CREATE UNLOGGED TABLE v (id int, e vector({vectors.shape[1]}))")
        for first in range(0, len(vectors), 5000):
            rows = "".join(f"{first + i}\t[{','.join(map(str, v))}]\n"
                           for i, v in enumerate(vectors[first:first + 5000].tolist()))
            cursor.copy_from(io.StringIO(rows), "v")
        cursor.execute("SET maintenance_work_mem = '2GB'")
        cursor.execute(f"SET max_parallel_maintenance_workers = {self.threads - 1}")
        cursor.execute("CREATE INDEX ON v USING hnsw (e vector_ip_ops) WITH (m = 16, ef_construction = 100)")

    def bytes(self):
        cursor = self.connection().cursor
        cursor.execute("SELECT pg_total_relation_size('v')")
        return cursor.fetchone()[0]

    def set_queue(self, length):
        self.queue = length

    def search(self, query):
        local = self.connection()
        if local.queue != self.queue:
            local.cursor.execute(f"SET hnsw.ef_search = {self.queue}")
            local.queue = self.queue
        local.cursor.execute("SELECT id FROM v ORDER BY e <#> %s LIMIT 10",
                             ("[" + ",".join(map(str, query.tolist())) + "]",))
        return [row[0] for row in local.cursor.fetchall()]


PEERS = {"faiss exact": FaissFlat, "faiss SQ8": FaissSq8, "faiss HNSW32": FaissHnsw,
         "hnswlib": Hnswlib, "usearch bf16": Usearch, "pgvector": Pgvector}


def recall(peer, queries, truth, count=500):
    hits = sum(len(set(np.asarray(peer.search(queries[q])) + 1) & set(truth[q]))
               for q in range(count))
    return hits / count / TOP_K


def clients(peer, queries, number, total):
    times = [[] for _ in range(number)]

    def run(client):
        for i in range(total // number):
            query = queries[(client * (total // number) + i) % len(queries)]
            start = time.perf_counter()
            peer.search(query)
            times[client].append(time.perf_counter() - start)

    threads = [threading.Thread(target=run, args=(c,)) for c in range(number)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    every = sorted(t for client in times for t in client)
    return {"p50_ms": every[len(every) // 2] * 1e3, "p99_ms": every[len(every) * 99 // 100] * 1e3,
            "a_second": len(every) / took}


def run_peer(name, folder, count, threads):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped too
    vectors, queries, truth = load(folder, count)
    peer = PEERS[name](threads)
    before, start = resident(), time.perf_counter()
    peer.build(vectors)
    result = {"build_seconds": time.perf_counter() - start}
    held = peer.bytes() if hasattr(peer, "bytes") else resident() - before
    result["rss_bytes_each"] = held / count
    is_scan = not hasattr(peer, "set_queue")
    for ef in (None,) if is_scan else QUEUES:
        if ef:
            result["ef"] = ef
            peer.set_queue(ef)
        result["recall"] = recall(peer, queries, truth, 100 if is_scan else 500)
        if result["recall"] >= WANTED_RECALL:
            break
    result["one_client"] = clients(peer, queries, 1, 100 if is_scan else ONE_CLIENT)
    result["eight_clients"] = clients(peer, queries, 8, 80 if is_scan else EIGHT_CLIENTS)
    print(json.dumps(result))


# --- the report ---

HEADINGS = ("build, s", "bytes each", "1 client: p50, p99 ms", "8 clients: p50, p99 ms",
            "a second", "recall@10")


def line(name, result):
    if "error" in result:
        print(f"| {name} | {result['error']} |" + " |" * (len(HEADINGS) - 1), flush=True)
        return
    one, eight = result["one_client"], result["eight_clients"]
    name += f", queue {result['ef']}" if "ef" in result else ""
    print(f"| {name} | {result['build_seconds']:.1f} | {result['rss_bytes_each']:.0f} "
          f"| {one['p50_ms']:.3f}, {one['p99_ms']:.3f} | {eight['p50_ms']:.3f}, {eight['p99_ms']:.3f} "
          f"| {eight['a_second']:.0f} | {result.get('recall', one.get('recall', 0)):.4f} |", flush=True)


def details(precision, result):
    """What is ours alone: one paragraph."""
    exact, seconds = result["exact"], result["build_seconds"]
    text = (f"{precision}: {result['add_a_second']:.0f} adds a second; {result['graphs']} graphs, at "
            f"most {result['peak_rss_bytes_each'] / result['rss_bytes_each']:.2f} times the memory while "
            f"they are built in {seconds:.0f} s; exact {exact['p50_ms']:.2f} ms, p99 "
            f"{exact['p99_ms']:.2f}, recall {exact['recall']:.4f}: {exact['gb_s']:.1f} GB/s, "
            f"{100 * exact['gb_s'] / exact['stream_gb_s']:.0f}% of a summing loop's "
            f"{exact['stream_gb_s']:.1f}; saved in {result['save_seconds']:.2f} s, loaded in "
            f"{result['load_seconds']:.2f} s with at most {result['load_peak_share']:.2f} times the "
            f"memory; {result['dropped_mib']:.1f} MiB left once it was dropped")
    filters = [f"{100 * float(key[7:]):g}%: {value['first_ms']:.2f}, {value['p50_ms']:.3f}, "
               f"{value['recall']:.4f}" for key, value in result.items() if key.startswith("filter_")]
    if filters:
        text += "; filters (first, p50 ms, recall): " + "; ".join(filters)
    if "churn" in result:
        churn, halved = result["churn"], result["halved"]
        text += (f"; after {churn['rounds']} rounds of deleting and adding half in "
                 f"{churn['seconds']:.0f} s: recall {result['after_churn']['recall']:.4f}, "
                 f"{churn['rss_share']:.2f} times the memory, at most {churn['peak_rss_share']:.2f}; "
                 f"half deleted: {halved['rss_share']:.2f} times, at most {halved['peak_rss_share']:.2f}")
    return text + "."


def child(arguments, limit):
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        try:
            out, problem = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate()
            return {"error": f"ended after {limit} s"}
    try:
        return json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        said = (problem.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        return {"error": f"left out: {said[:120]}"}


def report(options, corpus, count):
    print(f"\n{corpus.describe(count)}; load {os.getloadavg()[0]:.1f}\n")
    print("| " + " | ".join((f"{count:,} documents", *HEADINGS)) + " |")
    print("| --- " * (1 + len(HEADINGS)) + "|")
    texts = []
    for precision in options.ours_precisions.split(","):
        result = child([options.ours, options.folder, str(count), f"precision={precision}",
                        f"threads={options.threads}", "select=1", f"churn={options.churn}"],
                       options.limit)
        line(f"ours {precision}", result)
        if "error" not in result:
            texts.append(details(precision, result))
    for name in filter(None, options.peers.split(",")):
        if count > getattr(PEERS[name], "most", count):
            line(name, {"error": f"left out above {PEERS[name].most:,}"})
            continue
        line(name, child([sys.executable, __file__, "--run", name, "--folder", options.folder,
                          "--sizes", str(count), "--threads", str(options.threads)], options.limit))
    print("\n" + "\n\n".join(textwrap.fill(text, 100) for text in texts), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours")
    parser.add_argument("--encode")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--ours-precisions", default="f32,f16,int8")
    parser.add_argument("--churn", type=int, default=0, help="rounds")
    parser.add_argument("--limit", type=int, default=900, help="seconds for each library")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.replace("k", "000").replace("m", "000000").split(",")]
    if options.run:
        run_peer(options.run, options.folder, sizes[0], options.threads)
        return
    corpus = Corpus(options.encode, options.data, options.folder)
    corpus.make(max(sizes))
    model = next((text.split(":", 1)[1].strip() for text in open("/proc/cpuinfo", encoding="ascii")
                  if text.startswith("model name")), platform.machine())
    print(f"{model}, {options.threads} threads to build; recall@{TOP_K} against comparing all in f32")
    for size in sizes:
        find_truth(options.folder, size)
        report(options, corpus, size)


if __name__ == "__main__":
    main()
