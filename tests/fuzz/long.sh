#!/bin/sh
# Runs fuzz targets built with libFuzzer, one after another.
#
#   tests/fuzz/long.sh PROGRAM...
#
# PROGRAM is .../<room>/fuzz_<name>; its seeds are tests/fuzz/<room>/corpus/<name>. $FUZZ_SECONDS
# (3600) is the time for each. What it finds, and the inputs that reached new code, stay beside the
# program in <name>.found. Ends with "N passed, N failed, N skipped".
set -u

passed=0 failed=0

for program in "$@"; do
    room=$(basename "$(dirname "$program")")
    name=$(basename "$program")
    found=$program.found
    mkdir -p "$found/inputs"
    if "$program" -max_total_time="${FUZZ_SECONDS:-3600}" -timeout=30 -rss_limit_mb=4096 \
        -print_final_stats=1 -artifact_prefix="$found/" \
        "$found/inputs" "tests/fuzz/$room/corpus/${name#fuzz_}" >"$found/log" 2>&1; then
        echo "ok $room/$name: $(sed -n 's/stat::number_of_executed_units: *//p' "$found/log") inputs"
        passed=$((passed + 1))
    else
        echo "not ok $room/$name (exit code $?): see $found/log"
        tail -n 40 "$found/log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
