"""A daemon of one's own, and what the evaluation asks of it over its socket."""

import base64
import http.client
import json
import pathlib
import socket
import subprocess
import sys
import time

import numpy

START_SECONDS = 120
ANSWER_SECONDS = 3600  # bulk work is nice: beside other programs it may take very long
BATCH = 250


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """`sbertd run` in a folder of its own."""

    def __init__(self, program, folder, model, precision):
        folder.mkdir()
        self.socket, self.log = folder / "s", folder / "log"
        self.process = subprocess.Popen(
            [program, "run", f"--socket={self.socket}", f"--data-dir={folder / 'data'}", f"--model={model}",
             f"--precision={precision}", f"--log-file={self.log}"], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                sys.exit(f"eval.py: sbertd --precision={precision} did not start:\n{self.tail()}")
            time.sleep(0.02)

    def healthy(self):
        try:
            return self.request("GET", "/health") is not None
        except (OSError, http.client.HTTPException, RuntimeError):
            return False

    def tail(self):
        return self.log.read_text(encoding="utf-8")[-1000:] if self.log.exists() else ""

    def request(self, method, path, body=None):
        connection = Connection(self.socket)
        try:
            while True:
                connection.request(method, path, None if body is None else json.dumps(body),
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                data = answer.read()
                if answer.status != 503 or path == "/health":
                    break
                time.sleep(float(answer.headers.get("Retry-After", 1)))
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data)

    def embed(self, texts):
        vectors = []
        for i in range(0, len(texts), BATCH):
            answer = self.request("POST", "/v1/embeddings", {"input": texts[i : i + BATCH], "encoding_format": "base64"})
            vectors += [numpy.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in answer["data"]]
        return numpy.array(vectors)

    def add(self, collection, documents):
        """Makes the collection of {id: text}; empty texts are no documents."""
        self.request("PUT", f"/v1/collections/{collection}", {})
        items = [{"id": key, "text": text} for key, text in documents.items() if text]
        for i in range(0, len(items), BATCH):
            self.request("POST", f"/v1/collections/{collection}/documents", {"documents": items[i : i + BATCH]})

    def index(self, collection):
        return self.request("GET", f"/v1/collections/{collection}")["index"]

    def search(self, collection, query, depth, exact):
        """[(id, score)], best first."""
        answer = self.request("POST", f"/v1/collections/{collection}/search",
                              {"query": query, "top_k": depth, "exact": exact})
        return [(result["id"], result["score"]) for result in answer["results"]]

    def job(self, collection, **options):
        """All entries of the result."""
        job = self.request("POST", f"/v1/collections/{collection}/jobs", options)
        while job["state"] in ("waiting", "running"):
            time.sleep(0.05)
            job = self.request("GET", f"/v1/jobs/{job['id']}")
        if job["state"] != "done":
            raise RuntimeError(f"job {options}: {job}")
        entries, after = [], 0
        while after is not None:
            page = self.request("GET", f"/v1/jobs/{job['id']}/result?limit=1000&after={after}")
            entries += page["results"]
            after = page["next"]
        self.request("DELETE", f"/v1/jobs/{job['id']}")
        return entries

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def start_all(options, folder):
    """{precision: daemon}"""
    daemons = {}
    try:
        for precision in options.precisions:
            daemons[precision] = Daemon(options.bin / "sbertd", pathlib.Path(folder) / precision, options.model, precision)
    except BaseException:
        stop_all(daemons)
        raise
    return daemons


def stop_all(daemons):
    for daemon in daemons.values():
        daemon.stop()
