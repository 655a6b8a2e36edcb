#!/usr/bin/env python3
"""Compares tokenizers from the files before tokenizer.json with those that the Python package
`transformers` makes of the same folder: ids, type ids and byte offsets.

    python3 tests/reference/compare_old_files.py DUMP [COUNT [FAMILY]]

DUMP is the program from dump_tokens.c; COUNT hard texts (2000) and pairs of them go through each
folder. The folders hold vocab.txt, vocab.json with merges.txt, or sentencepiece.bpe.model, as the
families have them, each with no configuration beside them and with those that models come with:
tokenizer_config.json (its "added_tokens_decoder" included), special_tokens_map.json and
added_tokens.json. Where we refuse a folder, that is printed, and is no difference if the folder is
one that is named as refused here. Ends with 1 where anything differs. Needs `transformers` (5.24.0
was the reference) and `tokenizers`.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

from transformers import AutoTokenizer

from compare_tokenizer import Comparison
from hard_texts import HardTexts

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
MODELS = GOLDEN / "models"
LITERALS = ["<s>", "</s>", "<pad>", "<unk>", "<mask>", " <mask>", "[CLS]", "[SEP]", "[UNK]", "[MASK]",
            "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED", "<new>", "two words", "Foo"]
WORDS = "the cat is slow a great day movie search file word text dog runs stock market".split()


def token(content, **flags):
    return dict(content=content, lstrip=False, rstrip=False, single_word=False, normalized=False,
                special=True) | flags



    return {str(i): dict(described, __type="AddedToken") | {} for i, described in tokens}


# model_type, where the vocabulary is from, its files
BERT = ("bert", MODELS / "mean-64", ["vocab.txt"])
DISTILBERT = ("distilbert", MODELS / "mean-64", ["vocab.txt"])
MPNET = ("mpnet", MODELS / "mpnet-mean-32", ["vocab.txt"])
ROBERTA = ("roberta", MODELS / "roberta-max-32", ["vocab.json", "merges.txt"])
XLM = ("xlm-roberta", GOLDEN / "sentencepiece", ["sentencepiece.bpe.model"])
CAMEMBERT = ("camembert", GOLDEN / "sentencepiece", ["sentencepiece.bpe.model"])
MASK = token("<mask>", lstrip=True)
NEW = [token("<new>"), token("two words", special=False, normalized=True),
       token("Foo", special=False, normalized=True, rstrip=True)]

# family, what is beside the vocabulary
CASES = {
    "bert, nothing": (BERT, {}),
    "bert, lower case off": (BERT, {"tokenizer_config.json": {"do_lower_case": False}}),
    "bert, accents kept": (BERT, {"tokenizer_config.json": {"strip_accents": False}}),
    "bert, no ideographs": (BERT, {"tokenizer_config.json": {"tokenize_chinese_chars": False}}),
    "bert, named": (BERT, {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer"}}),
    "distilbert, nothing": (DISTILBERT, {}),
    "mpnet, nothing": (MPNET, {}),
    "mpnet, named": (MPNET, {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer"}}),
    "mpnet, mask described": (MPNET, {"tokenizer_config.json": {
        "tokenizer_class": "MPNetTokenizer", "mask_token": MASK | {"__type": "AddedToken"}}}),
    "roberta, nothing": (ROBERTA, {}),
    "roberta, prefix": (ROBERTA, {"tokenizer_config.json": {"add_prefix_space": True}}),
    "roberta, offsets whole": (ROBERTA, {"tokenizer_config.json": {"trim_offsets": False}}),
    "roberta, map": (ROBERTA, {"special_tokens_map.json": {"mask_token": MASK, "cls_token": "<s>"}}),
    "roberta, map without lstrip": (ROBERTA, {"special_tokens_map.json": {
        "mask_token": token("<mask>"), "sep_token": "</s>"}}),
    "roberta, mask a string": (ROBERTA, {"tokenizer_config.json": {"mask_token": "<mask>"}}),
    "roberta, mask described": (ROBERTA, {"tokenizer_config.json": {
        "mask_token": MASK | {"__type": "AddedToken"}}}),
    "roberta, config and map": (ROBERTA, {
        "tokenizer_config.json": {"mask_token": "<mask>"},
        "special_tokens_map.json": {"mask_token": MASK}}),
    "roberta, empty added": (ROBERTA, {"added_tokens.json": {}}),
    "roberta, added": (ROBERTA, {"added_tokens.json": {"<new>": 400, "two words": 401}}),
    "bert, more in the map": (BERT, {"special_tokens_map.json": {
        "additional_special_tokens": ["<new>"], "extra_special_tokens": ["two words"]}}),
    "bert, more in the old map": (BERT, {"special_tokens_map.json": {
        "additional_special_tokens": ["<new>"]}}),
    "bert, more": (BERT, {"tokenizer_config.json": {
        "additional_special_tokens": ["<new>", "[MASK]"]}}),
    "roberta, named and added": (ROBERTA, {
        "special_tokens_map.json": {"mask_token": MASK, "unk_token": "<new>"},
        "added_tokens.json": {"two words": 401, "<new>": 400, "<mask>": 4}}),
    "bert, added": (BERT, {"added_tokens.json": {"<new>": 400}}),
    "xlm-roberta, nothing": (XLM, {}),
    "xlm-roberta, mask described": (XLM, {"tokenizer_config.json": {
        "tokenizer_class": "XLMRobertaTokenizer", "mask_token": MASK | {"__type": "AddedToken"}}}),
    "xlm-roberta, map": (XLM, {"special_tokens_map.json": {"mask_token": MASK}}),
    "camembert, nothing": (CAMEMBERT, {}),
    "camembert, named": (CAMEMBERT, {"tokenizer_config.json": {
        "tokenizer_class": "CamembertTokenizer"}}),
    "camembert, published": (CAMEMBERT, {"tokenizer_config.json": {
        "tokenizer_class": "CamembertTokenizer", "mask_token": MASK | {"__type": "AddedToken"},
        "additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"]}}),
    "camembert, map": (CAMEMBERT, {"special_tokens_map.json": {
        "additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"], "mask_token": MASK}}),
}


def vocabulary_of(family):
    source, files = family[1:]
    if files[0] == "vocab.txt":
        return json.loads((source / "tokenizer.json").read_text())["model"]["vocab"]
    return json.loads((source / "vocab.json").read_text())


for name, family, ids in (
        ("bert", BERT, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")),
        ("mpnet", MPNET, ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")),
        ("roberta", ROBERTA, ("<s>", "<pad>", "</s>", "<unk>", "<mask>"))):
    listed = {str(i): token(text, lstrip=text == "<mask>") for i, text in enumerate(ids)}
    more = {str(len(vocabulary_of(family)) + i): described for i, described in enumerate(NEW)}
    CASES[f"{name}, decoder"] = (family, {"tokenizer_config.json": {
        "added_tokens_decoder": listed}})
    CASES[f"{name}, decoder adds"] = (family, {"tokenizer_config.json": {
        "added_tokens_decoder": listed | more}})
    CASES[f"{name}, decoder of few"] = (family, {"tokenizer_config.json": {
        "added_tokens_decoder": {k: v for k, v in listed.items() if k in "03"}}})


def make(folder, family, beside):
    kind, source, files = family
    for file in files:
        if file != "vocab.txt":
            shutil.copy(source / file, folder)
            continue
        vocab = vocabulary_of(family)
        pieces = sorted(vocab, key=vocab.get)
        pathlib.Path(folder, file).write_text("".join(piece + "\n" for piece in pieces))
    pathlib.Path(folder, "config.json").write_text(json.dumps({"model_type": kind}))
    for name, value in beside.items():
        pathlib.Path(folder, name).write_text(json.dumps(value))


def main():
    dump = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    compare = Comparison(dump)
    texts = HardTexts(7, LITERALS, WORDS).texts(count)
    singles, pairs = [(t, None) for t in texts], list(zip(texts[::2], texts[1::2]))
    refused = 0
    chosen = sys.argv[3] if len(sys.argv) > 3 else ""
    for name, (family, beside) in CASES.items():
        if not name.startswith(chosen):
            continue
        with tempfile.TemporaryDirectory() as folder:
            make(folder, family, beside)
            opened = subprocess.run([dump, folder, "0", "-1"], input=b"", capture_output=True)
            if opened.returncode:
                print(f"refused {name}: {opened.stderr.decode().strip()[:300]}")
                refused += 1
                continue
            tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
            compare.run(f"{name}: singles", folder, tokenizer, singles, 0)
            compare.run(f"{name}: pairs", folder, tokenizer, pairs, 33)
    print(f"{refused} folders refused")
    return 1 if compare.failed else 0


if __name__ == "__main__":
    sys.exit(main())
