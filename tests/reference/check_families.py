#!/usr/bin/env python3
"""Compares the vectors of each family of transformers, at the size of the published base models,
with those of sentence-transformers.

    python3 tests/reference/check_families.py SBERT_ENCODE [--all-lengths] [FAMILY...]

SBERT_ENCODE is the built program. For each family a random model of true shape (768 wide, 12 heads,
12 layers or DistilBERT's 6, 512 tokens) with a tiny tokenizer is made in a temporary folder, with
all six poolings beside each other, and encodes texts as they are and with a prompt whose tokens
pooling leaves out (include_prompt false). Texts have from 1 token to more than the limit: a choice of
lengths, or each of them with --all-lengths (some minutes a family). Prints for each pooling the
smallest cosine and the largest difference relative to the norm; ends with 1 where a cosine is below
0.99999 or a difference above 1e-4. Needs the versions that tests/golden/make_models.py names.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import make_models

LIMIT = 512
HIDDEN = 768
POOLINGS = ["lasttoken", "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean"]
PROMPT = "search the text of a file: "
LENGTHS = [0, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 16, 29, 30, 31, 32, 33, 61, 62, 63, 64, 100, 126, 127,
           128, 129, 200, 255, 256, 300, 400, 508, 509, 510, 511, 512, 700]
LEAST_COSINE, LARGEST_DIFFERENCE = 0.99999, 1e-4

SHAPE = dict(num_hidden_layers=12, num_attention_heads=12, intermediate_size=4 * HIDDEN,
             hidden_size=HIDDEN)
AFTER_PADDING = dict(max_position_embeddings=LIMIT + 2, layer_norm_eps=1e-5)


def bert(words):
    return transformers.BertModel(transformers.BertConfig(vocab_size=words, **SHAPE))


def roberta(words):
    return transformers.RobertaModel(transformers.RobertaConfig(
        vocab_size=words, type_vocab_size=1, **AFTER_PADDING, **SHAPE))


def xlm_roberta(words):
    return transformers.XLMRobertaModel(transformers.XLMRobertaConfig(
        vocab_size=words, type_vocab_size=1, **AFTER_PADDING, **SHAPE))


def mpnet(words):
    return transformers.MPNetModel(transformers.MPNetConfig(
        vocab_size=words, **AFTER_PADDING, **SHAPE))


def distilbert(words):
    return transformers.DistilBertModel(transformers.DistilBertConfig(vocab_size=words))


FAMILIES = {
    "bert": (make_models.bert_tokenizer, bert),
    "bert-xlm-roberta-tokenizer": (make_models.xlm_roberta_tokenizer, bert),
    "distilbert": (make_models.bert_tokenizer, distilbert),
    "mpnet": (make_models.mpnet_tokenizer, mpnet),
    "xlm-roberta": (make_models.xlm_roberta_tokenizer, xlm_roberta),
    "roberta": (make_models.roberta_tokenizer, roberta),
}


def make(folder, family):
    """Saves the model; the weights are spread as in training's beginning, but wider, so that
    attention is far from even."""
    make_tokenizer, make_transformer = FAMILIES[family]
    base = folder / "base"
    base.mkdir(parents=True)
    tokenizer = make_tokenizer(base)
    tokenizer.model_max_length = LIMIT
    tokenizer.save_pretrained(base)
    transformer = make_transformer(len(tokenizer))
    make_models.randomize(transformer, len(family))
    transformer.save_pretrained(base)
    modules = [Transformer(str(base), max_seq_length=LIMIT), Pooling(HIDDEN, pooling_mode=POOLINGS, include_prompt=False)]
    SentenceTransformer(modules=modules, device="cpu", prompts={"query": PROMPT}).save_pretrained(
        str(folder / "model"), create_model_card=False)
    return str(folder / "model")


def texts_of(lengths):
    random.seed(4)
    words = list(dict.fromkeys(make_models.WORDS))
    return [" ".join(random.choices(words, k=length)) for length in lengths]


def ours(program, folder, model, texts, *options):
    (folder / "texts.txt").write_text("".join(text + "\n" for text in texts))
    subprocess.run([program, "--quiet", *options, "--model", model, "--output", folder / "vectors.npy",
                    folder / "texts.txt"], check=True)
    return numpy.load(folder / "vectors.npy").astype(numpy.float64)


def compare(family, got, wanted):
    """Prints a line for each pooling; true where all is near enough."""
    good = got.shape == wanted.shape
    for i, pooling in enumerate(POOLINGS):
        a, b = (x[:, i * HIDDEN:(i + 1) * HIDDEN] for x in (got, wanted))
        norms = numpy.linalg.norm(b, axis=1)
        cosine = ((a * b).sum(1) / (numpy.linalg.norm(a, axis=1) * norms)).min()
        difference = (numpy.abs(a - b).max(1) / norms).max()
        print(f"{family}: {pooling}: {len(a)} texts, smallest cosine {cosine:.8f}, "
              f"largest difference {difference:.1e} of the norm", flush=True)
        good = good and cosine >= LEAST_COSINE and difference < LARGEST_DIFFERENCE
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--all-lengths", action="store_true")
    arguments = parser.parse_args()
    make_models.check_versions()
    texts = texts_of(range(LIMIT + 8) if arguments.all_lengths else LENGTHS)
    good = True
    for family in arguments.families:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            model = make(folder, family)
            reference = SentenceTransformer(model, device="cpu", local_files_only=True)
            for prompt in (None, "query"):
                wanted = reference.encode(texts, batch_size=8, show_progress_bar=False,
                                          prompt_name=prompt)
                options = [f"--prompt-name={prompt}"] if prompt else []
                got = ours(arguments.program, folder, model, texts, *options)
                name = f"{family}, a prompt left out" if prompt else family
                good = compare(name, got, wanted.astype(numpy.float64)) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
