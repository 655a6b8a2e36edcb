#!/usr/bin/env python3
"""Compares vectors with those of sentence-transformers, at the true sizes of the published models.

    python3 tests/reference/check_families.py SBERT_ENCODE [--family NAME]... [--data FOLDER]
                                              [--lengths N,N... | --all-lengths]

SBERT_ENCODE is the built program. For each row of SHAPES a random model of true shape is made in a
temporary folder, with the published vocabulary where FOLDER (the shared test data) has it and a tiny
one where it has not. First it gets all six poolings beside each other and encodes texts as they are
and with a prompt whose tokens pooling leaves out (include_prompt false): texts of a choice of lengths
in words, from none to more than the limit of 512 tokens, or of those that are asked for. With
--all-lengths those without the prompt are of each length (some minutes a row). Then it gets the layout of each published model of that shape (pooling, Normalize, limit, prompts), as the
newest and as older versions spell its files, and with truncate_dim. Beside the shapes, `dense` is
one Dense module with each activation. NAME is a row's, a published model's or `dense`; without one
all are done.

Prints the smallest cosine and the largest difference relative to the norm; ends with 1 where a cosine
is below 0.99999 or a difference above 1e-4. Needs the versions that tests/golden/make_models.py names.
"""
import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile

import numpy
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import make_models

LIMIT = 512
POOLINGS = ["lasttoken", "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean"]
PROMPT = "search the text of a file: "
LENGTHS = [0, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 16, 29, 30, 31, 32, 33, 61, 62, 63, 64, 100, 126, 127,
           128, 129, 200, 255, 256, 300, 400, 508, 509, 510, 511, 512, 700]
LAYOUT_LENGTHS = [0, 1, 9, 40, 130, 600]
LEAST_COSINE, LARGEST_DIFFERENCE = 0.99999, 1e-4
BGE_QUERY = "Represent this sentence for searching relevant passages: "
E5 = {"query": "query: ", "document": "passage: "}
BGE = {"query": BGE_QUERY, "document": ""}
ACTIVATIONS = """Identity Tanh ReLU GELU Sigmoid SiLU LeakyReLU ELU CELU SELU Softplus Mish ReLU6
Hardswish Hardsigmoid Hardtanh Softsign Tanhshrink LogSigmoid""".split()

AFTER_PADDING = dict(max_position_embeddings=LIMIT + 2, layer_norm_eps=1e-5)

# --- tokenizers: the published vocabulary where it can be had ---


def word_piece(data, base):
    vocabulary = data / "all-MiniLM-L6-v2/vocab.txt"
    if not vocabulary.exists():
        return make_models.bert_tokenizer(base)
    return transformers.BertTokenizer(vocab=str(vocabulary), do_lower_case=True)


def mpnet_word_piece(data, base):
    """The published one is BERT's vocabulary with other special tokens before it."""
    vocabulary = data / "all-MiniLM-L6-v2/vocab.txt"
    if not vocabulary.exists():
        return make_models.mpnet_tokenizer(base)
    words = ["<s>", "<pad>", "</s>", "<unk>"] + vocabulary.read_text().splitlines() + ["<mask>"]
    (base / "vocab.txt").write_text("".join(word + "\n" for word in words))
    return transformers.MPNetTokenizer(vocab=str(base / "vocab.txt"), do_lower_case=True)


def byte_level(data, base):
    folder = data / "roberta-base"
    if not folder.exists():
        return make_models.roberta_tokenizer(base)
    return transformers.RobertaTokenizer(vocab=str(folder / "vocab.json"),
                                         merges=str(folder / "merges.txt"))


def unigram(data, base):
    """The pieces of XLM-R with their scores; without its character map, which the data has not."""
    archive = data / "xlm-roberta-base/pos.dict.utf8.zip"
    if not archive.exists():
        return make_models.xlm_roberta_tokenizer(base)
    pieces = [(p, 0.0) for p in ("<s>", "<pad>", "</s>", "<unk>")]
    seen = {piece for piece, _ in pieces}
    with zipfile.ZipFile(archive) as opened:
        for line in opened.read(opened.namelist()[0]).decode().splitlines():
            fields = line.split("\t")
            if len(fields) == 3 and fields[0] not in seen:
                seen.add(fields[0])
                pieces.append((fields[0], float(fields[2])))
    return transformers.XLMRobertaTokenizer(vocab=pieces + [("<mask>", 0.0)])


def camembert_unigram(data, base):
    """Its published vocabulary is not in the data: a tiny one, with its order of special tokens."""
    return make_models.camembert_tokenizer(base)


# --- shapes ---


def sizes(hidden, layers):
    return dict(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=12,
                intermediate_size=4 * hidden)


def bert(words, hidden, layers):
    return transformers.BertModel(transformers.BertConfig(vocab_size=words, **sizes(hidden, layers)))


def roberta(words, hidden, layers):
    return transformers.RobertaModel(transformers.RobertaConfig(
        vocab_size=words, type_vocab_size=1, **AFTER_PADDING, **sizes(hidden, layers)))


def camembert(words, hidden, layers):
    return transformers.CamembertModel(transformers.CamembertConfig(
        vocab_size=words, type_vocab_size=1, **AFTER_PADDING, **sizes(hidden, layers)))


def xlm_roberta(words, hidden, layers):
    return transformers.XLMRobertaModel(transformers.XLMRobertaConfig(
        vocab_size=words, type_vocab_size=1, **AFTER_PADDING, **sizes(hidden, layers)))


def mpnet(words, hidden, layers):
    return transformers.MPNetModel(transformers.MPNetConfig(
        vocab_size=words, **AFTER_PADDING, **sizes(hidden, layers)))


def distilbert(words, hidden, layers):
    return transformers.DistilBertModel(transformers.DistilBertConfig(
        vocab_size=words, dim=hidden, n_layers=layers, n_heads=12, hidden_dim=4 * hidden))


# Tokenizer, transformer, hidden size, layers.
SHAPES = {
    "bert-384x3": (word_piece, bert, 384, 3),
    "bert-384x6": (word_piece, bert, 384, 6),
    "bert-384x12": (word_piece, bert, 384, 12),
    "bert-384x12-unigram": (unigram, bert, 384, 12),
    "bert": (word_piece, bert, 768, 12),
    "distilbert": (word_piece, distilbert, 768, 6),
    "mpnet": (mpnet_word_piece, mpnet, 768, 12),
    "roberta": (byte_level, roberta, 768, 12),
    "camembert": (camembert_unigram, camembert, 768, 12),
    "xlm-roberta": (unigram, xlm_roberta, 768, 12),
}

# Shape, pooling, whether Normalize ends it, limit on tokens, prompts.
PUBLISHED = {
    "bert-base-nli-cls-token": ("bert", "cls", False, 128, None),
    "bert-base-nli-mean-tokens": ("bert", "mean", False, 128, None),
    "roberta-base-nli-max-tokens": ("roberta", "max", False, 128, None),
    "distilbert-base-nli-mean-tokens": ("distilbert", "mean", False, 128, None),
    "all-mpnet-base-v2": ("mpnet", "mean", True, 384, None),
    "all-MiniLM-L6-v2": ("bert-384x6", "mean", True, 256, None),
    "all-MiniLM-L12-v2": ("bert-384x12", "mean", True, 128, None),
    "paraphrase-MiniLM-L3-v2": ("bert-384x3", "mean", False, 128, None),
    "paraphrase-multilingual-MiniLM-L12-v2": ("bert-384x12-unigram", "mean", False, 128, None),
    "multilingual-e5-small": ("bert-384x12-unigram", "mean", True, 512, E5),
    "multilingual-e5-base": ("xlm-roberta", "mean", True, 512, E5),
    "bge-small-en-v1.5": ("bert-384x12", "cls", True, 512, BGE),
    "bge-base-en-v1.5": ("bert", "cls", True, 512, BGE),
    "gte-small": ("bert-384x12", "mean", True, 512, None),
    "gte-base": ("bert", "mean", True, 512, None),
    "multi-qa-MiniLM-L6-cos-v1": ("bert-384x6", "mean", True, 512, None),
}


def make_transformer(folder, shape, data):
    """Saves tokenizer and transformer of a row; the weights are spread as in training's beginning,
    but wider, so that attention is far from even."""
    make_tokenizer, make_model, hidden, layers = SHAPES[shape]
    folder.mkdir(parents=True)
    tokenizer = make_tokenizer(data, folder)
    tokenizer.model_max_length = LIMIT
    tokenizer.save_pretrained(folder)
    transformer = make_model(len(tokenizer), hidden, layers)
    make_models.randomize(transformer, len(shape))
    transformer.save_pretrained(folder)
    return len(tokenizer)


def save(base, folder, pooling, after=(), limit=LIMIT, include_prompt=True, prompts=None):
    """Saves the model of the transformer in `base`, as the newest version does."""
    shutil.rmtree(folder, ignore_errors=True)
    transformer = Transformer(str(base), max_seq_length=limit)
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling,
                                    include_prompt=include_prompt), *after]
    SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save_pretrained(
        str(folder), create_model_card=False)


# --- comparing ---


def texts_of(lengths):
    random.seed(4)
    words = list(dict.fromkeys(make_models.WORDS))
    return [" ".join(random.choices(words, k=length)) for length in lengths]


def ours(program, model, texts, prompt=None):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "texts.txt").write_text("".join(text + "\n" for text in texts))
        options = [f"--prompt-name={prompt}"] if prompt else []
        subprocess.run([program, "--quiet", "--precision=f32", *options, "--model", model,
                        "--output", folder / "vectors.npy", folder / "texts.txt"], check=True)
        return numpy.load(folder / "vectors.npy").astype(numpy.float64)


def theirs(model, texts, prompt=None, **options):
    """What encode() gives of one loaded model, in f32 as the program computes."""
    return model.encode(texts, batch_size=8, show_progress_bar=False, prompt_name=prompt,
                        **options).astype(numpy.float64)


def load(folder):
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def near(name, got, wanted):
    """Prints how near; true where it is near enough."""
    if got.shape != wanted.shape:
        print(f"{name}: the shape is {got.shape}, not {wanted.shape}")
        return False
    norms = numpy.linalg.norm(wanted, axis=1)
    cosine = ((got * wanted).sum(1) / (numpy.linalg.norm(got, axis=1) * norms)).min()
    difference = (numpy.abs(got - wanted).max(1) / norms).max()
    print(f"{name}: {len(got)} texts, smallest cosine {cosine:.8f}, "
          f"largest difference {difference:.1e} of the norm", flush=True)
    return bool(cosine >= LEAST_COSINE and difference < LARGEST_DIFFERENCE)


def check_poolings(program, folder, shape, lengths, all_lengths):
    hidden = SHAPES[shape][2]
    model = folder / "poolings"
    save(folder / "base", model, POOLINGS, include_prompt=False, prompts={"query": PROMPT})
    reference = load(model)
    good = True
    for prompt in (None, "query"):
        texts = texts_of(range(LIMIT + 8) if all_lengths and not prompt else lengths)
        got, wanted = ours(program, model, texts, prompt), theirs(reference, texts, prompt)
        for i, pooling in enumerate(POOLINGS):
            part = slice(i * hidden, (i + 1) * hidden)
            name = f"{shape}: {pooling}{', a prompt left out' if prompt else ''}"
            good = near(name, got[:, part], wanted[:, part]) and good
        good = good and got.shape == wanted.shape
    return good


def check_published(program, folder, name):
    """The layout of a published model, in the newest spelling, in an older one, and cut."""
    shape, pooling, normalize, limit, prompts = PUBLISHED[name]
    hidden, texts, model = SHAPES[shape][2], texts_of(LAYOUT_LENGTHS), folder / "published"
    save(folder / "base", model, pooling, [Normalize()] if normalize else [], limit, prompts=prompts)
    reference, good = load(model), True
    for prompt in [None, *(prompts or {})]:
        good = near(f"{name}: prompt {prompt}", ours(program, model, texts, prompt),
                    theirs(reference, texts, prompt)) and good

    settings_file = model / "config_sentence_transformers.json"
    settings = json.loads(settings_file.read_text())
    settings_file.write_text(json.dumps({**settings, "truncate_dim": hidden // 2}))
    good = near(f"{name}: truncate_dim", ours(program, model, texts),
                theirs(load(model), texts, normalize_embeddings=normalize)) and good
    settings_file.write_text(json.dumps(settings))

    make_models.respell(model, "old", hidden, pooling, limit)
    good = near(f"{name}: older spelling", ours(program, model, texts),
                theirs(load(model), texts)) and good
    return good


def check_shape(program, data, shape, published, lengths, all_lengths):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        words = make_transformer(folder / "base", shape, data)
        print(f"{shape}: a vocabulary of {words}")
        good = not lengths or check_poolings(program, folder, shape, lengths, all_lengths)
        for model in published:
            good = check_published(program, folder, model) and good
    return good


def check_dense(program):
    """One Dense module with each activation, after a small BERT."""
    with tempfile.TemporaryDirectory() as name:
        folder, good, texts = pathlib.Path(name), True, texts_of(range(1, 25))
        SHAPES["small"] = (lambda data, base: make_models.bert_tokenizer(base), bert, 48, 1)
        make_transformer(folder / "base", "small", folder)
        for activation in ACTIVATIONS:
            dense = Dense(48, 96, activation_function=getattr(torch.nn, activation)())
            make_models.randomize(dense, len(activation))
            with torch.no_grad():
                dense.linear.weight.mul_(3)  # to where each bends
            save(folder / "base", folder / "model", "mean", [dense])
            good = near(f"dense: {activation}", ours(program, folder / "model", texts),
                        theirs(load(folder / "model"), texts)) and good
    return good


def main():
    everything = [*SHAPES, *PUBLISHED, "dense"]
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--family", action="append", choices=everything, metavar="NAME",
                        help=", ".join(everything))
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data"))
    parser.add_argument("--lengths", type=lambda list: [int(n) for n in list.split(",")],
                        default=LENGTHS, metavar="N,N...")
    parser.add_argument("--all-lengths", action="store_true")
    arguments = parser.parse_args()
    make_models.check_versions()
    transformers.utils.logging.disable_progress_bar()
    chosen = arguments.family or everything
    good = True
    for shape in SHAPES:
        of_shape = [name for name in PUBLISHED if PUBLISHED[name][0] == shape]
        published = of_shape if shape in chosen else [name for name in of_shape if name in chosen]
        if shape in chosen or published:
            lengths = arguments.lengths if shape in chosen else []
            good = check_shape(arguments.program, arguments.data / "tokenizers", shape, published,
                               lengths, arguments.all_lengths) and good
    if "dense" in chosen:
        good = check_dense(arguments.program) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
