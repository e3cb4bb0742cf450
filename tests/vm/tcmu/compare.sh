#!/usr/bin/env bash
# In a guest: the commands of commands.txt to a disk of refluxd, then to one of stock tcmu-runner (file_zbc) that
# has the same shape. Prints "alike: N" and, for each command whose answers differ, both.
# usage: compare.sh REFLUXD
set -u
here=$(dirname "$0")
# shellcheck source=tests/vm/tcmu/lio.sh
source "$here/lio.sh"
refluxd=$1
work=$(mktemp -d)
size=$((256 << 20))
config=zbc/model-HM/zsize-4/conv-4/open-8@

# send GENERIC FILE: the answers, a file a command, in FILE.NAME.
send() {
    local name direction bytes cdb more
    while read -r name direction bytes cdb; do
        case $name in "" | "#") continue ;; esac
        more=()
        case $direction in
            in) more=(-r "$bytes") ;;
            out) more=(-s "$bytes" -i "$work/pattern") ;;
        esac
        # shellcheck disable=SC2086  # the CDB is several words
        sg_raw -t 20 "${more[@]}" "/dev/$1" $cdb >"$2.$name" 2>&1
    done <"$here/commands.txt"
}

# serve NUMBER NAME DEV_CONFIG FILE
serve() {
    local disk
    lio_device "$1" "$2" "$size" "$3" || return 1
    disk=$(lio_lun "$1" "$2") || return 1
    send "$(lio_generic "$disk")" "$4"
    lio_remove "$1" "$2"
}

lio_prepare
head -c 65536 /dev/zero | tr '\0' 'p' >"$work/pattern"

"$refluxd" format --config "$config$work/ours.img" --size 256MiB
"$refluxd" serve "$work/ours.img" --front-end tcmu --name disk >"$work/ready" &
daemon=$!
wait_until 30 grep -q ready "$work/ready" || exit 1
serve 1 disk reflux/disk "$work/ours" || echo "compare: no disk of refluxd"
wait "$daemon" || echo "compare: refluxd ended with $?"

mkdir -p /run/dbus
dbus-daemon --system --fork || exit 1
tcmu-runner >"$work/runner" 2>&1 &
runner=$!
# EAGAIN, or EINTR, until it listens.

wait_until 30 lio_device 1 disk "$size" "$config$work/theirs.img" || exit 1
disk=$(lio_lun 1 disk) || exit 1
send "$(lio_generic "$disk")" "$work/theirs"
lio_remove 1 disk
kill "$runner"

alike=0
while read -r name _; do
    case $name in "" | "#") continue ;; esac
    if cmp -s "$work/ours.$name" "$work/theirs.$name"; then
        alike=$((alike + 1))
    else
        echo "differs: $name"
        sed 's/^/  ours: /' "$work/ours.$name"
        sed 's/^/theirs: /' "$work/theirs.$name"
    fi
done <"$here/commands.txt"
echo "alike: $alike"
