# shellcheck shell=bash
# Shared by the scripts in ci/: install what is missing, build what is stale. Sourced, by bash.
# Everything said here goes to stderr, and nothing is said when there is nothing to do.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}

say() {
    printf 'ci: %s\n' "$*" >&2
}

die() {
    say "$@"
    exit 125
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "need root or sudo for: $*"
    fi
}

# packages LIST...: the names in these files of ci/.
packages() {
    (cd "$ROOT/ci" && sed 's/#.*//' "$@") | tr -s ' \n' '\n' | sed '/^$/d'
}

missing_packages() {
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null |
        sed -n 's/^installed //p' | sort -u)
    comm -23 <(packages "$@" | sort -u) <(printf '%s\n' "$installed")
}

# Take the lock that guards installing and building; one per checkout.
lock() {
    mkdir -p "$ROOT/build"
    exec 9>"$ROOT/build/.lock"
    flock 9
}

unlock() {
    exec 9>&-
}

# install_packages LIST...: what these lists name and is not there.
install_packages() {
    local missing
    command -v dpkg-query >/dev/null || return 0 # not Debian: the build says what it lacks
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "installing" $missing
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be missing or old: update them if the first try finds no candidate.
    as_root apt-get install -y -q --no-install-recommends $missing >&2 </dev/null 9>&- ||
        { as_root apt-get update -q >&2 </dev/null 9>&- &&
            as_root apt-get install -y -q --no-install-recommends $missing >&2 </dev/null 9>&-; } ||
        die "cannot install:" $missing
}

# Install what ci/node/package.json names into build/node_modules, if it is not there in these versions.
node_modules() {
    local stamp=$ROOT/build/node_modules/.rrtest
    cmp -s "$ROOT/ci/node/package.json" "$stamp" && return 0
    # Not in packages.txt: builds of Node from elsewhere bring their own npm, which Debian's conflicts with.
    command -v npm >/dev/null ||
        as_root apt-get install -y -q --no-install-recommends npm >&2 </dev/null 9>&- ||
        die "npm is missing, and cannot be installed"
    say "installing node modules"
    mkdir -p "$ROOT/build"
    cp "$ROOT/ci/node/package.json" "$ROOT/build/package.json" &&
        (cd "$ROOT/build" && npm install --no-package-lock --ignore-scripts --no-audit --no-fund) \
            >"$ROOT/build/node_modules.log" 2>&1 </dev/null 9>&- ||
        { tail -n 20 "$ROOT/build/node_modules.log" >&2; return 1; }
    cp "$ROOT/ci/node/package.json" "$stamp"
}

# build PRESET TARGET...: configure if need be, build if stale. Output is shown only if it fails.
build() {
    local preset=$1 directory=$ROOT/build/$1 log=$ROOT/build/$1.log
    shift
    if [ ! -f "$directory/build.ninja" ]; then
        say "configuring $preset"
        (cd "$ROOT" && cmake --preset "$preset") >"$log" 2>&1 9>&- ||
            { cat "$log" >&2; rm -f "$directory/build.ninja"; die "cannot configure $preset"; }
    fi
    if ninja -C "$directory" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
        return 0
    fi
    say "building $preset"
    ninja -C "$directory" -j "$CMAKE_BUILD_PARALLEL_LEVEL" "$@" >"$log" 2>&1 9>&- ||
        { grep -v '^\[' "$log" | head -n 100 >&2; die "the build failed; see $log"; }
}
