"""One peer of the encoder as a process that answers on its standard output: for encode.py.

    peers.py PEER PRECISION --model FOLDER --threads N --scratch FOLDER

Loads the peer, says {"ready": its version}, then reads one JSON object a line and answers each:

    {"encode": FILE, "batch_size": N}  ->  {"seconds": ...}     all lines of the file, once
    {"query": TEXT, "count": N}        ->  {"ms": ...}          the median of one text by itself
    {"vectors": FILE, "to": FILE.npy}  ->  {"vectors": n}       the lines' vectors, of unit length

Tokenizing is included; batches are sorted by length in tokens. Graphs that several peers start from
are kept in the scratch folder.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import time


def read_lines(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read().split("\n")[:-1]


def read_config(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as stream:
        return json.load(stream)


# --- each load_... gives encode(texts, batch_size) -> vectors ---


def load_sentence_transformers(precision, arguments):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(arguments.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = SentenceTransformer(arguments.model, device="cpu", model_kwargs={"dtype": dtype})

    def encode(texts, batch_size):
        vectors = model.encode(
            texts,
            batch_size=batch_size,
            show_progress_bar=False,
            normalize_embeddings=True,
            convert_to_tensor=True,
        )
        return vectors.float().numpy()

    return encode


def batched(folder, run):
    """encode() over a function from ids and mask, both (texts, tokens), to hidden states."""
    import numpy
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.enable_truncation(read_config(folder, "sentence_bert_config.json")["max_seq_length"])
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
            hidden = run(ids, mask)
            weights = mask[:, :, None].astype(numpy.float32)
            pooled = (hidden * weights).sum(1) / weights.sum(1)
            pooled /= numpy.linalg.norm(pooled, axis=1, keepdims=True)
            if vectors is None:
                vectors = numpy.empty((len(texts), pooled.shape[1]), numpy.float32)
            vectors[chosen] = pooled
        return vectors

    return encode


def made_once(make, path, *arguments):
    """The path, after make(*arguments, temporary name) if it is not there yet."""
    if not os.path.exists(path):
        unfinished = f"{path}.{os.getpid()}.unfinished"
        make(*arguments, unfinished)
        os.rename(unfinished, path)
    return path


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


def fuse_graph(folder, plain, path):
    from onnxruntime.transformers import optimizer

    config = read_config(folder, "config.json")
    optimizer.optimize_model(
        plain,
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
    ).save_model_to_file(path)


def quantize_graph(fused, path):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        fused,
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        # The shapes of fused nodes cannot be inferred.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def plain_graph(arguments):
    return made_once(
        export_graph, os.path.join(arguments.scratch, "plain.onnx"), arguments.model
    )


def load_onnxruntime(precision, arguments):
    import numpy
    import onnxruntime

    graph = made_once(
        fuse_graph,
        os.path.join(arguments.scratch, "fused.onnx"),
        arguments.model,
        plain_graph(arguments),
    )
    if precision == "int8":
        graph = made_once(quantize_graph, os.path.join(arguments.scratch, "int8.onnx"), graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])

    def run(ids, mask):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        return session.run(None, feed)[0]

    return batched(arguments.model, run)


def load_openvino(precision, arguments):
    import numpy
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": arguments.threads,
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(core.read_model(plain_graph(arguments)), "CPU", settings)
    request = compiled.create_infer_request()

    def run(ids, mask):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        return request.infer(feed)[compiled.output(0)].astype(numpy.float32)

    return batched(arguments.model, run)


def convert_ctranslate2(folder, path):
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(folder).convert(path, quantization="int8")


def load_ctranslate2(precision, arguments):
    import ctranslate2
    import numpy

    folder = made_once(
        convert_ctranslate2, os.path.join(arguments.scratch, "ctranslate2"), arguments.model
    )
    encoder = ctranslate2.Encoder(
        folder, device="cpu", compute_type=precision, intra_threads=arguments.threads
    )

    def run(ids, mask):
        rows = [list(row[:length]) for row, length in zip(ids.tolist(), mask.sum(1))]
        return numpy.array(encoder.forward_batch(rows).last_hidden_state)

    return batched(arguments.model, run)


LOADERS = {
    "sentence-transformers": load_sentence_transformers,
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
    "ctranslate2": load_ctranslate2,
}

# --- answering ---


def answer(request, encode):
    import numpy

    if "encode" in request:
        texts = read_lines(request["encode"])
        start = time.perf_counter()
        encode(texts, request["batch_size"])
        return {"seconds": time.perf_counter() - start}
    if "query" in request:
        took = []
        for _ in range(request["count"]):
            start = time.perf_counter()
            encode([request["query"]], 1)
            took.append(time.perf_counter() - start)
        return {"ms": 1e3 * statistics.median(took)}
    vectors = encode(read_lines(request["vectors"]), 32)
    numpy.save(request["to"], vectors)
    return {"vectors": len(vectors)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("peer", choices=LOADERS)
    parser.add_argument("precision", choices=("f32", "bf16", "int8"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()

    # What the libraries print must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    encode = LOADERS[arguments.peer](arguments.precision, arguments)
    print(json.dumps({"ready": importlib.metadata.version(arguments.peer)}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), encode)), file=answers, flush=True)


if __name__ == "__main__":
    main()
