#!/usr/bin/env python3
"""Makes the tiny random cross-encoders of tests/golden/cross_encoders with their expected logits.

    python3 tests/golden/make_cross_encoders.py [FOLDER]

As make_models.py beside it, whose words, pieces and versions it takes; README.md describes what it
writes. The weights are random numbers: nothing was trained.
"""

import json
import pathlib
import shutil
import sys

import make_models
import torch
import transformers
from sentence_transformers import CrossEncoder

PAIRS = [
    ("the cat sat on the mat.", "a dog runs"),
    ("It was a great day", "Today was awesome!"),
    ("find a file", ""),
    ("", "the stock market"),
    ("", ""),
    ("Unhappiness; re-runs, 42 files?", "  Caf\u00e9  na\u00efve \u00dcber  "),
    ("zzz qqqq \u03a9mega [MASK] ok", "\u4eca\u65e5 sun \u96e8"),
    ("edit a movie " * 12, "search the text of the files"),
    ("search", "edit a movie " * 12),
    ("edit a movie " * 12, "search the text of the files for a word " * 3),
]

MODELS = {
    "one-label": dict(labels=1, style="new", activation=None),
    "one-label-logits": dict(labels=1, style="old", activation="torch.nn.modules.linear.Identity"),
    "three-labels": dict(labels=3, style="new", activation=None, dtype=torch.float16),
    "roberta-two-labels": dict(labels=2, style="new", activation=None, family="roberta"),
    "distilbert-one-label": dict(labels=1, style="new", activation=None, family="distilbert"),
    "mpnet-two-labels": dict(labels=2, style="new", activation=None, family="mpnet"),
    "xlm-roberta-one-label": dict(labels=1, style="new", activation=None, family="xlm-roberta"),
    "camembert-three-labels": dict(labels=3, style="new", activation=None, family="camembert"),
}


def classifier(base, family, labels):
    """Saves a tokenizer to `base`; a configuration, and the class to make a model of it."""
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                 num_labels=labels)
    if family == "roberta":
        tokenizer = make_models.roberta_tokenizer(base)
        tokenizer.model_max_length = 32
        config = transformers.RobertaConfig(
            vocab_size=len(tokenizer), type_vocab_size=1, max_position_embeddings=42, **sizes)
        kind = transformers.RobertaForSequenceClassification
    elif family == "xlm-roberta":
        tokenizer = make_models.xlm_roberta_tokenizer(base)
        tokenizer.model_max_length = 32
        config = transformers.XLMRobertaConfig(
            vocab_size=len(tokenizer), type_vocab_size=1, max_position_embeddings=42, **sizes)
        kind = transformers.XLMRobertaForSequenceClassification
    elif family == "camembert":
        tokenizer = make_models.camembert_tokenizer(base)
        tokenizer.model_max_length = 32
        config = transformers.CamembertConfig(
            vocab_size=len(tokenizer), type_vocab_size=1, max_position_embeddings=42, **sizes)
        kind = transformers.CamembertForSequenceClassification
    elif family == "mpnet":
        tokenizer = make_models.mpnet_tokenizer(base)
        tokenizer.model_max_length = 32
        config = transformers.MPNetConfig(
            vocab_size=len(tokenizer), max_position_embeddings=42, **sizes)
        kind = transformers.MPNetForSequenceClassification
    elif family == "distilbert":
        tokenizer = make_models.bert_tokenizer(base, transformers.DistilBertTokenizer)
        config = transformers.DistilBertConfig(
            vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=4, hidden_dim=48,
            max_position_embeddings=40, num_labels=labels)
        kind = transformers.DistilBertForSequenceClassification
    else:
        tokenizer = make_models.bert_tokenizer(base)
        config = transformers.BertConfig(
            vocab_size=len(tokenizer), max_position_embeddings=40, **sizes)
        kind = transformers.BertForSequenceClassification
    tokenizer.save_pretrained(base)
    return config, kind


def build(folder, seed, labels, style, activation, family="bert", dtype=torch.float32):
    """Writes the model as sentence-transformers saves it (new), or as transformers alone (old)."""
    base = folder / "base"
    base.mkdir(parents=True)
    config, kind = classifier(base, family, labels)
    if activation:
        config.sentence_transformers = {"activation_fn": activation, "version": "4.0.1"}
    model = kind(config)
    make_models.randomize(model, seed)
    model.to(dtype).save_pretrained(base)
    if style == "new":
        CrossEncoder(str(base), device="cpu").save_pretrained(str(folder))
        (folder / "README.md").unlink()
    else:
        for file in base.iterdir():
            if file.name != "vocab.txt":
                shutil.copy(file, folder)
    shutil.rmtree(base)


def expect(folder):
    """Every pair alone, in float64."""
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True).double().eval()
    entries = []
    for text, pair in PAIRS:
        features = model.tokenizer([[text, pair]], truncation="longest_first",
                                   max_length=model.max_seq_length, return_tensors="pt")
        with torch.no_grad():
            logits = model.model(**features).logits
        scores = model.activation_fn(logits)
        predicted = model.predict([(text, pair)], convert_to_tensor=True)
        worst = (predicted.flatten() - scores.flatten()).abs().max().item()
        assert worst < 1e-9, (text, pair, worst)
        full = model.tokenizer([[text, pair]])["input_ids"][0]
        entries.append({
            "text": text, "pair": pair, "tokens": features["input_ids"].shape[1],
            "full_count": len(full), "logits": logits[0].tolist(), "scores": scores[0].tolist()})
    make_models.write_json(folder / "expected.json", {
        "made_with": make_models.VERSIONS, "labels": model.num_labels,
        "activation": type(model.activation_fn).__name__.lower(), "pairs": entries})


def main():
    make_models.check_versions()
    torch.set_num_threads(1)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).parent / "cross_encoders")
    for seed, (name, settings) in enumerate(MODELS.items()):
        folder = root / name
        shutil.rmtree(folder, ignore_errors=True)
        build(folder, seed=100 + seed, **settings)
        expect(folder)
        (folder / "model.safetensors").chmod(0o644)
        print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes")


if __name__ == "__main__":
    main()
