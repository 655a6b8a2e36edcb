#!/bin/sh
# The demo: from nothing to answers by meaning over every Debian package's one-line description.
#
#   cli/demo.sh run MAKE BIN PACKAGE...   what `make demo` does
#   cli/demo.sh remove BIN                what `make demo-remove` does
#
# All it makes is below $HOME's XDG folders; a second run finds it there and changes nothing.
set -eu

state=${XDG_STATE_HOME:-$HOME/.local/state}/sbertd-demo
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sbertd
model=all-MiniLM-L6-v2
export SBERTD_SOCKET="$state/sbertd.sock"
export SBERTD_DATA_DIR="$state/data"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m') clear=$(printf '\r\033[K')
else
    bold= plain= clear=
fi

now() { date +%s.%N; }
timings=
started=$(now)
# Notes how long the step since the last call took.
lap() { # NAME
    ended=$(now)
    timings="$timings$(awk -v a="$started" -v b="$ended" -v n="$1" \
        'BEGIN { printf "    %-34s %7.1f s", n, b - a }')
"
    started=$ended
}

heading() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

# Asks one question; sbert-query lays its answers out for the terminal, where there is one.
ask() { # QUERY NOTE
    before=$(now)
    printf '%s\n%s$ sbert-query -k 3 "%s"%s\n' "$clear" "$bold" "$1" "$plain"
    "$bin/sbert-query" -k 3 "$1" || echo "    (nothing found)"
    awk -v a="$before" -v b="$(now)" -v n="$2" \
        'BEGIN { printf "    (%.0f ms from typing to answer%s)\n", (b - a) * 1000, n }'
}

documents() {
    "$bin/sbert-index" stats --json 2>/dev/null |
        sed -n 's/.*"documents": *\([0-9][0-9]*\).*/\1/p' | head -n 1
}

# While the rest is being indexed: the first question, as soon as there are some 5,000 documents.
ask_early() {
    while count=$(documents); [ "${count:-0}" -lt 5000 ]; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.2
    done
    ask "look at the stars" "; $count of $lines indexed, the rest goes on"
}

# The one-line description of every Debian package, as `apt-cache search .` prints them; read from
# apt's lists in one go, since that command takes minutes where the lists are kept compressed.
descriptions() {
    apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' 'Origin: Debian' |
    while read -r list; do
        /usr/lib/apt/apt-helper cat-file "$list"
    done | awk '/^Package: / { name = $2 }
                /^Description: / { print name "\t" substr($0, length("Description: ") + 1) }'
}

make_corpus() { # FILE
    # One package may stand in several suites: it is taken once.
    descriptions | tr -d '"' | LC_ALL=C sort -u | LC_ALL=C sort -u -s -t "$(printf '\t')" -k 1,1 \
        >"$1.new"
    if [ "$(wc -l <"$1.new")" -lt 1000 ]; then
        echo "apt has no package lists here; run 'apt-get update' as root, then 'make demo'" >&2
        exit 1
    fi
    sed -i '1i package\tdescription' "$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

run() { # MAKE BIN PACKAGE...
    make=$1 bin=$2
    shift 2
    heading "1. Packages and FAISS"
    "$make" --no-print-directory deps DEPS_EXTRA="$*"
    lap "packages and FAISS"

    heading "2. The programs"
    "$make" --no-print-directory -j "$(nproc)" all
    lap "building"

    heading "3. The model"
    "$bin/sbert-model" pull "$model"
    lap "the model (90 MB)"

    heading "4. The service"
    mkdir -p "$state"
    "$bin/sbertd" start
    lap "starting sbertd"

    heading "5. Indexing one line for every Debian package"
    make_corpus "$state/packages.tsv"
    lines=$(($(wc -l <"$state/packages.tsv") - 1))
    "$bin/sbert-index" add --id-column package --text-column description "$state/packages.tsv" &
    adding=$!
    [ "$(documents || true)" = "$lines" ] || ask_early "$adding"
    wait "$adding" || { echo "indexing failed; what was committed stays, and 'make demo' goes on from there" >&2; exit 1; }
    lap "indexing $lines lines"

    heading "6. Asking by meaning"
    # None of them shares a word with its good answers.
    ask "teach children the multiplication table" ""
    ask "keep an eye on how hot my computer gets" ""
    ask "bring back photos I erased by mistake" ""
    lap "three questions"

    heading "Where the time went"
    printf '%s' "$timings"
    heading "Going on"
    cat <<END
    export SBERTD_SOCKET=$SBERTD_SOCKET
    $bin/sbert-query "edit a movie from the terminal"
    $bin/sbert-index add FILE...     # lines, JSON lines, CSV, text; --help tells
    curl --unix-socket \$SBERTD_SOCKET http://localhost/v1/status

    The service goes on running; stop it with: $bin/sbertd stop --data-dir $SBERTD_DATA_DIR
    Remove all that the demo made with:        make demo-remove
END
}

remove() { # BIN
    bin=$1
    if [ -x "$bin/sbertd" ]; then "$bin/sbertd" stop || true; fi
    rm -rf "$state"
    if [ -x "$bin/sbert-model" ]; then "$bin/sbert-model" rm --yes "$model" || true; fi
    if [ -s "$cache/installed-packages" ]; then
        echo "these packages were installed for it; remove them, if nothing else wants them, with:"
        echo "    apt-get remove $(tr '\n' ' ' <"$cache/installed-packages")"
    fi
    rm -rf "$cache"
    echo "removed: $state, $cache, the model; 'make clean' removes what was built here"
}

action=$1
shift
case $action in
run) run "$@" ;;
remove) remove "$@" ;;
esac
