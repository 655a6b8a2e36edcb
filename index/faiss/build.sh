#!/bin/sh
# Builds FAISS 1.7.3 with its C API, once, from the distribution's source package into PREFIX:
#
#   PREFIX/include/faiss/...                                  headers, c_api/ included
#   PREFIX/lib/libfaiss.so, libfaiss_c.so                     plain x86-64
#   PREFIX/lib/glibc-hwcaps/x86-64-v3/libfaiss.so, ...        the same for AVX2; the loader picks
#
# usage: index/faiss/build.sh PREFIX
#
# The source comes through apt with a configuration of its own, so the machine's package sources
# stay as they are, and apt checks the archive's signature. The build happens beside PREFIX and is
# renamed into place when it is whole: an interrupted build leaves nothing that looks finished.
set -eu

VERSION=1.7.3
PREFIX=${1:?usage: build.sh PREFIX}

fail() {
    echo "faiss: $1" >&2
    exit 1
}

for tool in cmake g++ make apt-get dpkg-source flock; do
    command -v "$tool" >/dev/null || fail "'$tool' is missing; install it with: make deps"
done

mkdir -p "$(dirname "$PREFIX")"
exec 9>"$PREFIX.lock"
flock 9
if [ -e "$PREFIX/lib/libfaiss_c.so" ]; then
    exit 0
fi

work=$PREFIX.build
rm -rf "$work"
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/stage"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The mirror is the one the machine already uses for Debian's packages, with the keys that its own
# entry names, or where that holds a key itself (as deb822 files may) with apt's trusted ones.
apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(SIGNED_BY)|' \
        'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null | sort -u |
while IFS='|' read -r uri codename signed_by _; do
    case $signed_by in
        /*.gpg | /*.asc) ;;
        *) signed_by= ;;
    esac
    echo "deb-src ${signed_by:+[signed-by=$signed_by] }$uri $codename main"
done >"$work/apt/sources.list"
[ -s "$work/apt/sources.list" ] ||
    fail "apt knows no Debian package index; run 'apt-get update' as root and try again"

private_apt() {
    apt-get -q -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
        -o APT::Sandbox::User= "$@"
}

echo "faiss: fetching the source package"
private_apt update >"$work/apt.log" 2>&1 || {
    tail -n 5 "$work/apt.log" >&2
    fail "apt could not read the source index (is the network there?)"
}
source_version=$(apt-cache -o Dir::Etc::SourceList="$work/apt/sources.list" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/apt/lists" \
    -o Dir::Cache="$work/apt/cache" showsrc --only-source faiss |
    sed -n "s/^Version: \($VERSION-.*\)/\1/p" | head -n 1)
[ -n "$source_version" ] ||
    fail "version $VERSION is not in this distribution's archive; Debian 12 has it"
(cd "$work" && private_apt source --download-only "faiss=$source_version" >"$work/apt.log" 2>&1) || {
    tail -n 5 "$work/apt.log" >&2
    fail "the source package could not be fetched"
}
dpkg-source --no-check -x "$work"/faiss_*.dsc "$work/src" >"$work/apt.log" 2>&1 || {
    tail -n 5 "$work/apt.log" >&2
    fail "the source package could not be unpacked"
}

jobs=$(nproc)
build() { # NAME FLAGS LIBDIR
    echo "faiss: building for $1 (about two minutes a core)"
    cmake -S "$work/src" -B "$work/$1" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="$2" \
        -DFAISS_ENABLE_GPU=OFF -DFAISS_ENABLE_PYTHON=OFF -DFAISS_ENABLE_C_API=ON \
        -DFAISS_OPT_LEVEL=generic -DBUILD_TESTING=OFF -DBUILD_SHARED_LIBS=ON \
        -DBLA_VENDOR=OpenBLAS -DCMAKE_INSTALL_RPATH='$ORIGIN' >"$work/$1.log" 2>&1 &&
        cmake --build "$work/$1" --target faiss faiss_c -j "$jobs" >>"$work/$1.log" 2>&1 || {
        tail -n 20 "$work/$1.log" >&2
        fail "the build for $1 failed"
    }
    mkdir -p "$3"
    cp "$work/$1/faiss/libfaiss.so" "$work/$1/c_api/libfaiss_c.so" "$3"
}
build x86-64 "-O3" "$work/stage/lib"
build x86-64-v3 "-O3 -march=x86-64-v3" "$work/stage/lib/glibc-hwcaps/x86-64-v3"

mkdir -p "$work/stage/include/faiss"
(cd "$work/src" && find faiss -name '*.h' ! -path '*/gpu/*' ! -path '*/python/*' \
    -exec cp --parents {} "$work/stage/include" \;)
mkdir -p "$work/stage/include/faiss/c_api"
(cd "$work/src/c_api" && find . -name '*.h' ! -path './gpu/*' \
    -exec cp --parents {} "$work/stage/include/faiss/c_api" \;)

rm -rf "$PREFIX"
mv "$work/stage" "$PREFIX"
echo "faiss: ready in $PREFIX"
