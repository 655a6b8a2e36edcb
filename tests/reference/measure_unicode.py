#!/usr/bin/env python3
"""Writes encoder/tokenizer/unicode_reference.c: how the Python package `tokenizers` classifies
every code point, found by asking it about each one.

    python3 tests/reference/measure_unicode.py > encoder/tokenizer/unicode_reference.c

Takes about a minute. Needs `tokenizers` (0.23.3 made the committed file).
"""
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from unicode_table import ranges, write

CONTROL, SPACE, PUNCTUATION, IDEOGRAPH, MARK, DECOMPOSES, COMBINES, WORD = (1 << i for i in range(8))
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


def main():
    print(f"""/* The reference's classes of code points, measured from `tokenizers` {tokenizers.__version__}.
 * Made by tests/reference/measure_unicode.py; not to be edited. */
#include "encoder/tokenizer/unicode.h"
""", end="")
    write(ranges(classifier()), "unicode_reference", "0x{:X}", 4)


if __name__ == "__main__":
    sys.exit(main())
