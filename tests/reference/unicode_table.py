"""Tables of classes of code points as C: what the measure_*.py scripts have in common."""

LAST_INDEXED = 0x30000


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


def write(found, name, flags="{}", per_line=5):
    """The ranges and, for each block of 256 code points, how many of them end before it."""
    index = [sum(1 for r in found if r[1] < block) for block in range(0, LAST_INDEXED, 256)]
    print(f"""
/* clang-format off */
const struct unicode_range {name}_ranges[] = {{""")
    wrapped([f"{{0x{a:X}, 0x{b:X}, {flags.format(f)}}}," for a, b, f in found], per_line)
    print("};")
    print(f"const size_t {name}_range_count = {len(found)};\n")
    print(f"const uint16_t {name}_index[UNICODE_INDEXED_BLOCKS] = {{")
    wrapped([f"{i}," for i in index], 16)
    print("};\n/* clang-format on */")
