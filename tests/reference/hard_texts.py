"""Random strings of what makes tokenizers stumble, the same for the same seed.

Every Unicode block, runs of combining marks, Hangul in all its forms, emoji sequences, control
characters and white space, words of the longest allowed length and far longer, characters that
compatibility forms change, special tokens written out, words of true text; and for bytes that are
no text, all of these with ill-formed sequences put in.
"""
import random
import sys
import unicodedata

STRIPE = 16  # every block of Unicode begins at a multiple of it

CODE_POINTS = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]


def _of_categories(prefixes):
    return [chr(c) for c in CODE_POINTS if unicodedata.category(chr(c)).startswith(prefixes)]


MARKS = _of_categories(("M",))
CONTROLS = _of_categories(("Cc", "Cf"))
SPACES = _of_categories(("Z",)) + list("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u180e\u200b\ufeff\u00ad")
COMPATIBLE = [chr(c) for c in CODE_POINTS if not 0xAC00 <= c < 0xD7A4 and
              unicodedata.normalize("NFKC", chr(c)) != chr(c)]
# Planes 15 and 16 are for private use: a few stripes stand for them, not half of all texts.
STRIPES = [s for s in range(0, 0xF0000, STRIPE) if not 0xD800 <= s < 0xE000 and
           any(unicodedata.category(chr(c)) != "Cn" for c in range(s, s + STRIPE))]
STRIPES += [0xF0000, 0xFFFF0, 0x100000, 0x10FFF0]
EMOJI = ["👩", "👨", "👧", "🏽", "❤️", "🏴", "🇰", "🇷", "👍", "👍🏿", "☺", "☺️", "1️⃣", "#⃣", "🧑‍🤝‍🧑", "👩‍❤️‍💋‍👨",
         "🏴\U000E0067\U000E0062\U000E007F", "\u200d", "\ufe0e", "\ufe0f", "🫱🏻‍🫲🏿"]
SHORT = list("the a x I 's 'LL n't don't ... -- 1 12 123.4 ½ ß Σ σς İ ı ﬁ ǅ é e\u0301 Å ㍿ ① ﷺ".split())
ILL_FORMED = [b"\x80", b"\xbf\xbf", b"\xc0\xaf", b"\xc3", b"\xe0\x80\x80", b"\xe2\x96", b"\xed\xa0\x80",
              b"\xed\xb0\x80", b"\xf0\x9f\x91", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5", b"\xff"]


class HardTexts:
    """`literals` are a tokenizer's special and added tokens, `words` words of true text."""

    def __init__(self, seed, literals, words):
        self.rng = random.Random(seed)
        self.literals = literals
        self.words = words
        self.stripe = self.rng.randrange(len(STRIPES))
        kinds = ((self.literal, 14), (self.word, 16), (self.short, 10), (self.marks, 10),
                 (self.hangul, 9), (self.emoji, 7), (self.control, 5), (self.space, 10),
                 (self.block, 10), (self.compatible, 5), (self.anything, 3), (self.long, 1))
        self.kinds = [kind for kind, weight in kinds for _ in range(weight)]

    def literal(self):
        text = self.pick(self.literals)
        return self.pick((text, text, text, text.lower(), text.upper(), " " + text, text + " ", text[:-1]))

    def word(self):
        text = self.pick(self.words)
        return self.pick((text, text, " " + text, " " + text, text.upper(), text.title()))

    def short(self):
        return self.pick(SHORT)

    def marks(self):
        base = self.pick(("", "a", "e", "か", "ᄒ", "क", " "))
        return base + "".join(self.pick(MARKS) for _ in range(self.upto(5)))

    def hangul(self):
        kind = self.below(4)
        if kind == 0:
            return chr(0xAC00 + self.below(11172)) * self.upto(2)
        if kind == 1:
            parts = (0x1100 + self.below(19), 0x1161 + self.below(21), 0x11A7 + self.below(28))
            return "".join(map(chr, parts[:self.upto(3)]))
        if kind == 2:
            return "".join(chr(0x1100 + self.below(256)) for _ in range(self.upto(4)))
        return chr(self.pick((0x3131, 0xA960, 0xD7B0, 0xFFA0)) + self.below(29))

    def emoji(self):
        return self.pick(("", "\u200d")).join(self.pick(EMOJI) for _ in range(self.upto(4)))

    def control(self):
        return self.pick(CONTROLS)

    def space(self):
        return self.pick((" ", " ", self.pick(SPACES))) * self.pick((1, 1, 1, 2, 3))

    def block(self):
        """Characters of the next stripe: a run of texts goes through all of them in turn."""
        self.stripe = (self.stripe + 1) % len(STRIPES)
        return "".join(chr(STRIPES[self.stripe] + self.below(STRIPE)) for _ in range(self.upto(3)))

    def compatible(self):
        return self.pick(COMPATIBLE)

    def anything(self):
        return chr(self.pick(CODE_POINTS))

    def long(self):
        """Words about as long as WordPiece takes them, or much longer."""
        unit = self.pick(("x", "ab", "the", "한", "é", "e\u0301", "中", "👩‍", "\u0301", self.word().strip()))
        return unit * (self.pick((95, 101, 106, 150, 400)) // max(1, len(unit)) + self.below(3))

    def text(self):
        return "".join(self.pick(self.kinds)() for _ in range(self.upto(20)))

    def texts(self, count):
        return [self.text() for _ in range(count)]

    def ill_formed(self, count):
        """Bytes that are not UTF-8."""
        made = []
        while len(made) < count:
            data = bytearray(self.text().encode())
            for _ in range(self.upto(2)):
                at = self.below(len(data) + 1)
                data[at:at + self.below(2)] = self.pick(ILL_FORMED)
            try:
                data.decode()
            except UnicodeDecodeError:
                made.append(bytes(data))
        return made

    def pick(self, choices):
        return choices[int(self.rng.random() * len(choices))]

    def below(self, limit):
        return int(self.rng.random() * limit)

    def upto(self, limit):
        return 1 + self.below(limit)
