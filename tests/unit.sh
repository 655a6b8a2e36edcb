#!/bin/sh
# Runs unit test programs (cmocka) one after another and adds up their TAP lines.
#
#   tests/unit.sh PROGRAM...
#
# Prints every test that failed with what it said, and ends with "N passed, N failed, N skipped".
set -u

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in "$@"; do
    CMOCKA_MESSAGE_OUTPUT=TAP "$program" >"$log" 2>&1
    status=$?
    # cmocka writes a skipped test as "not ok N # SKIP name".
    ok=$(grep -c '^ok ' "$log")
    skip=$(grep -c '^not ok .*# SKIP' "$log")
    not_ok=$(($(grep -c '^not ok ' "$log") - skip))
    if [ "$not_ok" -eq 0 ] && [ "$status" -ne 0 ]; then
        not_ok=1 # it died before it could say so
    fi
    if [ $((ok + skip + not_ok)) -eq 0 ]; then
        not_ok=1 # a program without tests is a mistake
    fi
    if [ "$not_ok" -ne 0 ]; then
        echo "FAILED $program (exit code $status)"
        sed 's/^/    /' "$log"
    else
        echo "ok $program: $ok tests$([ "$skip" -gt 0 ] && echo ", $skip skipped")"
        grep '# SKIP' "$log" | sed 's/^/    /'
    fi
    passed=$((passed + ok))
    failed=$((failed + not_ok))
    skipped=$((skipped + skip))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
