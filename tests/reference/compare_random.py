#!/usr/bin/env python3
"""Compares each family of tokenizers with the Python package `tokenizers` on random strings that
favour hard cases (hard_texts.py): ids, type ids, byte offsets and full counts.

    python3 tests/reference/compare_random.py DUMP DATA_FOLDER [--count N] [--first N]
                                              [--family NAME]...

DUMP is the program from dump_tokens.c (`make build/release/reference/dump_tokens`); DATA_FOLDER
holds the shared test data. For each family COUNT strings (1,000,000) go through as single texts
under several limits, half as many pairs of them are truncated, and COUNT / 20 strings with
ill-formed UTF-8, which the reference cannot be given, must be refused at the byte where Python's
decoder refuses them. String number n is the same in every run, so that a run can be split by
--first, a multiple of 20,000. Ends with 1 where anything differs. Takes some minutes for each
family; needs `tokenizers` (0.23.3 was the reference), and for Unigram `sentencepiece` and
`protobuf`.
"""
import argparse
import collections
import os
import re
import struct
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, normalizers

import compare_bpe
import compare_unigram
from compare_tokenizer import NONE, ours, reference_line
from hard_texts import HardTexts

CHUNK = 20000
# What a text is cut to; 0 is no limit. A chunk takes one of each.
SINGLE_LIMITS = (256, 0, 16, 512, 5, 128)
PAIR_LIMITS = (16, 64, 8, 256, 33, 5, 0)
BERT = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]
ROBERTA = ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]


def uncased(data, _folder):
    path = os.path.join(data, "tokenizers", "all-MiniLM-L6-v2", "tokenizer.json")
    return Tokenizer.from_file(path)


def cased(data, _folder):
    return compare_bpe.multilingual(data)


def byte_level(data, _folder):
    return compare_bpe.roberta(data)


def unigram(data, folder):
    pieces, charsmap = compare_unigram.train(data, folder)
    return compare_unigram.build(pieces, normalizers.Precompiled(charsmap))


FAMILIES = {"wordpiece-uncased": (uncased, BERT), "wordpiece-cased": (cased, BERT),
            "byte-level-bpe": (byte_level, ROBERTA), "unigram-nmt-nfkc": (unigram, ROBERTA + ["▁"])}


def words_of(data):
    """Words of true text, frequent ones first and rare ones after."""
    counts = collections.Counter()
    for name in ("headlines_en.txt", "parakqc_ko.txt"):
        with open(os.path.join(data, "sentences", name), encoding="utf-8") as file:
            counts.update(file.read().split())
    return [word for word, _ in counts.most_common(20000)]


def reference(tokenizer, pairs, limit):
    """A few texts at a time: the reference keeps all that truncation cuts off, which for byte-level
    pairs is many gigabytes in a chunk."""
    return [line for at in range(0, len(pairs), 250)
            for line in reference_part(tokenizer, pairs[at:at + 250], limit)]


def reference_part(tokenizer, pairs, limit):
    """Truncating anew only what is over the limit: the full count is that of the whole."""
    inputs = [a if b is None else (a, b) for a, b in pairs]
    tokenizer.no_truncation()
    whole = tokenizer.encode_batch(inputs)
    fulls = [len(e) for e in whole]
    over = [i for i, n in enumerate(fulls) if limit and n > limit]
    if over:
        tokenizer.enable_truncation(limit)
        for i, e in zip(over, tokenizer.encode_batch([inputs[i] for i in over])):
            whole[i] = e
    return [reference_line(e, n, pair) for e, n, pair in zip(whole, fulls, pairs)]


class Family:
    def __init__(self, name, dump, data):
        make, self.literals = FAMILIES[name]
        self.name, self.dump = name, dump
        self.words = words_of(data)
        self.folder = tempfile.TemporaryDirectory()
        self.tokenizer = make(data, self.folder.name)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.tokenizer.save(os.path.join(self.folder.name, "tokenizer.json"))
        self.compared = collections.Counter()
        self.different = 0

    def differs(self, kind, what, got, want):
        self.different += 1
        if self.different <= 5:
            print(f"  {self.name}, {kind}: {what!r:.400}\n    ours      {got:.300}\n"
                  f"    reference {want:.300}", flush=True)

    def compare(self, kind, pairs, limit):
        got = ours(self.dump, self.folder.name, pairs, limit).splitlines()
        want = reference(self.tokenizer, pairs, limit)
        assert len(got) == len(want), f"{len(got)} lines for {len(want)} texts"
        for pair, g, w in zip(pairs, got, want):
            if g != w:
                self.differs(f"{kind}, limit {limit}", pair, g, w)
        self.compared[kind] += len(pairs)

    def refuse(self, texts):
        data = b"".join(struct.pack("=I", len(t)) + t + NONE for t in texts)
        got = subprocess.run([self.dump, self.folder.name, "0", "-1"], input=data, check=True,
                             stdout=subprocess.PIPE).stdout.decode().splitlines()
        assert len(got) == len(texts), f"{len(got)} lines for {len(texts)} texts"
        for text, line in zip(texts, got):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                if not re.fullmatch(f"error .*not valid UTF-8 at byte {error.start}", line):
                    self.differs("ill-formed", text, line, str(error))
        self.compared["ill-formed"] += len(texts)

    def run(self, first, count):
        for at in range(first, first + count, CHUNK):
            number = at // CHUNK
            hard = HardTexts(number, self.literals, self.words)
            texts = hard.texts(min(CHUNK, first + count - at))
            self.compare("singles", [(t, None) for t in texts],
                         SINGLE_LIMITS[number % len(SINGLE_LIMITS)])
            self.compare("pairs", list(zip(texts[::2], texts[1::2])),
                         PAIR_LIMITS[number % len(PAIR_LIMITS)])
            self.refuse(hard.ill_formed(len(texts) // 20))
            if number % 10 == 9:
                self.report("so far")

    def report(self, when):
        counts = ", ".join(f"{n} {kind}" for kind, n in self.compared.items())
        print(f"{'DIFFERENT' if self.different else 'ok'} {self.name} {when}: {counts}: "
              f"{self.different} different", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dump")
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--family", action="append", choices=FAMILIES)
    arguments = parser.parse_args()
    if arguments.first % CHUNK:
        parser.error(f"--first must be a multiple of {CHUNK}")
    different = 0
    for name in arguments.family or FAMILIES:
        family = Family(name, arguments.dump, arguments.data)
        family.run(arguments.first, arguments.count)
        family.report("in all")
        different += family.different
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
