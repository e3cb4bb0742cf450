#!/usr/bin/env bash
# In a guest: the commands of commands.txt to a disk of refluxd, then to one of stock tcmu-runner (file_zbc) that
# has the same shape. Prints "alike: N" and, for each command whose answers differ, both: status and sense, then data.
# Of data that one of them says is shorter only as much is compared: tcmu-runner never says how much of the initiator's
# memory it has filled, so all of it comes back.
# usage: compare.sh REFLUXD
set -u
here=$(dirname "$0")
# shellcheck source=tests/vm/tcmu/lio.sh
source "$here/lio.sh"
refluxd=$1
work=$(mktemp -d)
size=$((256 << 20))
config=zbc/model-HM/zsize-4/conv-4/open-8@

# Reads commands.txt: calls COMMAND NAME DIRECTION BYTES CDB for each.
for_commands() {
    local name direction bytes cdb
    while read -r name direction bytes cdb; do
        case $name in "" | "#") continue ;; esac
        "$@" "$name" "$direction" "$bytes" "$cdb" </dev/null
    done <"$here/commands.txt"
}

# send GENERIC FILE NAME DIRECTION BYTES CDB: what is said of the answer in FILE.NAME, its data in FILE.NAME.data
send() {
    local more=()
    case $4 in
        in) more=(-r "$5" -o "$2.$3.data") ;;
        out) more=(-s "$5" -i "$work/pattern") ;;
    esac
    : >"$2.$3.data"
    # shellcheck disable=SC2086  # the CDB is several words
    sg_raw -t 20 "${more[@]}" "/dev/$1" $6 2>&1 | grep -E "SCSI Status|Sense key|Additional sense:" >"$2.$3"
}

# present NAME DEV_CONFIG FILE: the commands to a disk of that device.
present() {
    local disk
    wait_until 30 lio_device 1 "$1" "$size" "$2" || return 1 # tcmu-runner lets it wait while it starts
    disk=$(lio_lun 1 "$1") || return 1
    for_commands send "$(lio_generic "$disk")" "$3"
    lio_remove 1 "$1"
}

data_alike() {
    local ours theirs
    ours=$(stat -c %s "$1")
    theirs=$(stat -c %s "$2")
    cmp -s -n $((ours < theirs ? ours : theirs)) "$1" "$2"
}

show() {
    sed "s/^/  $1: /" "$2"
    od -An -v -tx1 -w32 -N 256 "$2.data" | sed "s/^/  $1: /"
}

alike=0
judge() {
    local ours=$work/ours.$1 theirs=$work/theirs.$1
    if cmp -s "$ours" "$theirs" && data_alike "$ours.data" "$theirs.data"; then
        alike=$((alike + 1))
        return
    fi
    echo "differs: $1"
    show ours "$ours"
    show theirs "$theirs"
}

lio_prepare
head -c 65536 /dev/zero | tr '\0' 'p' >"$work/pattern"

"$refluxd" format --config "$config$work/ours.img" --size 256MiB
"$refluxd" serve "$work/ours.img" --front-end tcmu --name disk >"$work/ready" &
daemon=$!
wait_until 30 grep -q ready "$work/ready" || exit 1
present disk reflux/disk "$work/ours" || echo "compare: no disk of refluxd"
wait "$daemon" || echo "compare: refluxd ended with $?"

mkdir -p /run/dbus
dbus-daemon --system --fork || exit 1
tcmu-runner >"$work/runner" 2>&1 &
present disk "$config$work/theirs.img" "$work/theirs" || echo "compare: no disk of tcmu-runner"
kill $!

for_commands judge
echo "alike: $alike"
