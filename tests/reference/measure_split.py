#!/usr/bin/env python3
"""Writes encoder/tokenizer/byte_level_classes.c: which code points are letters, numbers and white
space to the split pattern of the Python package `tokenizers`, found by asking it about each one.

    python3 tests/reference/measure_split.py > encoder/tokenizer/byte_level_classes.c

Takes some ten seconds. Needs `tokenizers` (0.23.3 made the committed file).
"""
import sys

import tokenizers
from tokenizers import pre_tokenizers

LETTER, NUMBER, SPACE = 1, 2, 4
LAST_INDEXED = 0x30000


def classifier():
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)

    def is_one(text):
        return len(level.pre_tokenize_str(text)) == 1

    def classify(c):
        if is_one("a" + c + "a"):
            return LETTER
        if is_one("1" + c + "1"):
            return NUMBER
        return 0 if is_one("!" + c + "!") else SPACE

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
    index = [sum(1 for r in found if r[1] < block) for block in range(0, LAST_INDEXED, 256)]
    print(f"""/* Letters (1), numbers (2) and white space (4) as the split pattern of the reference has them,
 * measured from `tokenizers` {tokenizers.__version__}.
 * Made by tests/reference/measure_split.py; not to be edited. */
#include "encoder/tokenizer/byte_level.h"

/* clang-format off */
const struct unicode_range byte_level_ranges[] = {{""")
    wrapped([f"{{0x{a:X}, 0x{b:X}, {f}}}," for a, b, f in found], 5)
    print("};")
    print(f"const size_t byte_level_range_count = {len(found)};\n")
    print("const uint16_t byte_level_index[UNICODE_INDEXED_BLOCKS] = {")
    wrapped([f"{i}," for i in index], 16)
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    sys.exit(main())
