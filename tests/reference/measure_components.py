#!/usr/bin/env python3
"""Writes encoder/tokenizer/unicode_components.c: what the Python package `tokenizers` takes for a
mark (StripAccents) and a number (Digits), and what its NFKD changes more than its NFD, found by
asking it about each code point.

    python3 tests/reference/measure_components.py > encoder/tokenizer/unicode_components.c

Takes some ten seconds. Needs `tokenizers` (0.23.3 made the committed file).
"""
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers

from unicode_table import ranges, write

ACCENT, NUMBER, COMPATIBLE = 1, 2, 4


def classifier():
    strip, nfd, nfkd = normalizers.StripAccents(), normalizers.NFD(), normalizers.NFKD()
    digits = pre_tokenizers.Digits(individual_digits=True)

    def classify(c):
        flags = ACCENT if strip.normalize_str(c) == "" else 0
        if len(digits.pre_tokenize_str("a" + c)) == 2:
            flags |= NUMBER
        if nfkd.normalize_str(c) != nfd.normalize_str(c):
            flags |= COMPATIBLE
        return flags

    return classify


def main():
    print(f"""/* Marks (1), numbers (2) and what has a compatibility decomposition (4) as single components of the
 * reference have them, measured from `tokenizers` {tokenizers.__version__}.
 * Made by tests/reference/measure_components.py; not to be edited. */
#include "encoder/tokenizer/unicode.h"
""", end="")
    write(ranges(classifier()), "unicode_component")


if __name__ == "__main__":
    sys.exit(main())
