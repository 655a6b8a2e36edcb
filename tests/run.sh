#!/bin/sh
# All tests, as `make check` runs them: scripts, layers and headers, unit tests, the real programs
# over a real socket, the unit tests again under the sanitizers, and a few seconds of each fuzz
# target.
#
#   tests/run.sh MAKE BUILD
#
# Ends with "N passed, N failed, N skipped"; exit code 0 only when nothing failed.
set -u

make=$1 build=$2
jobs=$(nproc)
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a command, shows what it says as it says it, and adds up its last "N passed, ..." line.
# A command that fails without such a line counts as one failure.
phase() { # NAME COMMAND...
    name=$1
    shift
    echo "== $name"
    { "$@" 2>&1; echo "exit code $?"; } | tee "$log" | sed '$d'
    status=$(sed -n '$s/exit code //p' "$log")
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
    if [ -z "$line" ]; then
        if [ "$status" -eq 0 ]; then line="1 passed, 0 failed, 0 skipped"; else line="0 passed, 1 failed, 0 skipped"; fi
    elif [ "$status" -ne 0 ] && [ "${line#*, 0 failed}" != "$line" ]; then
        line="${line%%,*}, 1 failed, ${line##*, }"
    fi
    set -- $(echo "$line" | tr -cd '0-9 ')
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

integration() { # FOLDER-OF-THE-PROGRAMS PYTEST-ARGUMENT...
    bin=$1
    shift
    SBERTD_BIN=$bin /usr/bin/python3 -m pytest -q -rs --no-header \
        -p no:cacheprovider "$@" >"$log.pytest" 2>&1
    code=$?
    cat "$log.pytest"
    count() {
        number=$(tail -n 1 "$log.pytest" | grep -oE "[0-9]+ $1" | head -n 1 | cut -d ' ' -f 1)
        echo "${number:-0}"
    }
    echo "$(count passed) passed, $(($(count failed) + $(count error))) failed, $(count skipped) skipped"
    rm -f "$log.pytest"
    return "$code"
}

build_all() {
    "$make" --no-print-directory -s -j "$jobs" WERROR=1 "$@"
}

phase "scripts" tests/scripts.sh
phase "layers" tests/layers.sh
phase "headers" "$make" --no-print-directory -s hdr-check
phase "build" build_all all unit-bins
if [ "$failed" -eq 0 ]; then
    phase "unit tests" "$make" --no-print-directory -s unit
    phase "integration tests" integration "$build/bin" tests/integration
    phase "build with AddressSanitizer and UBSan" build_all MODE=asan all unit-bins fuzz-bins
    phase "unit tests under AddressSanitizer and UBSan" "$make" --no-print-directory -s MODE=asan unit
    # The sanitizer keeps freed memory back, so memory is only measured above.
    phase "the programs under AddressSanitizer and UBSan" integration "$build/asan/bin" \
        tests/integration/test_protocol.py tests/integration/test_index.py \
        tests/integration/test_query.py --deselect \
        tests/integration/test_protocol.py::test_memory_does_not_grow_with_the_upload --deselect \
        tests/integration/test_query.py::test_it_links_only_what_it_needs
    phase "fuzz targets, briefly" "$make" --no-print-directory -s fuzz-short
    phase "build with ThreadSanitizer" build_all MODE=tsan all unit-bins
    phase "unit tests under ThreadSanitizer" "$make" --no-print-directory -s MODE=tsan unit
    phase "the daemon under ThreadSanitizer" integration "$build/tsan/bin" \
        tests/integration/test_protocol.py --deselect \
        tests/integration/test_protocol.py::test_memory_does_not_grow_with_the_upload
fi

echo
if [ "$skipped" -gt 0 ]; then
    echo "skipped tests want the model (sbert-model pull all-MiniLM-L6-v2) or the public test data"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
