#!/usr/bin/env python3
"""Times the encoder in each precision beside other encoders, and compares what they give.

    encode.py --ours PROGRAM --limit PROGRAM --data FOLDER [--peers LIST] [--parts LIST] ...

The parts, all of them unless --parts names some:

    speed    a sample of headlines, tokenizing included, and one short query by itself, beside the
             peers; each peer is a process of its own (peers.py) with the batch size that suits it
             best, and the rounds of all programs take turns
    quality  cosines of their vectors to f32, and Spearman's correlation on STS-B and SICK
    long     texts of 256 tokens         \\
    wide     a random model, 768 x 12     > ours alone, as a share of what the chip can do
    core     the sample, on one core     /

The chip's limit is what a bare loop of the product instruction does (PROGRAM of --limit): the linear
layers at the precision's rate, attention's products at that of f32. Prints Markdown tables with what
they were measured on; nothing fails for being slow. A peer that cannot run is named with its error.
"""

import argparse
import contextlib
import csv
import importlib.metadata
import json
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

QUERY = "paris is a beautiful city"
PRECISIONS = ("f32", "bf16", "int8")
PEERS = (
    "sentence-transformers/f32",
    "sentence-transformers/bf16",
    "onnxruntime/f32",
    "onnxruntime/int8",
    "openvino/f32",
    "openvino/bf16",
    "ctranslate2/int8",
)
PARTS = ("speed", "quality", "long", "wide", "core")
BATCH_SIZES = (32, 64, 128)
PROGRAM = "encode.py"


def warn(text):
    print(f"{PROGRAM}: {text}", file=sys.stderr)


# --- processes ---


class Failed(Exception):
    """A program that did not do what it was asked; says what it printed last."""


@contextlib.contextmanager
def precedence(process, arguments):
    """With --realtime, the process goes before all others meanwhile."""
    if not arguments.realtime:
        yield
        return
    change = ["chrt", "--all-tasks", "--pid"]
    subprocess.run([*change[:1], "--fifo", *change[1:], "50", str(process.pid)], check=True)
    try:
        yield
    finally:
        subprocess.run([*change[:1], "--other", *change[1:], "0", str(process.pid)], check=True)


class Peer:
    """A peer's process; see peers.py for what it can be asked."""

    def __init__(self, label, scratch, arguments):
        self.label = label
        self.name, self.precision = label.split("/")
        self.arguments = arguments
        self.errors = open(os.path.join(scratch, f"{self.name}-{self.precision}.log"), "w+")
        environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
        # numpy brings an OpenBLAS of its own, which these would misguide.
        for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(variable, None)
        script = pathlib.Path(__file__).with_name("peers.py")
        command = [sys.executable, script, self.name, self.precision, "--model", arguments.folder]
        command += ["--threads", str(arguments.threads), "--scratch", scratch]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )
        self.version = self.read()["ready"]
        self.rates = {}
        self.query_ms = []

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines() or ["nothing"]
            raise Failed(f"it said: {said[-1]}")
        return json.loads(line)

    def ask(self, timed=False, **request):
        with precedence(self.process, self.arguments) if timed else contextlib.nullcontext():
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            return self.read()

    def time_once(self, sample, count):
        """One round; the first tries all batch sizes and keeps the best of them."""
        for size in list(self.rates) or BATCH_SIZES:
            took = self.ask(timed=True, encode=sample, batch_size=size)["seconds"]
            self.rates[size] = max(self.rates.get(size, 0), count / took)
        best = max(self.rates, key=self.rates.get)
        self.rates = {best: self.rates[best]}
        self.query_ms.append(self.ask(timed=True, query=QUERY, count=200)["ms"])

    def vectors(self, lines, scratch):
        import numpy

        path = os.path.join(scratch, "vectors.npy")
        self.ask(timed=True, vectors=lines, to=path)
        vectors = numpy.load(path)
        # Those that were made of unit length in bfloat16 are so by that precision alone.
        return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def row(self):
        (size, rate), *_ = self.rates.items()
        return Row(f"{self.name} {self.version} (batch {size})", self.precision, rate, min(self.query_ms))


class Ours:
    """Our encoder in one precision: a process for each round."""

    def __init__(self, precision, arguments):
        self.precision = self.label = precision
        self.arguments = arguments
        self.best = None

    def run(self, lines, *options, model=None, threads=None, queries=200, cpus=None):
        command = [self.arguments.ours, f"--precision={self.precision}", f"--queries={queries}"]
        command += [f"--threads={threads or self.arguments.threads}", *options]
        command += [model or self.arguments.folder, lines]
        if self.arguments.realtime:
            command = ["chrt", "--fifo", "50", *command]
        if cpus:
            command = ["taskset", "--cpu-list", cpus, *command]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return json.loads(done.stdout)

    def time_once(self, sample, count):
        now = self.run(sample)
        if self.best:
            now["texts_per_second"] = max(now["texts_per_second"], self.best["texts_per_second"])
            now["query_ms"] = min(now["query_ms"], self.best["query_ms"])
        self.best = now

    def vectors(self, lines, scratch):
        import numpy

        path = os.path.join(scratch, "vectors.f32")
        said = self.run(lines, f"--output={path}", queries=1)
        return numpy.fromfile(path, dtype=numpy.float32).reshape(said["texts"], -1)

    def close(self):
        pass

    def row(self):
        label = f"ours ({self.best['backend']}, {self.best['isa']})"
        rate, query_ms = self.best["texts_per_second"], self.best["query_ms"]
        return Row(label, self.precision, rate, query_ms)


class Row:
    def __init__(self, label, precision, rate, query_ms):
        self.label, self.precision, self.rate, self.query_ms = label, precision, rate, query_ms
        self.quality = ["", "", "", ""]


# --- inputs ---


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return path


def headlines(arguments, count):
    path = os.path.join(arguments.data, "sentences", "headlines_en.txt")
    if not os.path.exists(path):
        raise SystemExit(f"{PROGRAM}: there is no {path}: name the test data by --data")
    with open(path, encoding="utf-8") as stream:
        lines = [line for line in stream.read().split("\n") if line]
    random.seed(7)
    return random.sample(lines, min(count, len(lines)))


def read_stsb(folder):
    with open(os.path.join(folder, "sts", "stsb-en-dev.csv"), encoding="utf-8", newline="") as stream:
        return [(a, b, float(score)) for a, b, score in csv.reader(stream)]


def read_sick(folder):
    pairs = []
    for name in ("SICK_train.txt", "SICK_trial.txt"):
        with open(os.path.join(folder, "nli", name), encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            pairs += [(r["sentence_A"], r["sentence_B"], float(r["relatedness_score"])) for r in rows]
    return pairs


def make_wide_model(folder, like):
    """A random model, 768 wide and 12 layers deep, with the tokenizer of another."""
    import numpy
    from safetensors.numpy import save_file

    hidden, inner, layers, positions = 768, 3072, 12, 512
    config = json.loads(pathlib.Path(like, "config.json").read_text(encoding="utf-8"))
    config.update(hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers)
    config.update(num_attention_heads=12, max_position_embeddings=positions)
    random_numbers = numpy.random.default_rng(7)

    def linear(name, rows, columns):
        numbers = random_numbers.standard_normal((rows, columns), dtype=numpy.float32)
        tensors[f"{name}.weight"] = numbers * numpy.float32(0.03)
        tensors[f"{name}.bias"] = numpy.zeros(rows, numpy.float32)

    def norm(name):
        tensors[f"{name}.weight"] = numpy.ones(hidden, numpy.float32)
        tensors[f"{name}.bias"] = numpy.zeros(hidden, numpy.float32)

    tensors = {}
    for name, rows in (("word", config["vocab_size"]), ("position", positions), ("token_type", 2)):
        numbers = random_numbers.standard_normal((rows, hidden), dtype=numpy.float32)
        tensors[f"embeddings.{name}_embeddings.weight"] = numbers * numpy.float32(0.03)
    norm("embeddings.LayerNorm")
    for i in range(layers):
        layer = f"encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}.attention.{part}", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, hidden)
        linear(f"{layer}.output.dense", hidden, inner)
        norm(f"{layer}.output.LayerNorm")
    unfinished = f"{folder}.{os.getpid()}.unfinished"
    os.makedirs(unfinished)
    save_file(tensors, os.path.join(unfinished, "model.safetensors"))
    pathlib.Path(unfinished, "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "sentence_bert_config.json"):
        if os.path.exists(os.path.join(like, name)):
            shutil.copy(os.path.join(like, name), unfinished)
    os.rename(unfinished, folder)


# --- the chip's limit ---


class Limit:
    """What the chip can do, and how long it would need at least for what a model does."""

    def __init__(self, arguments):
        done = subprocess.run(
            [arguments.limit, str(arguments.threads)], stdout=subprocess.PIPE, check=True, text=True
        )
        self.loops = json.loads(done.stdout)  # "bf16 avx512": 10^9 operations a second and core

    def rate(self, precision):
        return max([r for name, r in self.loops.items() if name.startswith(precision)], default=0)

    def share(self, precision, said, cores):
        """The part of the limit that a run of ours reached, or None."""
        config = json.loads(pathlib.Path(said["folder"], "config.json").read_text(encoding="utf-8"))
        hidden, layers = config["hidden_size"], config["num_hidden_layers"]
        each = 2 * layers * (4 * hidden**2 + 2 * hidden * config["intermediate_size"])
        attention = 4 * layers * hidden * said["tokens_squared"]
        if not self.rate(precision) or not self.rate("f32"):
            return None
        least = said["tokens"] * each / self.rate(precision) + attention / self.rate("f32")
        return said["texts_per_second"] / said["texts"] * 1e-9 * least / cores


# --- parts ---


def as_share(share):
    return "" if share is None else f"{100 * share:.0f}%"


def start_all(scratch, arguments):
    programs = [Ours(precision, arguments) for precision in arguments.precisions]
    for label in arguments.peers:
        try:
            programs.append(Peer(label, scratch, arguments))
        except Failed as problem:
            warn(f"{label} cannot run: {problem}")
    return programs


def attempt(programs, what):
    """what(program) for each; one that fails is named and left out from then on."""
    for program in list(programs):
        try:
            what(program)
        except Failed as problem:
            warn(f"{program.label} failed: {problem}")
            programs.remove(program)
        if isinstance(program, Peer):
            time.sleep(program.arguments.rest)


def correlation(vectors, pairs):
    from scipy.stats import spearmanr

    half = len(pairs)
    cosines = (vectors[:half] * vectors[half:]).sum(1)
    return 100 * spearmanr(cosines, [score for _, _, score in pairs]).statistic


def measure_quality(programs, sample, scratch, arguments):
    """For each program: mean and smallest cosine to f32, and Spearman on each set of pairs."""
    sets = [read(arguments.data)[: arguments.pairs] for read in (read_stsb, read_sick)]
    files = []
    for i, pairs in enumerate(sets):
        texts = [" ".join(a.split()) for a, _, _ in pairs] + [" ".join(b.split()) for _, b, _ in pairs]
        files.append(write_lines(os.path.join(scratch, f"pairs-{i}.txt"), texts))
    reference = next((p for p in programs if p.label == "sentence-transformers/f32"), programs[0])
    wanted = reference.vectors(sample, scratch)

    def measure(program):
        cosines = (program.vectors(sample, scratch) * wanted).sum(1)
        scores = [correlation(program.vectors(f, scratch), pairs) for f, pairs in zip(files, sets)]
        program.quality = [f"{cosines.mean():.6f}", f"{cosines.min():.5f}"]
        program.quality += [f"{score:.2f}" for score in scores]

    attempt(programs, measure)


def print_beside_peers(programs, arguments):
    rows = []
    for program in programs:
        row = program.row()
        row.quality = getattr(program, "quality", row.quality)
        rows.append(row)
    ours = {row.precision: row for row in rows if row.label.startswith("ours")}
    print("| program | precision | texts/s | ours: times | one query, ms | ours: times "
          "| mean cosine | smallest | STS-B dev | SICK |")
    print("|" + " --- |" * 10)
    for row in rows:
        mine = ours.get(row.precision)
        times = ["", ""]
        if mine and mine is not row:
            times = [f"{mine.rate / row.rate:.2f}", f"{row.query_ms / mine.query_ms:.2f}"]
        cells = [row.label, row.precision, f"{row.rate:.0f}", times[0], f"{row.query_ms:.2f}", times[1]]
        print("| " + " | ".join(cells + row.quality) + " |")
    print()
    for precision, mine in ours.items():
        peers = [row for row in rows if row.precision == precision and row is not mine]
        if peers:
            best = max(peers, key=lambda row: row.rate)
            print(f"- {precision}: {mine.rate / best.rate:.2f} times the best peer, {best.label}")


def print_shares(title, runs, limit, cores):
    """A table of runs of ours: (precision, what bench_encode said)."""
    print(f"\n{title}\n\n| precision | texts/s | tokens/s | of the chip's limit |\n|" + " --- |" * 4)
    for precision, said in runs:
        tokens = said["texts_per_second"] * said["tokens"] / said["texts"]
        share = as_share(limit.share(precision, said, cores))
        print(f"| {precision} | {said['texts_per_second']:.0f} | {tokens:.0f} | {share} |")


def best_runs(lines, arguments, **how):
    """The best of the rounds in each precision, taking turns."""
    best = {}
    for _ in range(arguments.rounds):
        for precision in arguments.precisions:
            try:
                said = Ours(precision, arguments).run(lines, queries=1, **how)
            except Failed as problem:
                warn(f"{precision}: {problem}")
                continue
            if said["texts_per_second"] > best.get(precision, said)["texts_per_second"] or (
                precision not in best
            ):
                best[precision] = said
            time.sleep(arguments.rest)
    return list(best.items())


def run_beside_peers(sample, limit, scratch, arguments):
    programs = start_all(scratch, arguments)
    try:
        count = len(pathlib.Path(sample).read_text(encoding="utf-8").split("\n")) - 1
        for _ in range(arguments.rounds if "speed" in arguments.parts else 1):
            attempt(programs, lambda program: program.time_once(sample, count))
        if "quality" in arguments.parts:
            measure_quality(programs, sample, scratch, arguments)
        print_beside_peers(programs, arguments)
        runs = [(p.precision, p.best) for p in programs if isinstance(p, Ours)]
        print_shares("The same, of the chip's limit:", runs, limit, arguments.threads)
    finally:
        for program in programs:
            program.close()


def run_alone(sample, limit, scratch, arguments):
    if "core" in arguments.parts:
        cpus = str(max(os.sched_getaffinity(0)))
        runs = best_runs(sample, arguments, threads=1, cpus=cpus)
        print_shares("One core alone:", runs, limit, 1)
    if "long" in arguments.parts:
        words = " ".join(headlines(arguments, 10**6)).split()
        pieces = [" ".join(words[i : i + 250]) for i in range(0, 250 * arguments.count // 16, 250)]
        path = write_lines(os.path.join(scratch, "long.txt"), pieces)
        runs = best_runs(path, arguments)
        print_shares("Texts of 256 tokens:", runs, limit, arguments.threads)
    if "wide" in arguments.parts:
        folder = os.path.join(arguments.cache, "bench-768x12")
        if not os.path.exists(folder):
            make_wide_model(folder, arguments.folder)
        lines = headlines(arguments, arguments.count // 8)
        path = write_lines(os.path.join(scratch, "fewer.txt"), lines)
        runs = best_runs(path, arguments, model=folder)
        print_shares("A random model, 768 wide and 12 layers deep:", runs, limit, arguments.threads)


# --- putting it together ---


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def version(package):
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {package}"


def print_conditions(sample, limit, arguments):
    print(f"{cpu_model()}, {arguments.threads} threads, {platform.platform()}")
    print(f"load {os.getloadavg()[0]:.1f}{', at a real-time priority' if arguments.realtime else ''}; "
          f"{version('torch')}, {version('transformers')}")
    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in limit.loops.items())
    print(f"bare loops, 10^9 operations/s a core: {rates}")
    print(f"{arguments.count} headlines, {arguments.rounds} rounds\n")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = lambda known: lambda text: [name for name in text.split(",") if name]
    parser.add_argument("--ours", required=True, help="the program bench_encode")
    parser.add_argument("--limit", required=True, help="the program bench_limit")
    parser.add_argument("--data", required=True, help="the folder of the test data")
    parser.add_argument("--cache", required=True, help="a folder for a model made here")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="the model's name or folder")
    parser.add_argument("--count", type=int, default=10000, help="how many headlines")
    parser.add_argument("--pairs", type=int, help="of each set, for Spearman (all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help=",".join(PEERS))
    parser.add_argument("--parts", type=names(PARTS), default=list(PARTS), help=",".join(PARTS))
    parser.add_argument("--precisions", type=names(PRECISIONS), default=list(PRECISIONS))
    parser.add_argument("--realtime", action="store_true", help="measure at a real-time priority")
    parser.add_argument("--rest", type=float, default=0, help="seconds between measurements")
    arguments = parser.parse_args()
    for option, known in (("peers", PEERS), ("parts", PARTS), ("precisions", PRECISIONS)):
        for name in getattr(arguments, option):
            if name not in known:
                parser.error(f"--{option}: there is no {name}: {', '.join(known)} are known")
    return arguments


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="sbertd-bench-") as scratch:
        sample = write_lines(
            os.path.join(scratch, "sample.txt"), headlines(arguments, arguments.count)
        )
        one = write_lines(os.path.join(scratch, "one.txt"), [QUERY])
        arguments.folder = arguments.model
        try:
            arguments.folder = Ours("f32", arguments).run(one, queries=1)["folder"]
        except Failed as problem:
            raise SystemExit(f"{PROGRAM}: {problem}")
        limit = Limit(arguments)
        print_conditions(sample, limit, arguments)
        if {"speed", "quality"} & set(arguments.parts):
            run_beside_peers(sample, limit, scratch, arguments)
        run_alone(sample, limit, scratch, arguments)


if __name__ == "__main__":
    main()
