#!/usr/bin/env python3
"""Writes encoder/tokenizer/unicode_reference.c: how the Python package `tokenizers` classifies
every code point, found by asking it about each one.

    python3 tests/reference/measure_unicode.py > encoder/tokenizer/unicode_reference.c

Takes about a minute. Needs `tokenizers` (0.23.3 made the committed file).
"""
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

CONTROL, SPACE, PUNCTUATION, IDEOGRAPH, MARK, DECOMPOSES, COMBINES, WORD = (1 << i for i in range(8))
LAST_INDEXED = 0x30000
HIGHEST_CLASS = 240  # the combining class of U+0345; no other character has it


def classifier():
    clean = normalizers.BertNormalizer(True, False, False, False)
    spaced = normalizers.BertNormalizer(False, True, False, False)
    strip = normalizers.BertNormalizer(False, False, True, False)
    nfd = normalizers.NFD()
    split = pre_tokenizers.BertPreTokenizer()
    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    words.add_tokens([AddedToken("<1>", single_word=True, normalized=False)])
    one = words.token_to_id("<1>")

    def classify(c):
        flags = 0
        if clean.normalize_str(c) == "":
            flags |= CONTROL
        pieces = [piece for piece, _ in split.pre_tokenize_str("a" + c + "b")]
        if pieces == ["a", "b"]:
            flags |= SPACE
        elif pieces == ["a", c, "b"]:
            flags |= PUNCTUATION
        if spaced.normalize_str(c) == f" {c} ":
            flags |= IDEOGRAPH
        if nfd.normalize_str(c) != c:
            flags |= DECOMPOSES
        else:
            if strip.normalize_str(c) == "":
                flags |= MARK
            if c == "\u0345" or nfd.normalize_str("a\u0345" + c) != "a\u0345" + c:
                flags |= COMBINES
        if one not in words.encode(c + "<1>").ids:
            flags |= WORD
        return flags

    return classify


def ranges(classify):
    found = []
    for code in range(0x110000):
        flags = 0 if 0xD800 <= code < 0xE000 else classify(chr(code))
        if found and found[-1][1] == code - 1 and found[-1][2] == flags:
            found[-1][1] = code
        else:
            found.append([code, code, flags])
    return [r for r in found if r[2]]


def wrapped(items, per_line):
    for i in range(0, len(items), per_line):
        print("    " + " ".join(items[i : i + per_line]))


def main():
    found = ranges(classifier())
    index = []
    for block in range(0, LAST_INDEXED, 256):
        index.append(sum(1 for r in found if r[1] < block))
    print(f"""/* The reference's classes of code points, measured from `tokenizers` {tokenizers.__version__}.
 * Made by tests/reference/measure_unicode.py; not to be edited. */
#include "encoder/tokenizer/unicode.h"

/* clang-format off */
const struct unicode_range unicode_reference_ranges[] = {{""")
    wrapped([f"{{0x{a:X}, 0x{b:X}, 0x{f:X}}}," for a, b, f in found], 4)
    print("};")
    print(f"const size_t unicode_reference_range_count = {len(found)};\n")
    print("const uint16_t unicode_reference_index[UNICODE_INDEXED_BLOCKS] = {")
    wrapped([f"{i}," for i in index], 16)
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    sys.exit(main())
