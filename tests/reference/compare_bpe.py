#!/usr/bin/env python3
"""Compares byte-level BPE, and cased WordPiece, with the Python package `tokenizers`: ids, type ids,
byte offsets and full counts.

    python3 tests/reference/compare_bpe.py DUMP DATA_FOLDER [COUNT]

DUMP is the program from dump_tokens.c; DATA_FOLDER holds the shared test data, whose RoBERTa and
multilingual BERT vocabularies are used; COUNT hard texts are tried (100000). Prints what was
compared with the number of differences, and the speed of both; ends with 1 where anything differs.
Takes some five minutes. Needs `tokenizers` (0.23.3 was the reference) and no network.
"""
import glob
import json
import os
import sys
import tempfile

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from compare_tokenizer import CODE_POINTS, Comparison, hard_texts, speed

PIECES = ["<mask>", " <mask>", "<s>", "</s>", "<pad>", "<unk>", "'s", "'ll", "n't", "  ", " \n", "\n\n",
          "\t ", " a", " 1", " é", " '", "'S", "Ġ", "１２", "²", "Ⅷ", "ab12", "\u3000x", "\u00a0",
          "a" * 70, "the" * 30, "ha" * 60, "👩‍👩‍👧", "한국어로", "नमस्ते"]


def roberta(data, prefix=False, post="roberta", **settings):
    folder = os.path.join(data, "tokenizers", "roberta-base")
    vocab, merges = models.BPE.read_file(f"{folder}/vocab.json", f"{folder}/merges.txt")
    use_regex = settings.pop("use_regex", True)
    trim = settings.pop("trim", True)
    for piece in settings.pop("without", ()):
        del vocab[piece]
        merges = [m for m in merges if piece not in m and "".join(m) != piece]
        merges = [m for m in merges if piece not in m[0] + m[1]]
    tokenizer = Tokenizer(models.BPE(vocab, merges, **settings))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=prefix, trim_offsets=trim, use_regex=use_regex)
    if post == "roberta":
        tokenizer.post_processor = processors.RobertaProcessing(
            ("</s>", 2), ("<s>", 0), trim_offsets=trim, add_prefix_space=prefix)
    elif post == "level":
        level = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim)
    elif post == "template":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1",
            special_tokens=[("<s>", 0), ("</s>", 2)])
    special = dict(special=True, normalized=False)
    tokenizer.add_special_tokens([AddedToken(t, **special) for t in ("<s>", "<pad>", "</s>", "<unk>")]
                                 + [AddedToken("<mask>", lstrip=True, **special)])
    return tokenizer


def with_added(tokenizer):
    tokenizer.add_tokens([
        AddedToken("<tok>", normalized=False), AddedToken("foo", single_word=True, normalized=True),
        AddedToken("new token", lstrip=True, rstrip=True, normalized=True),
        AddedToken(" zz ", normalized=False), AddedToken("é", normalized=True)])
    return tokenizer


def multilingual(data):
    path = os.path.join(data, "tokenizers", "bert-base-multilingual-cased", "vocab.txt")
    with open(path, encoding="utf-8") as file:
        vocab = {line.rstrip("\n"): i for i, line in enumerate(file)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def main():
    dump, data = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100000
    compare = Comparison(dump)
    hard = hard_texts(count, 2, PIECES)
    singles = [(t, None) for t in hard]
    pairs = list(zip(hard[::2], hard[1::2]))
    contexts = [(f"a{chr(c)}b1{chr(c)}2 {chr(c)} !{chr(c)}?", None) for c in CODE_POINTS]
    lines = []
    for path in sorted(glob.glob(os.path.join(data, "sentences", "*.txt"))):
        with open(path, encoding="utf-8") as file:
            lines += [(t, None) for t in file.read().split("\n")]

    def run(name, tokenizer, part, *args):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.no_truncation()
            tokenizer.save(os.path.join(folder, "tokenizer.json"))
            compare.run(name, folder, tokenizer, part, *args)

    plain = roberta(data)
    run("every code point between letters, numbers and marks", plain, contexts)
    run("hard texts", plain, singles)
    run("hard pairs, limit 16", plain, pairs, 16)
    run("hard pairs without a limit", plain, pairs, 0)
    run("every sentence", plain, lines)
    folder = os.path.join(data, "tokenizers", "roberta-base")
    compare.run("every sentence, from vocab.json and merges.txt", folder, plain, lines)
    compare.run("hard pairs, from vocab.json and merges.txt", folder, plain, pairs, 33)
    for name, tokenizer in (
        ("a space put before", roberta(data, prefix=True)),
        ("ByteLevel last", roberta(data, post="level")),
        ("ByteLevel last, a space put before", roberta(data, prefix=True, post="level")),
        ("a template", roberta(data, post="template")),
        ("nothing trimmed, a space put before", roberta(data, prefix=True, trim=False)),
        ("no pattern", roberta(data, use_regex=False)),
        ("merges ignored", roberta(data, ignore_merges=True)),
        ("unknown bytes left out", roberta(data, without=("Ã", "Ģ", "a"))),
        ("unknown bytes left out, a space put before", roberta(data, prefix=True, without=("Ġ", "a"))),
        ("unknown bytes", roberta(data, without=("Ã", "Ģ", "a"), unk_token="<unk>")),
        ("unknown bytes fused", roberta(data, without=("Ã", "Ģ", "a"), unk_token="<unk>", fuse_unk=True)),
        ("added tokens", with_added(roberta(data))),
        ("added tokens, a space put before", with_added(roberta(data, prefix=True))),
    ):
        run(f"hard pairs, {name}", tokenizer, pairs, 0)
    cased = multilingual(data)
    run("multilingual cased WordPiece, hard texts", cased, singles)
    run("multilingual cased WordPiece, every sentence", cased, lines)
    long = [("".join(t[:50] for t in hard[:40000]).replace(" ", ""), None), ("ab" * 500000, None)]
    run("words of a megabyte", roberta(data, use_regex=False), long, 0)
    speed(dump, folder, plain, data)
    return 1 if compare.failed else 0


if __name__ == "__main__":
    sys.exit(main())
