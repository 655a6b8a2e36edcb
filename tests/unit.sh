#!/bin/sh
# Runs unit test programs (cmocka), as many at once as there are processors, and adds up their TAP
# lines.
#
#   tests/unit.sh PROGRAM...
#
# Prints every test that failed with what it said, the seconds that a program took, and ends with
# "N passed, N failed, N skipped".
set -u

# Runs one program, prints what it came to, and writes "PASSED FAILED SKIPPED" for the sum.
run_one() { # PROGRAM FOLDER
    log=$(mktemp "$2/XXXXXX")
    began=$(date +%s)
    CMOCKA_MESSAGE_OUTPUT=TAP "$1" >"$log" 2>&1
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
        echo "FAILED $1 (exit code $status)"
        sed 's/^/    /' "$log"
    else
        echo "ok $1: $ok tests$([ "$skip" -gt 0 ] && echo ", $skip skipped"), $(($(date +%s) - began)) s"
        grep '# SKIP' "$log" | sed 's/^/    /'
    fi >"$log.said"
    flock "$2/lock" cat "$log.said" # so that what two say is not mixed
    echo "$ok $not_ok $skip" >"$log.sum"
}

if [ "${1:-}" = --one ]; then
    run_one "$3" "$2"
    exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '%s\n' "$@" | xargs -P "$(nproc)" -I PROGRAM "$0" --one "$folder" PROGRAM
# A program whose sum is missing has not run.
cat "$folder"/*.sum | awk -v programs=$# '{ passed += $1; failed += $2; skipped += $3 }
    END { failed += programs - NR; printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
          exit (failed > 0) }'
