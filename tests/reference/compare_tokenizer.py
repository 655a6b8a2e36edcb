#!/usr/bin/env python3
"""Compares the tokenizer with the Python package `tokenizers`: ids, type ids and byte offsets.

    python3 tests/reference/compare_tokenizer.py DUMP MODEL_FOLDER [DATA_FOLDER]

DUMP is the program from dump_tokens.c (`make build/release/reference/dump_tokens`); DATA_FOLDER
holds the shared test data. Prints what was compared with the number of differences, and the speed
of both; ends with 1 where anything differs. Takes some four minutes. Needs `tokenizers` (0.23.3 was the reference) and no network.
"""
import glob
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer

NONE = struct.pack("=I", 0xFFFFFFFF)
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def record(text):
    if text is None:
        return NONE
    data = text.encode()
    return struct.pack("=I", len(data)) + data


def ours(dump, folder, pairs, limit, lower=-1, repeat=None):
    data = b"".join(record(a) + record(b) for a, b in pairs)
    command = [dump, folder, str(limit), str(lower)] + ([str(repeat)] if repeat else [])
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout.decode()


def byte_offsets(text):
    """Where each code point starts in bytes: the reference counts code points."""
    if text.isascii():
        return range(len(text) + 1)
    at, offsets = 0, [0]
    for c in text:
        at += len(c.encode())
        offsets.append(at)
    return offsets


def reference_line(encoding, full, texts):
    offsets = [byte_offsets(t) if t is not None else None for t in texts]
    parts = [str(full)]
    for i, t, (s, e), n in zip(
        encoding.ids, encoding.type_ids, encoding.offsets, encoding.sequence_ids
    ):
        if n is not None:
            s, e = offsets[n][s], offsets[n][e]
        parts.append(f"{i}:{t}:{s}:{e}")
    return " ".join(parts)


def reference(tokenizer, pairs, limit):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    inputs = [a if b is None else (a, b) for a, b in pairs]
    fulls = [len(e.ids) for e in tokenizer.encode_batch(inputs)]
    if limit:
        tokenizer.enable_truncation(limit)
    return [
        reference_line(e, full, pair)
        for e, full, pair in zip(tokenizer.encode_batch(inputs), fulls, pairs)
    ]


class Comparison:
    def __init__(self, dump):
        self.dump = dump
        self.failed = 0

    def run(self, name, folder, tokenizer, pairs, limit=256, lower=-1):
        different = shown = 0
        for at in range(0, len(pairs), 20000):
            part = pairs[at : at + 20000]
            got = ours(self.dump, folder, part, limit, lower).splitlines()
            want = reference(tokenizer, part, limit)
            assert len(got) == len(want), f"{len(got)} lines for {len(want)} texts"
            for pair, g, w in zip(part, got, want):
                if g != w:
                    different += 1
                    if shown < 5:
                        shown += 1
                        print(f"  {pair!r:.300}\n    ours      {g:.300}\n    reference {w:.300}")
        print(f"{'ok' if not different else 'DIFFERENT'} {name}: {len(pairs)} compared, "
              f"{different} different", flush=True)
        self.failed += different


def hard_texts(count, seed, more=()):
    """Random strings of what makes tokenizers stumble, with pieces of `more`."""
    rng = random.Random(seed)
    marks = [0x300, 0x301, 0x308, 0x323, 0x327, 0x345, 0x334, 0x5B0, 0x64B, 0x93C, 0x94D, 0x302E,
             0x1D165, 0x1D16D, 0x3099, 0x1DF6, 0xAFA, 0x16FF0, 0x1E8D0, 0x10A0D, 0x93F]
    spaces = [9, 10, 13, 32, 0xA0, 0x2003, 0x3000, 0x85, 0xB, 0xC, 0x200B, 0xFEFF, 0xAD, 0, 0xFFFD]
    pieces = ["[SEP]", "[CLS]", "[MASK]", "[UNK]", "[PAD]", "[sep]", "the", "running", "İ", "ß", "Σ",
              "ǅ", "각", "한국어", "中文", "豈", "...", "don't", "x" * 101, "é", "Å", "e\u0301", "zz",
              "½", "ﬁ", "한", "_", "##ing", "#", "<tok>", "Foo", "foo", "new token", *more]

    def one():
        kind = rng.random()
        if kind < 0.35:
            return rng.choice(pieces)
        if kind < 0.5:
            return chr(rng.choice(spaces))
        if kind < 0.65:
            return chr(rng.choice(marks))
        if kind < 0.8:
            return chr(rng.choice(CODE_POINTS))
        if kind < 0.9:
            return chr(rng.randrange(0xA0, 0x2FF))
        return chr(rng.randrange(33, 127))

    return ["".join(one() for _ in range(rng.randrange(1, 30))) for _ in range(count)]


def changed_model(folder, change):
    """A copy of the model's tokenizer.json with a change, in a folder of its own."""
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        data = json.load(file)
    change(data)
    made = tempfile.TemporaryDirectory()
    with open(os.path.join(made.name, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(data, file)
    return made


def every_piece(data):
    """A vocabulary that has the code points below U+20000 as pieces: no difference hides in an
    unknown token."""
    codes = [chr(c) for c in CODE_POINTS if 0 < c < 0x20000]
    pieces = [t["content"] for t in data["added_tokens"]] + codes + ["##" + c for c in codes]
    data["model"]["vocab"] = {p: i for i, p in enumerate(dict.fromkeys(pieces))}


def switches(data, **values):
    data["normalizer"].update(values)


def with_added(data):
    """Added tokens of every kind, and a continuing prefix that is a letter."""
    size = len(data["model"]["vocab"])
    kinds = [
        ("<tok>", False, False, False, False), ("foo", True, False, False, True),
        ("new token", False, True, True, True), ("zz", True, True, True, False),
        ("é", False, False, False, True), ("中文", False, True, False, True), ("Å", False, False, True, False),
    ]
    for i, (text, word, left, right, normalized) in enumerate(kinds):
        data["added_tokens"].append(
            dict(id=size + i, content=text, single_word=word, lstrip=left, rstrip=right,
                 normalized=normalized, special=False))


def main():
    dump, folder = sys.argv[1:3]
    compare = Comparison(dump)
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))

    alone = [(chr(c), None) for c in CODE_POINTS]
    within = [(f"a{chr(c)}b", None) for c in CODE_POINTS]
    compare.run("every code point alone", folder, tokenizer, alone)
    compare.run("every code point between letters", folder, tokenizer, within)

    hard = hard_texts(100000, 1)
    singles = [(t, None) for t in hard]
    pairs = list(zip(hard[::2], hard[1::2]))
    compare.run("hard texts", folder, tokenizer, singles)
    for limit in (3, 4, 5, 8, 16, 33, 256):
        compare.run(f"hard pairs, limit {limit}", folder, tokenizer, pairs[:20000], limit)
    compare.run("hard pairs without a limit", folder, tokenizer, pairs[:20000], 0)
    compare.run("hard texts, limit 2", folder, tokenizer, singles[:2000], 2)

    for name, change in (
        ("each code point a piece", every_piece),
        ("each code point a piece, case and accents kept", lambda d: (every_piece(d), switches(
            d, lowercase=False, strip_accents=False))),
        ("nothing normalised", lambda d: switches(d, clean_text=False, handle_chinese_chars=False,
                                                  strip_accents=False, lowercase=False)),
        ("lower case, accents kept", lambda d: switches(d, strip_accents=False)),
        ("accents stripped, case kept", lambda d: switches(d, strip_accents=True, lowercase=False)),
        ("not cleaned", lambda d: switches(d, clean_text=False)),
        ("added tokens", with_added),
        ("words of at most 5", lambda d: d["model"].update(max_input_chars_per_word=5)),
    ):
        with changed_model(folder, change) as made:
            other = Tokenizer.from_file(os.path.join(made, "tokenizer.json"))
            compare.run(f"hard texts, {name}", made, other, singles, 0)
            if "case" in name or "nothing" in name or "each" in name:
                compare.run(f"every code point between letters, {name}", made, other, within)

    if len(sys.argv) > 3:
        texts = []
        for path in sorted(glob.glob(os.path.join(sys.argv[3], "sentences", "*.txt"))):
            with open(path, encoding="utf-8") as file:
                lines = file.read().split("\n")
            texts += lines
            compare.run(os.path.basename(path), folder, tokenizer, [(t, None) for t in lines])
        compare.run("neighbouring lines as pairs, limit 20", folder, tokenizer,
                    list(zip(texts[::2], texts[1::2])), 20)
        speed(dump, folder, tokenizer, sys.argv[3])
    return 1 if compare.failed else 0


def speed(dump, folder, tokenizer, data):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer.enable_truncation(256)
    for name in ("headlines_en.txt", "parakqc_ko.txt"):
        with open(os.path.join(data, "sentences", name), encoding="utf-8") as file:
            lines = file.read().split("\n")
        single = [(t, None) for t in lines]
        theirs = mine = 1e9
        for _ in range(3):
            start = time.perf_counter()
            tokenizer.encode_batch(lines)
            theirs = min(theirs, time.perf_counter() - start)
            mine = min(mine, float(ours(dump, folder, single, 256, repeat=5)) / 5)
        print(f"{name}: {len(lines) / mine:.0f} texts/s, the reference {len(lines) / theirs:.0f} "
              f"(one thread each), {theirs / mine:.1f} times as fast")


if __name__ == "__main__":
    sys.exit(main())
