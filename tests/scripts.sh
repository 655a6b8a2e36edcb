#!/bin/sh
# Fails on a shell script that sh cannot read or that is not executable. Most of them run only on a
# machine that has nothing yet, where no other test would see that they are broken.
set -eu

bad=0
for script in .ci/run */*.sh */*/*.sh; do
    [ -x "$script" ] || { echo "$script is not executable" >&2; bad=1; }
    sh -n "$script" || bad=1
done
exit $bad
