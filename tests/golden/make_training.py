#!/usr/bin/env python3
"""Makes tests/golden/training: what PyTorch and the losses of sentence-transformers make of the tiny
models in ten steps, and of some vectors.

    python3 tests/golden/make_training.py [FOLDER]

Needs the versions that make_models.py insists on. README.md beside this file describes what it
writes. Everything is computed in float64 from the float32 weights and rounded once.
"""

import json
import pathlib
import random
import shutil
import sys

import numpy
import safetensors.torch
import torch
from sentence_transformers import losses
from sentence_transformers.losses import TripletDistanceMetric

from make_models import MODELS, VERSIONS, WORDS, check_versions, load_reference, write_json

STEPS, BATCH, EXAMPLES = 10, 4, 12
LABELS = ["contradiction", "entailment", "neutral"]

# model, objective, settings of the loss, learning rate.
CASES = {
    "cls-32": ("nli", dict(), 0.02),
    "max-32": ("sts", dict(), 0.05),
    "mean-32-f16": ("triplet", dict(distance="euclidean", margin=1.0), 0.05),
    "roberta-max-32": ("mnrl", dict(scale=20.0), 0.005),
    "xlm-roberta-mean-32": ("triplet", dict(distance="cosine", margin=1.0), 0.05),
    "distilbert-mean-32": ("sts", dict(), 0.05),
    "mpnet-mean-32": ("nli", dict(product=True), 0.05),
    "dense-16": ("sts", dict(), 0.05),
}


def sentence(generator):
    return " ".join(generator.choice(WORDS) for _ in range(generator.randint(1, 9)))


def examples(objective, seed):
    """Rows of texts with a score or a label."""
    generator = random.Random(seed)
    rows = []
    for i in range(EXAMPLES):
        texts = [sentence(generator) for _ in range(3 if objective == "triplet" else 2)]
        if i == 0:
            texts[0] = "the cat sat on the mat ."
        rows.append({"texts": texts, "score": round(generator.random() * 5, 2),
                     "label": LABELS[i % 3]})
    return rows


def mix(x):
    """lowbias32 on 32-bit numbers held in 64 bits."""
    low = numpy.uint64(0xFFFFFFFF)
    x = (x ^ (x >> numpy.uint64(16))) * numpy.uint64(0x7FEB352D) & low
    x = (x ^ (x >> numpy.uint64(15))) * numpy.uint64(0x846CA68B) & low
    return x ^ (x >> numpy.uint64(16))


def random_key(key, what):
    """As in encoder/train/random.h."""
    low = (1 << 64) - 1
    x = (key + (what + 1) * 0x9E3779B97F4A7C15) & low
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & low
    x = (x ^ x >> 27) * 0x94D049BB133111EB & low
    return x ^ x >> 31


def start_classifier(labels, columns, seed=42):
    """The classifier that sbert-train begins with."""
    key = random_key(seed, 0x636C6173)
    i = numpy.arange(labels * columns + labels, dtype=numpy.uint64)
    bits = mix((mix(i ^ numpy.uint64(key & 0xFFFFFFFF)) + numpy.uint64(key >> 32))
               & numpy.uint64(0xFFFFFFFF)).astype(numpy.float32)
    reach = numpy.float32(1) / numpy.sqrt(numpy.float32(columns))
    numbers = torch.from_numpy((bits * numpy.float32(2.0**-31) - numpy.float32(1)) * reach)
    return numbers[:-labels].reshape(labels, columns), numbers[-labels:]


def make_loss(model, objective, settings):
    if objective == "sts":
        return losses.CosineSimilarityLoss(model)
    if objective == "mnrl":
        return losses.MultipleNegativesRankingLoss(model, scale=settings.get("scale", 20.0))
    if objective == "triplet":
        metric = getattr(TripletDistanceMetric, settings.get("distance", "euclidean").upper())
        return losses.TripletLoss(model, distance_metric=metric,
                                  triplet_margin=settings.get("margin", 1.0))
    size = model.get_embedding_dimension()
    loss = losses.SoftmaxLoss(
        model, size, len(LABELS),
        concatenation_sent_multiplication=settings.get("product", False))
    weight, bias = start_classifier(len(LABELS), loss.classifier.weight.shape[1])
    with torch.no_grad():
        loss.classifier.weight.copy_(weight)
        loss.classifier.bias.copy_(bias)
    return loss.to(next(model.parameters()).dtype)


def features_of(model, texts):
    return model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)


def run_step(model, loss, objective, rows, optimizer, clip=0):
    """One step on a batch of rows; the loss's value."""
    features = [features_of(model, [row["texts"][c] for row in rows])
                for c in range(len(rows[0]["texts"]))]
    labels = None
    if objective == "sts":
        scores = torch.tensor([row["score"] / 5 for row in rows], dtype=torch.float32)
        labels = scores.to(next(model.parameters()).dtype)
    elif objective == "nli":
        labels = torch.tensor([LABELS.index(row["label"]) for row in rows])
    value = loss(features, labels)
    optimizer.zero_grad()
    value.backward()
    if clip:
        torch.nn.utils.clip_grad_norm_(loss.parameters(), clip)
    optimizer.step()
    return value.item()


def train(model, objective, settings, rows, optimizer_of, steps=STEPS, batch=BATCH, clip=0):
    """Steps over the rows in their order, again from the first when they end."""
    loss = make_loss(model, objective, settings)
    optimizer = optimizer_of(loss.parameters())
    values = []
    model.eval()  # no dropout
    for step in range(steps):
        first = step * batch % len(rows)
        values.append(run_step(model, loss, objective, rows[first:first + batch], optimizer, clip))
    return values, loss


def parameters_of(model, loss):
    """Names as in the model's files: the transformer's bare, a module's after its number."""
    named = {}
    for i, module in enumerate(model):
        for name, tensor in module.state_dict().items():
            name = name.removeprefix("auto_model.").removeprefix("model.")
            if tensor.is_floating_point():
                named[name if i == 0 else f"{i - 2}/{name}"] = tensor
    if hasattr(loss, "classifier"):
        for name, tensor in loss.classifier.state_dict().items():
            named["classifier." + name] = tensor
    return {name: tensor.float().contiguous() for name, tensor in named.items()}


def make_case(root, folder, seed):
    objective, settings, rate = CASES[folder.name]
    model = load_reference(folder, MODELS[folder.name]["style"])
    rows = examples(objective, seed)
    values, loss = train(model, objective, settings, rows,
                         lambda parameters: torch.optim.SGD(parameters, lr=rate))
    tensors = parameters_of(model, loss)
    for name in list(tensors):  # what no step reaches would only take room
        if "pooler" in name or "position_ids" in name:
            del tensors[name]
    case = root / folder.name
    case.mkdir(parents=True)
    write_json(case / "expected.json", {
        "made_with": VERSIONS, "objective": objective, "settings": settings, "rate": rate,
        "batch": BATCH, "examples": rows, "losses": values})
    safetensors.torch.save_file(tensors, case / "trained.safetensors")
    print(folder.name, objective, " ".join(f"{value:.4f}" for value in values))


class Given(torch.nn.Module):
    """In a model's place: gives the vectors that it was given as features."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        self.device = torch.device("cpu")

    def forward(self, features):
        return {"sentence_embedding": features["vector"]}

    def get_embedding_dimension(self):
        return self.size

    get_sentence_embedding_dimension = get_embedding_dimension

    def parameters(self, recurse=True):
        return iter([torch.zeros(1, dtype=torch.float64)])


def loss_cases():
    yield "sts", dict(), 2
    yield "nli", dict(), 2
    yield "nli", dict(product=True), 2
    yield "nli", dict(vectors=False), 2
    yield "nli", dict(difference=False), 2
    for distance in ("euclidean", "cosine", "manhattan"):
        yield "triplet", dict(distance=distance, margin=1.0), 3
    yield "mnrl", dict(scale=20.0), 2
    yield "mnrl", dict(scale=20.0), 3
    yield "distill", dict(), 1


def make_losses(path):
    """Each loss on given vectors, with its gradients."""
    generator = torch.Generator().manual_seed(7)
    count, size, out = 5, 6, []
    for objective, settings, columns in loss_cases():
        vectors = torch.randn(columns, count, size, generator=generator)
        exact = vectors.double().requires_grad_()
        features = [{"vector": exact[c]} for c in range(columns)]
        model, entry = Given(size), {}
        labels = torch.tensor([0, 2, 1, 1, 0])
        scores = torch.rand(count, generator=generator)
        teacher = torch.randn(count, size, generator=generator)
        if objective == "distill":
            loss = losses.MSELoss(model)
            value = loss(features, teacher.double())
        elif objective == "nli":
            loss = losses.SoftmaxLoss(
                model, size, len(LABELS),
                concatenation_sent_rep=settings.get("vectors", True),
                concatenation_sent_difference=settings.get("difference", True),
                concatenation_sent_multiplication=settings.get("product", False))
            weight = torch.randn(loss.classifier.weight.shape, generator=generator)
            bias = torch.randn(len(LABELS), generator=generator)
            loss = loss.double()
            with torch.no_grad():
                loss.classifier.weight.copy_(weight)
                loss.classifier.bias.copy_(bias)
            value = loss(features, labels)
        else:
            loss = make_loss(model, objective, settings)
            value = loss(features, scores.double() if objective == "sts" else None)
        value.backward()
        if objective == "nli":
            entry = {"weight": weight.tolist(), "bias": bias.tolist(),
                     "weight_gradient": loss.classifier.weight.grad.tolist(),
                     "bias_gradient": loss.classifier.bias.grad.tolist()}
        out.append({"objective": objective, "settings": settings, "vectors": vectors.tolist(),
                    "labels": labels.tolist(), "scores": scores.tolist(),
                    "teacher": teacher.tolist(), "loss": value.item(),
                    "gradients": exact.grad.tolist(), **entry})
    write_json(path, {"made_with": VERSIONS, "losses": out})


def make_optimizers(path):
    """Adam, AdamW and SGD on given gradients."""
    generator = torch.Generator().manual_seed(8)
    start = torch.randn(6, generator=generator)
    gradients = torch.randn(8, 6, generator=generator)
    gradients[:, 5] *= 1e-6
    out = []
    for name, settings in (("adam", dict(lr=1e-2)), ("adamw", dict(lr=1e-2, weight_decay=0.1)),
                           ("sgd", dict(lr=1e-2))):
        number = torch.nn.Parameter(start.double().clone())
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[name]
        optimizer, states = kind([number], **settings), []
        for gradient in gradients:
            number.grad = gradient.double().clone()
            optimizer.step()
            states.append(number.detach().tolist())
        out.append({"optimizer": name, "settings": settings, "numbers": states})
    write_json(path, {"made_with": VERSIONS, "start": start.tolist(),
                      "gradients": gradients.tolist(), "optimizers": out})


def main():
    check_versions()
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "training"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    make_losses(root / "losses.json")
    make_optimizers(root / "optimizers.json")
    for seed, name in enumerate(CASES):
        make_case(root, here / "models" / name, seed)


if __name__ == "__main__":
    main()
