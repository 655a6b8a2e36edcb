#!/usr/bin/env python3
"""Compares single normalisers and pre-tokenizers, and sequences of them, with the Python package
`tokenizers`, in tokenizers of every kind, on random strings that favour hard cases: ids and byte
offsets.

    python3 tests/reference/compare_components.py DUMP DATA_FOLDER [COUNT]

DUMP is the program from dump_tokens.c (`make build/release/reference/dump_tokens`); DATA_FOLDER
holds the shared test data. Each component meets COUNT texts (4,000) and every thirteenth code
point of the first planes next to letters. WordPiece has every code point as a piece, so that no difference hides in an
unknown token. Ends with 1 where anything differs. Needs `tokenizers` (0.23.3
was the reference), `sentencepiece` and `protobuf`.
"""
import json
import os
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers as n, pre_tokenizers as p

from compare_random import words_of
from compare_tokenizer import CODE_POINTS, Comparison
from compare_unigram import train
from hard_texts import HardTexts

SPECIALS = ["[CLS]", "[SEP]", "[PAD]", "[UNK]"]
ADDED = [AddedToken("Foo", single_word=True), AddedToken("É x", normalized=True),
         AddedToken("ﬁZ", normalized=True), AddedToken("zz", lstrip=True, rstrip=True, normalized=False)]

NORMALIZERS = {
    "Lowercase": n.Lowercase(), "NFC": n.NFC(), "NFD": n.NFD(), "NFKC": n.NFKC(), "NFKD": n.NFKD(),
    "StripAccents": n.StripAccents(), "Strip": n.Strip(), "Strip left": n.Strip(left=True, right=False),
    "Replace": n.Replace("a", "bé"), "Replace by nothing": n.Replace("e", ""),
    "Replace spaces": n.Replace(Regex(" {2,}"), " "), "Prepend": n.Prepend("▁"),
    "BertNormalizer": n.Sequence([n.BertNormalizer()]),
    "NFD, Lowercase, StripAccents": n.Sequence([n.NFD(), n.Lowercase(), n.StripAccents()]),
    "NFKC, Lowercase, BertNormalizer": n.Sequence([n.NFKC(), n.Lowercase(), n.BertNormalizer(lowercase=False)]),
    "nested": n.Sequence([n.Sequence([n.NFKD(), n.StripAccents()]), n.NFC(), n.Strip(),
                          n.Replace("``", '"'), n.Prepend("x")]),
    "BertNormalizer, NFC": n.Sequence([n.BertNormalizer(strip_accents=True), n.NFC(), n.NFKD()]),
}
WORDS = {
    "BertPreTokenizer": p.BertPreTokenizer(), "WhitespaceSplit": p.WhitespaceSplit(),
    "Whitespace": p.Whitespace(), "Punctuation": p.Punctuation(), "Digits": p.Digits(),
    "each digit": p.Digits(individual_digits=True),
    "WhitespaceSplit, Punctuation": p.Sequence([p.WhitespaceSplit(), p.Punctuation()]),
    "Whitespace, Digits": p.Sequence([p.Whitespace(), p.Digits(individual_digits=True)]),
    "all": p.Sequence([p.Digits(), p.BertPreTokenizer(), p.Sequence([p.Whitespace(), p.Punctuation()])]),
}


def finish(tokenizer):
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.add_tokens(ADDED)
    return tokenizer


def wordpiece(normalizer, words=None):
    codes = [chr(c) for c in CODE_POINTS if 0 < c < 0x20000]
    pieces = SPECIALS + codes + ["##" + c for c in codes]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = words or p.BertPreTokenizer()
    return finish(tokenizer)


def byte_level(normalizer):
    pieces = SPECIALS + sorted(p.ByteLevel.alphabet())
    merges = [("Ġ", "a"), ("Ã", "©"), ("Ì", "ģ"), ("e", "r"), ("Ġ", "Ġ")]
    vocab = {p: i for i, p in enumerate(pieces + [a + b for a, b in merges])}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = p.ByteLevel(add_prefix_space=True)
    return finish(tokenizer)


def unigram(normalizer):
    codes = [chr(c) for c in CODE_POINTS if 0 < c < 0x20000]
    vocab = [(s, 0.0) for s in SPECIALS] + [(c, -float(8 + i % 7)) for i, c in enumerate(codes)]
    vocab += [("▁a", -5.0), ("e\u0301", -4.0), ("er", -6.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = p.Metaspace()
    return finish(tokenizer)


def main():
    dump, data = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 4000
    compare = Comparison(dump)
    hard = HardTexts(7, SPECIALS + ["Foo", "É x", "ﬁZ", "zz", "``", "é x"], words_of(data))
    pairs = [(t, None) for t in hard.texts(count)]
    pairs += [(f"a{chr(c)}1{chr(c)}\u0301", None) for c in CODE_POINTS[:0x20000:13]]
    with tempfile.TemporaryDirectory() as folder:
        charsmap = train(data, folder)[1]
    NORMALIZERS["Precompiled between others"] = n.Sequence(
        [n.Replace("a", "ﬁ"), n.NFD(), n.Precompiled(charsmap), n.Lowercase()])
    made = [(f"{kind.__name__} with {name}", kind, (normalizer,))
            for kind in (wordpiece, byte_level, unigram) for name, normalizer in NORMALIZERS.items()]
    made += [(f"words by {name}", wordpiece, (n.NFC(), words)) for name, words in WORDS.items()]
    for name, kind, arguments in made:
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = kind(*arguments)
            tokenizer.save(os.path.join(folder, "tokenizer.json"))
            with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
                json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, file)
            compare.run(name, folder, tokenizer, pairs, 0)
    return 1 if compare.failed else 0


if __name__ == "__main__":
    sys.exit(main())
