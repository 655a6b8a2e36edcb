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

from measure_split import LAST_INDEXED, ranges, wrapped

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
    found = ranges(classifier())
    index = [sum(1 for r in found if r[1] < block) for block in range(0, LAST_INDEXED, 256)]
    print(f"""/* Marks (1), numbers (2) and what has a compatibility decomposition (4) as single components of the
 * reference have them, measured from `tokenizers` {tokenizers.__version__}.
 * Made by tests/reference/measure_components.py; not to be edited. */
#include "encoder/tokenizer/unicode.h"

/* clang-format off */
const struct unicode_range unicode_component_ranges[] = {{""")
    wrapped([f"{{0x{a:X}, 0x{b:X}, {f}}}," for a, b, f in found], 5)
    print("};")
    print(f"const size_t unicode_component_range_count = {len(found)};\n")
    print("const uint16_t unicode_component_index[UNICODE_INDEXED_BLOCKS] = {")
    wrapped([f"{i}," for i in index], 16)
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    sys.exit(main())
