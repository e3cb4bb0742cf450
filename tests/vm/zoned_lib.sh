# shellcheck shell=bash
# For the scripts beside it, which run in a guest as root: zoned block devices without a daemon, and a line for each
# thing that held. A script ends at the first thing that did not (set -e), and the guest with it.
set -euo pipefail

held() { echo "held: $*"; }

# Runs what must fail, and wants a text in what it says.
refused() {
    local text=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "taken, and should have been refused: $*"
        return 1
    fi
    case $said in
        *"$text"*) ;;
        *)
            echo "refused with other words than '$text': $said"
            return 1
            ;;
    esac
}

# Waits at most 20 s for a condition of which the kernel sends no event.
until_true() {
    local i
    for ((i = 0; i < 200; ++i)); do
        if "$@"; then
            return 0
        fi
        sleep 0.1
    done
    echo "did not come true: $*"
    return 1
}

# null_blk_up NUMBER SIZE_MIB ZONE_MIB CONVENTIONAL [ATTRIBUTE=VALUE...]: /dev/nullbNUMBER, zoned, in memory.
null_blk_up() {
    local folder=/sys/kernel/config/nullb/nullb$1 setting
    modprobe null_blk nr_devices=0
    mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
    mkdir "$folder"
    for setting in "size=$2" "zone_size=$3" "zone_nr_conv=$4" memory_backed=1 zoned=1 "${@:5}"; do
        echo "${setting#*=}" >"$folder/${setting%%=*}"
    done
    echo 1 >"$folder/power"
}

null_blk_down() {
    echo 0 >"/sys/kernel/config/nullb/nullb$1/power"
    rmdir "/sys/kernel/config/nullb/nullb$1"
}

# Files of several sizes, some of them overwritten in the middle, and their sums beside the mount.
write_files() {
    local folder=$1 i
    for i in 1 2 3 4 5 6 7 8; do
        head -c $((i * 700001)) /dev/urandom >"$folder/file$i"
    done
    sync -f "$folder"
    for i in 2 4 6 8; do
        dd if=/dev/urandom of="$folder/file$i" bs=4k seek=$((i * 11)) count=9 conv=notrunc status=none
    done
    (cd "$folder" && sha256sum file*) >/run/sums
}

check_files() { (cd "$1" && sha256sum --quiet -c /run/sums); }
