#!/usr/bin/env python3
"""Writes encoder/tokenizer/byte_level_classes.c: which code points are letters, numbers and white
space to the split pattern of the Python package `tokenizers`, found by asking it about each one.

    python3 tests/reference/measure_split.py > encoder/tokenizer/byte_level_classes.c

Takes some ten seconds. Needs `tokenizers` (0.23.3 made the committed file).
"""
import sys

import tokenizers
from tokenizers import pre_tokenizers

from unicode_table import ranges, write

LETTER, NUMBER, SPACE = 1, 2, 4


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


def main():
    print(f"""/* Letters (1), numbers (2) and white space (4) as the split pattern of the reference has them,
 * measured from `tokenizers` {tokenizers.__version__}.
 * Made by tests/reference/measure_split.py; not to be edited. */
#include "encoder/tokenizer/byte_level.h"
""", end="")
    write(ranges(classifier()), "byte_level")


if __name__ == "__main__":
    sys.exit(main())
