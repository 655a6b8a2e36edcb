#!/bin/sh
# Runs fuzz targets built with the plain driver (driver.c) for a few seconds each.
#
#   tests/fuzz/short.sh PROGRAM...
#
# PROGRAM is .../<room>/fuzz_<name>; its seeds are tests/fuzz/<room>/corpus/<name>. $FUZZ_SECONDS
# (3) is the time for each, $FUZZ_SEED the random numbers. Prints a line for each and ends with
# "N passed, N failed, N skipped".
set -u

passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in "$@"; do
    room=$(basename "$(dirname "$program")")
    name=$(basename "$program")
    corpus=tests/fuzz/$room/corpus/${name#fuzz_}
    if "$program" "${FUZZ_SECONDS:-3}" "$corpus" >"$log" 2>&1; then
        echo "ok $room/$name: $(tail -n 1 "$log")"
        passed=$((passed + 1))
    else
        echo "not ok $room/$name (exit code $?)"
        sed 's/^/    /' "$log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
