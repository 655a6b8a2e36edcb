"""Times the service with many documents whose vectors are given, so that encoding does not hide the rest.

    tests/bench/service_scale.py --bin build/bin --load build/release/bench/daemon/bench_load \\
        --lines FILE --vectors FOLDER --documents 1000000 [--index-precision int8] [--precision int8]

The vectors are those that bench-index has made and kept (part-*.npy); where they are too few they are
used again, each time turned by an exchange of components, which keeps the distances among them. They
go in and are asked for through the daemon's API, as base64; its own time is what counts, not that of
making requests. The daemon has a folder of its own. Every figure is of this run.
"""

import argparse
import base64
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

BATCH = 5000  # documents of a request while filling
ADDED = 1000  # and while searches are timed
COLLECTION = "scale"


class Vectors:
    """The rows of the parts, one after the other, as bytes."""

    def __init__(self, folder):
        self.parts = [self.read(path) for path in sorted(pathlib.Path(folder).glob("part-*.npy"))]
        self.queries = self.read(pathlib.Path(folder) / "queries.npy")
        self.count = sum(len(part) // self.row for part in self.parts)
        if not self.count:
            sys.exit(f"there are no vectors in {folder}: make bench-index makes them")

    def read(self, path):
        data = path.read_bytes()
        size = int.from_bytes(data[8:10], "little")
        header = eval(data[10:10 + size], {})  # a literal that numpy wrote  # pylint: disable=eval-used
        assert header["descr"] == "<f4" and not header["fortran_order"], path
        self.dimension = header["shape"][1]
        self.row = 4 * self.dimension
        return memoryview(data)[10 + size:]

    def document(self, i):
        turn, place = divmod(i, self.count)
        per_part = len(self.parts[0]) // self.row
        part, row = divmod(place, per_part)
        vector = self.parts[part][row * self.row:(row + 1) * self.row]
        cut = 4 * (turn % self.dimension)
        return bytes(vector[cut:]) + bytes(vector[:cut])

    def query(self, i):
        i %= len(self.queries) // self.row
        return bytes(self.queries[i * self.row:(i + 1) * self.row])


def encoded(vector):
    return base64.b64encode(vector).decode()


def add_body(vectors, lines, first, count):
    """A request to add documents first, first + 1, ..."""
    documents = [{"id": str(i), "text": f"{lines[i % len(lines)]} ({i})",
                  "vector": encoded(vectors.document(i))} for i in range(first, first + count)]
    return json.dumps({"documents": documents}).encode()


def add(client, body, count):
    """The seconds that the daemon took."""
    start = time.perf_counter()
    answer = client.post(f"/v1/collections/{COLLECTION}/documents", body,
                         Content_Type="application/json")
    took = time.perf_counter() - start
    assert answer.status == 200 and answer.json["added"] == count, answer
    return took


def anonymous(pid):
    """Bytes of memory that are the process's own, and its peak of resident memory."""
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return int(status["RssAnon"].split()[0]) * 1024, int(status["VmHWM"].split()[0]) * 1024


class Adder(threading.Thread):
    """Adds more documents, by requests made beforehand, until told to stop or there are none left."""

    def __init__(self, bench, count):
        super().__init__()
        first = bench.arguments.documents
        self.bodies = [add_body(bench.vectors, bench.lines, i, ADDED)
                       for i in range(first, first + count, ADDED)]
        self.client, self.stopping, self.added, self.took = bench.daemon.client(), False, 0, 0

    def run(self):
        for body in self.bodies:
            if self.stopping:
                return
            self.took += add(self.client, body, ADDED)
            self.added += ADDED
        print("(the add ended before the questions did)")

    def finish(self):
        self.stopping = True
        self.join()
        print(f"the add beside it         {self.added / self.took:.0f} vectors/s", flush=True)


class Bench:
    def __init__(self, arguments, daemon, vectors, lines, folder):
        self.arguments, self.daemon, self.vectors, self.lines = arguments, daemon, vectors, lines
        self.bodies = folder / "bodies"
        self.bodies.write_text("".join(
            json.dumps({"vector": encoded(vectors.query(i))}) + "\n" for i in range(2000)))

    def ask(self, label, lines, *options):
        command = [self.arguments.load, self.daemon.socket, lines, "--route=search",
                   f"--collection={COLLECTION}", f"--seconds={self.arguments.seconds}", *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        print(f"{label:26}{done.stdout.splitlines()[0]}", flush=True)

    def ask_all(self, when):
        for clients in (1, 8):
            self.ask(f"{when}, by vector", self.bodies, "--bodies", f"--clients={clients}")
            self.ask(f"{when}, by text", self.arguments.lines, f"--clients={clients}")

    def ask_seldom(self, when):
        """One question every 20 ms: what a person would feel."""
        self.ask(f"{when}, by vector", self.bodies, "--bodies", "--clients=1", "--pause=20")
        self.ask(f"{when}, by text", self.arguments.lines, "--clients=1", "--pause=20")

    def index(self):
        return self.daemon.client().get(f"/v1/collections/{COLLECTION}").json["index"]

    def wait_for_graphs(self):
        start = time.perf_counter()
        while (index := self.index())["kind"] == "hnsw" and index.get("building"):
            time.sleep(0.2)
        return time.perf_counter() - start, index


def fill(bench, client, count):
    took, start = 0, time.perf_counter()
    for first in range(0, count, BATCH):
        batch = min(BATCH, count - first)
        took += add(client, add_body(bench.vectors, bench.lines, first, batch), batch)
    print(f"adds                      {count / took:.0f} vectors/s in the daemon; "
          f"{count / (time.perf_counter() - start):.0f} with making the requests", flush=True)


def ask_beside_a_job(bench, client):
    """The same questions while all pairs are compared, which takes the processors that they leave."""
    job = client.post(f"/v1/collections/{COLLECTION}/jobs", {"kind": "pairs", "top": 100}).json["id"]
    while client.get(f"/v1/jobs/{job}").json["state"] == "waiting":
        time.sleep(0.05)
    bench.ask_seldom("beside a job")
    state = client.get(f"/v1/jobs/{job}").json
    print(f"the job beside it         {state['state']}, {state.get('progress', {})}", flush=True)
    client.delete(f"/v1/jobs/{job}")


def restart(bench, make):
    """Stops the daemon and starts another on the same folder, the files still in the page cache."""
    start = time.perf_counter()
    bench.daemon.stop()
    stopped = time.perf_counter()
    bench.daemon = make()
    print(f"stop, with its snapshot   {stopped - start:7.2f} s\n"
          f"start, warm               {time.perf_counter() - stopped:7.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--load", type=pathlib.Path, required=True)
    parser.add_argument("--lines", type=pathlib.Path, required=True)
    parser.add_argument("--vectors", type=pathlib.Path, required=True)
    parser.add_argument("--documents", type=int, default=1000000)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--index-precision", default="f32")
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    os.environ["SBERTD_BIN"] = str(arguments.bin.resolve())
    from conftest import Daemon

    vectors = Vectors(arguments.vectors)
    lines = [line for line in arguments.lines.read_text().splitlines() if line.strip()]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sbertd-bench-"))
    options = (f"--precision={arguments.precision}",
               f"--index-precision={arguments.index_precision}")
    make = lambda: Daemon(folder, *options, model=arguments.model)
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}; "
          f"{arguments.documents} documents, {vectors.count} vectors on disk, index in "
          f"{arguments.index_precision}, encoder in {arguments.precision}", flush=True)
    bench = Bench(arguments, make(), vectors, lines, folder)
    try:
        client = bench.daemon.client()
        assert client.put(f"/v1/collections/{COLLECTION}", {"model": arguments.model}).status == 201
        before, _ = anonymous(bench.daemon.process.pid)
        fill(bench, client, arguments.documents)
        bench.ask_seldom("graph growing")
        waited, index = bench.wait_for_graphs()
        after, peak = anonymous(bench.daemon.process.pid)
        print(f"graphs done after         {waited:7.2f} s more; {index}\n"
              f"memory of a document      {(after - before) / arguments.documents:.0f} bytes; "
              f"peak of all {peak / 2**20:.0f} MiB", flush=True)
        bench.ask_all("at rest")
        bench.ask_seldom("at rest")
        ask_beside_a_job(bench, client)
        adder = Adder(bench, int(arguments.seconds * 60) * ADDED)
        adder.start()
        bench.ask_seldom("during an add")
        adder.finish()
        restart(bench, make)
        bench.ask("after it, by text", arguments.lines, "--clients=1", "--pause=20")
    finally:
        bench.daemon.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
