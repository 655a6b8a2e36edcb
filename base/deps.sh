#!/bin/sh
# The Debian packages that building needs.
#
#   base/deps.sh install PACKAGE...   installs those that are missing: as root, or through sudo
#   base/deps.sh check PACKAGE...     installs nothing; names what is missing and its cure
#
# `check` also wants FAISS where $FAISS says.
set -eu

action=$1
shift

missing=
for package in "$@"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done

list() {
    echo "these packages are missing:" >&2
    for package in $missing; do
        echo "    $package" >&2
    done
}

case $action in
check)
    if [ -n "$missing" ]; then
        list
        echo "install them with 'make deps', or: apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    if [ ! -e "$FAISS/lib/libfaiss_c.so" ]; then
        echo "FAISS is not built yet ($FAISS); build it, once, with: make deps" >&2
        exit 1
    fi
    ;;
install)
    [ -n "$missing" ] || exit 0
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root="sudo DEBIAN_FRONTEND=noninteractive"
    else
        list
        echo "as root, run: apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # shellcheck disable=SC2086  # lists of words
    if ! $as_root apt-get update -q >"$log" 2>&1 ||
        ! $as_root apt-get install -q -y --no-install-recommends $missing >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        echo "the packages could not be installed" >&2
        exit 1
    fi
    # Remembered, so that whoever removes it all can be told which packages came with it.
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/sbertd
    mkdir -p "$cache" && printf '%s\n' $missing >>"$cache/installed-packages"
    ;;
esac
