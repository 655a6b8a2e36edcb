"""Near-duplicates judged: which share of the pairs above a threshold is right, and which share of the
right ones is above it.

ParaKQC has 1,000 groups of ten Korean sentences of one meaning, behind each other in the file: every
pair of the 10,000 is right or wrong. Its pairs and groups are those of the daemon's jobs. In STS-B and
SICK only the pairs that people judged count, and at least 4 of 5 is right.
"""

GROUP = 10
MOST_PAIRS = 200000
GOOD = 4.0
THRESHOLDS = (0.98, 0.95, 0.9, 0.85, 0.8)


def read_parakqc(data):
    """{id: text}: the group of a line is its number over ten."""
    with open(data / "sentences/parakqc_groups_ko.tsv", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream if line.strip()]
    for i in range(0, len(rows), GROUP):
        assert len({tuple(row[:2]) for row in rows[i : i + GROUP]}) == 1, f"line {i + 1} begins no group"
    return {f"{i:05}": row[2] for i, row in enumerate(rows)}


def are_same(a, b):
    return int(a) // GROUP == int(b) // GROUP


def judge(right, found, gold):
    precision = f"{100 * right / found:.1f}" if found else "none"
    return f"{precision} / {100 * right / gold:.1f}"


def pairs_at(pairs, threshold, gold):
    """`pairs`: (score, whether it is right), best first."""
    found = [good for score, good in pairs if score >= threshold]
    if len(pairs) == MOST_PAIRS and len(found) == len(pairs):
        return f"over {MOST_PAIRS:,} pairs"
    return judge(sum(found), len(found), gold)


def groups_at(daemon, threshold, gold):
    groups = {}
    for entry in daemon.job("parakqc", kind="dedup", threshold=threshold):
        groups.setdefault(entry["group"], []).append(entry["document"]["id"])
    found = right = 0
    for members in groups.values():
        found += len(members) * (len(members) - 1) // 2
        kinds = [int(key) // GROUP for key in members]
        right += sum(kinds.count(kind) * (kinds.count(kind) - 1) // 2 for kind in set(kinds))
    return judge(right, found, gold)


def print_table(sentences, sets, cosines, daemons, say):
    """`cosines`: {precision: {name: cosines of the set's pairs}}"""
    print("\n| precision / recall of pairs with a cosine of at least | " + " | ".join(f"{t:.2f}" for t in THRESHOLDS)
          + " |\n| --- |" + " --- |" * len(THRESHOLDS))
    for name, (_, _, gold) in sets.items():
        good = [score >= GOOD for score in gold]
        for precision, found in cosines.items():
            pairs = sorted(zip(found[name], good), reverse=True)
            cells = [pairs_at(pairs, threshold, sum(good)) for threshold in THRESHOLDS]
            print(f"| {name}, {sum(good):,} of {len(good):,} judged pairs are right; {precision} | " + " | ".join(cells) + " |")
    gold = len(sentences) // GROUP * (GROUP * (GROUP - 1) // 2)
    for precision, daemon in daemons.items():
        say(f"{precision}: near-duplicates")
        daemon.add("parakqc", sentences)
        entries = daemon.job("parakqc", kind="pairs", top=MOST_PAIRS, threshold=min(THRESHOLDS))
        pairs = [(entry["score"], are_same(entry["a"]["id"], entry["b"]["id"])) for entry in entries]
        cells = [pairs_at(pairs, threshold, gold) for threshold in THRESHOLDS]
        print(f"| ParaKQC (Korean), {gold:,} of 49,995,000 are right; pairs, {precision} | " + " | ".join(cells) + " |")
        cells = [groups_at(daemon, threshold, gold) for threshold in THRESHOLDS]
        print(f"| ParaKQC, the groups of dedup, {precision} | " + " | ".join(cells) + " |", flush=True)
