#!/usr/bin/env python3
"""Times the encoder beside sentence-transformers, onnxruntime and OpenVINO, all in f32.

    encode.py --ours PROGRAM --lines FILE [--model NAME|FOLDER] [--count N] [--threads N]

The same sample of lines goes through each, tokenizing included, in batches sorted by length, of the
size that suits the program best; the best of the rounds counts. Then one short query, by itself:
the median of many. Every peer is a process of its own, so that none inherits another's threads, and
must first give the vectors of sentence-transformers. Ours runs before and after the peers, and the
worse of the two counts. Prints a table in Markdown with what it ran on.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time

QUERY = "paris is a beautiful city"
BATCH_SIZES = (32, 64, 128)
PEERS = ("sentence-transformers", "onnxruntime", "openvino")


def sample(path, count):
    with open(path, encoding="utf-8") as stream:
        lines = [line for line in stream.read().split("\n") if line]
    random.seed(7)
    return random.sample(lines, min(count, len(lines)))


# --- peers: each gives encode(texts, batch_size) -> vectors ---


def load_sentence_transformers(folder, threads):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    return lambda texts, batch_size: model.encode(
        texts, batch_size=batch_size, show_progress_bar=False, normalize_embeddings=True
    )


def export_graph(folder, path):
    """The transformer as an ONNX graph, exported from PyTorch."""
    import torch
    from transformers import AutoModel

    class HiddenStates(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones(2, 8, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "tokens"} for name in names + ["hidden"]}
    torch.onnx.export(
        HiddenStates(),
        (ids, ids, torch.zeros_like(ids)),
        path,
        input_names=names,
        output_names=["hidden"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )


def batched(folder, run):
    """encode() over a function from ids, mask and types to hidden states."""
    import numpy
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "sentence_bert_config.json"), encoding="utf-8") as stream:
        tokenizer.enable_truncation(json.load(stream)["max_seq_length"])
    tokenizer.no_padding()

    def encode(texts, batch_size):
        all_ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda i: -len(all_ids[i]))
        vectors = None
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            ids = numpy.zeros((len(chosen), len(all_ids[chosen[0]])), dtype=numpy.int64)
            mask = numpy.zeros_like(ids)
            for row, i in enumerate(chosen):
                ids[row, : len(all_ids[i])] = all_ids[i]
                mask[row, : len(all_ids[i])] = 1
            hidden = run(ids, mask, numpy.zeros_like(ids))
            weights = mask[:, :, None].astype(numpy.float32)
            pooled = (hidden * weights).sum(1) / weights.sum(1)
            pooled /= numpy.linalg.norm(pooled, axis=1, keepdims=True)
            if vectors is None:
                vectors = numpy.empty((len(texts), pooled.shape[1]), numpy.float32)
            vectors[chosen] = pooled
        return vectors

    return encode


def load_onnxruntime(folder, threads):
    import onnxruntime
    from onnxruntime.transformers import optimizer

    with tempfile.TemporaryDirectory() as scratch:
        plain, fused = os.path.join(scratch, "plain.onnx"), os.path.join(scratch, "fused.onnx")
        export_graph(folder, plain)
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
            config = json.load(stream)
        optimizer.optimize_model(
            plain,
            model_type="bert",
            num_heads=config["num_attention_heads"],
            hidden_size=config["hidden_size"],
        ).save_model_to_file(fused)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(fused, options, ["CPUExecutionProvider"])

    def run(ids, mask, types):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        return session.run(None, feed)[0]

    return batched(folder, run)


def load_openvino(folder, threads):
    import openvino

    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "plain.onnx")
        export_graph(folder, path)
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        compiled = core.compile_model(core.read_model(path), "CPU", settings)
    request = compiled.create_infer_request()

    def run(ids, mask, types):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        return request.infer(feed)[compiled.output(0)]

    return batched(folder, run)


LOADERS = {
    "sentence-transformers": load_sentence_transformers,
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
}


def check_vectors(encode, arguments, texts):
    """A peer that computes something else would be no peer."""
    reference = load_sentence_transformers(arguments.model, arguments.threads)
    cosines = (encode(texts, 32) * reference(texts, 32)).sum(1)
    if cosines.min() < 0.9999:
        raise SystemExit(f"encode.py: vectors are wrong: a cosine of {cosines.min():.5f}")


def time_peer(name, arguments):
    """Runs in a process of its own and prints one JSON object."""
    encode = LOADERS[name](arguments.model, arguments.threads)
    texts = sample(arguments.lines, arguments.count)
    check_vectors(encode, arguments, texts[:64])
    best = {}
    for batch_size in BATCH_SIZES:
        encode(texts[:200], batch_size)
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            encode(texts, batch_size)
            took = time.perf_counter() - start
            if not best or took < best["seconds"]:
                best = {"seconds": took, "batch_size": batch_size}
    latencies = []
    for _ in range(300):
        start = time.perf_counter()
        encode([QUERY], 1)
        latencies.append(time.perf_counter() - start)
    best["texts_per_second"] = len(texts) / best["seconds"]
    best["query_ms"] = 1e3 * statistics.median(latencies)
    print(json.dumps(best))


# --- putting them side by side ---


def run_json(command, environment=None):
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    if done.returncode != 0:
        raise SystemExit(f"encode.py: {command[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def time_ours(arguments):
    texts = sample(arguments.lines, arguments.count)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as stream:
        stream.write("\n".join(texts) + "\n")
        stream.flush()
        return run_json(
            [arguments.ours, arguments.model, stream.name, str(arguments.threads)]
            + [str(arguments.rounds)]
        )


def peer_in_process(name, arguments):
    environment = dict(os.environ)
    # numpy brings an OpenBLAS of its own, which these would misguide.
    for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(variable, None)
    environment["OMP_NUM_THREADS"] = str(arguments.threads)
    command = [sys.executable, os.path.abspath(__file__), "--peer", name]
    for option in ("model", "lines", "count", "threads", "rounds"):
        command += [f"--{option}", str(getattr(arguments, option))]
    return run_json(command, environment)


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def print_table(ours, peers, arguments):
    print(f"CPU: {cpu_model()}, {arguments.threads} threads; load {os.getloadavg()[0]:.1f}")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PEERS + ("torch",)]
    print(f"{ours['texts']} lines, {ours['tokens']} tokens; {', '.join(versions)}\n")
    print("| program | texts/s | ours is faster by | one query, ms | ours is faster by |")
    print("| --- | --- | --- | --- | --- |")
    label = f"ours ({ours['backend']}, {ours['isa']})"
    print(f"| {label} | {ours['texts_per_second']:.0f} | | {ours['query_ms']:.2f} | |")
    for name, peer in peers.items():
        rate = ours["texts_per_second"] / peer["texts_per_second"]
        latency = peer["query_ms"] / ours["query_ms"]
        print(
            f"| {name} (batch {peer['batch_size']}) | {peer['texts_per_second']:.0f} | {rate:.2f} "
            f"| {peer['query_ms']:.2f} | {latency:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ours", help="the program bench_encode")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="the model's name or folder")
    parser.add_argument("--lines", required=True, help="a file of texts, one a line")
    parser.add_argument("--count", type=int, default=10000, help="how many of them")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print figures instead of a table")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        time_peer(arguments.peer, arguments)
        return
    if not arguments.ours:
        parser.error("--ours is required")
    if not os.path.exists(arguments.lines):
        raise SystemExit(f"encode.py: there is no {arguments.lines}: name a file of texts")
    ours = time_ours(arguments)
    arguments.model = ours["folder"]
    peers = {name: peer_in_process(name, arguments) for name in PEERS}
    # Once more after the peers, so that a machine that slows down does not favour us.
    again = time_ours(arguments)
    ours["texts_per_second"] = min(ours["texts_per_second"], again["texts_per_second"])
    ours["query_ms"] = max(ours["query_ms"], again["query_ms"])
    if arguments.json:
        print(json.dumps({"ours": ours, **peers}))
    else:
        print_table(ours, peers, arguments)


if __name__ == "__main__":
    main()
