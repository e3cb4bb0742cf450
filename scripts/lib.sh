# Shared by the scripts here: sourced, not run. Defines only functions and `root`, the top of the source tree.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}
is_root() { [ "$(id -u)" -eq 0 ]; }
jobs_of_machine() { nproc; }

# stage NAME COMMAND...: runs it, prints one line with how it ended and how long it took, and passes its status on.
stage() {
    local name=$1 begin=$SECONDS status=0
    shift
    "$@" || status=$?
    if [ "$status" -eq 0 ]; then
        say "[$((SECONDS - begin)) s] $name: ok"
    else
        say "[$((SECONDS - begin)) s] $name: FAILED"
    fi
    return "$status"
}

# build PRESET FOLDER TARGET...: configures when needed and builds; the compiler's output only when it fails.
build() {
    local preset=$1 folder=$2 log
    shift 2
    log=$folder/build.log
    mkdir -p "$folder"
    if ! (cd "$root" && cmake --preset "$preset" && ninja -C "$folder" -j "$(jobs_of_machine)" "$@") >"$log" 2>&1; then
        # Without the lines that say only how far it is.
        grep -vE '^(\[[0-9]+/[0-9]+\] (Building|Linking|clang-tidy) |-- |cd .* tidy |[0-9]+ warnings? generated)' "$log" | tail -n 150
        say "the whole output: $log"
        return 1
    fi
}
