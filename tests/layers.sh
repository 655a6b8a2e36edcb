#!/bin/sh
# Fails on an include that crosses the rooms the wrong way: `encoder`, `index` and `storage` know
# only themselves and `base`; `base` knows nobody; `cli` knows the wire format of `daemon` and its
# engine header, and compares the vectors of a file by index/pairs. Only daemon/engine*.c knows
# encoder, index and storage together.
set -eu

bad=0
allow() { # ROOM PATTERN: the rooms' headers that it may include
    wrong=$(grep -rnE '^#include "(base|encoder|index|storage|daemon|cli)/' --include='*.[ch]' \
        --include='*.cpp' "$1" | grep -vE "#include \"($2)" || true)
    if [ -n "$wrong" ]; then
        echo "$1 may not include:" >&2
        echo "$wrong" >&2
        bad=1
    fi
}
allow base 'base/'
allow encoder 'base/|encoder/'
allow index 'base/|index/'
allow storage 'base/|storage/'
allow daemon 'base/|encoder/|index/|storage/|daemon/'
allow cli 'base/|encoder/|index/pairs/|daemon/|cli/'

three=$(grep -slE '#include "index/' $(grep -slE '#include "storage/' daemon/*.c daemon/*.h) /dev/null |
    grep -vE 'daemon/engine' || true)
if [ -n "$three" ]; then
    echo "only daemon/engine*.c may know index and storage together: $three" >&2
    bad=1
fi
exit $bad
