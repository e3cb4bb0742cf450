#!/usr/bin/env bash
# In a guest: refluxd is killed again and again while fio writes to its disk, and started again; I/O goes on, and
# fio finds all that it wrote. Prints a line a kill, and what else is asserted of it; then the next engine.
# usage: kill.sh REFLUXD TIMES ENGINE...
set -u
# shellcheck source=tests/vm/tcmu/lio.sh
source "$(dirname "$0")/lio.sh"
refluxd=$1
times=$2
shift 2

fail() {
    echo "kill: $*"
    cat "$work"/ready "$work"/log "$work"/fio 2>/dev/null
    dmesg | tail -30
    exit 1
}

serve() {
    : >"$work/ready"
    "$refluxd" serve "$work/image" --front-end tcmu --name disk --engine "$engine" >"$work/ready" 2>>"$work/log" &
    daemon=$!
    wait_until 60 grep -q ready "$work/ready" || fail "refluxd is not ready"
}

# have_ended FROM MORE: so many writes since there were FROM of them, which `writes` counts.
count_writes() { read -r _ _ _ _ writes _ <"/sys/block/$disk/stat"; }
have_ended() {
    count_writes
    [ "$writes" -ge $(($1 + $2)) ]
}

# Where load NUMBER writes: a sequential zone, and 2 MiB of the conventional ones. In MiB.
sequential_at() { echo $((64 + 4 * ($1 - 1))); }
conventional_at() { echo $((2 * ($1 - 1))); }

# Each block once, so that all is read back and verified. For four seconds: long enough to be killed over.
load() {
    cat >"$work/job" <<FIO
[global]
filename=/dev/$disk
direct=1
ioengine=libaio
verify=crc32c
verify_fatal=1
iodepth=8
[sequential]
zonemode=zbd
rw=write
bs=16k
rate=1m
offset=$(sequential_at "$1")m
size=4m
[conventional]
rw=randwrite
bs=4k
rate=512k
offset=$(conventional_at "$1")m
size=2m
FIO
    fio "$work/job" --output="$work/fio"
}

# What load NUMBER has written, as it stands there now.
checksum() {
    {
        dd if="/dev/$disk" iflag=direct bs=1M skip="$(sequential_at "$1")" count=4
        dd if="/dev/$disk" iflag=direct bs=1M skip="$(conventional_at "$1")" count=2
    } 2>/dev/null | cksum
}

# Another image of the same shape, by the same name, while the host waits for its own.
refuse_another() {
    "$refluxd" format "$work/other" --size 1GiB --zone-size 4MiB --conventional 16 --model host-managed --max-open 16 ||
        fail format
    if timeout 60 "$refluxd" serve "$work/other" --front-end tcmu --name disk --engine "$engine" >"$work/ready" 2>"$work/refused"; then
        fail "another image was served"
    fi
    grep -q "was made for another image" "$work/refused" || fail "$(cat "$work/refused")"
    [ ! -s "$work/ready" ] || fail "another image was ready"
    echo "$engine: another image is refused"
}

kill_under_load() {
    count_writes
    load "$1" &
    fio=$!
    wait_until 60 have_ended "$writes" 20 || fail "no I/O before kill $1"
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null
    [ -d "/proc/$fio" ] || fail "fio was done before kill $1"
    count_writes
    [ "$1" -gt 1 ] || refuse_another
    serve
    wait_until 60 have_ended "$writes" 1 || fail "no I/O after kill $1"
    wait "$fio" || fail "fio ended with $? after kill $1"
    echo "$engine: killed $1 times, I/O goes on"
}

# In a shell of its own: `fail` ends it.
run_engine() {
    local sums=()
    engine=$1
    work=$(mktemp -d -p /run/scratch)
    "$refluxd" format "$work/image" --size 1GiB --zone-size 4MiB --conventional 16 --model host-managed \
        --max-open 16 || fail format
    serve
    lio_device 1 disk $((1 << 30)) reflux/disk || fail "no device"
    disk=$(lio_lun 1 disk) || fail "no disk"
    # Commands may have to wait for the next daemon.
    echo 300 >"/sys/block/$disk/device/timeout"
    for i in $(seq "$times"); do
        kill_under_load "$i"
        sums[i]=$(checksum "$i")
    done
    for i in $(seq "$times"); do
        [ "$(checksum "$i")" = "${sums[i]}" ] || fail "load $i is not as it was"
    done
    echo "$engine: all data as they were"
    grep -c "the daemon before was killed" "$work/log" | sed "s/^/$engine: write pointers kept: /"
    grep -v -e "the daemon before was killed" -e "taken away from outside" "$work/log" | sed "s/^/$engine: log: /"
    blkzone report -o $((64 * 2048)) -c "$times" "/dev/$disk" | grep -c "(fu)" | sed "s/^/$engine: full zones: /"
    lio_remove 1 disk
    wait "$daemon"
    echo "$engine: refluxd ended with $?"
    find /run -maxdepth 1 -name "refluxd-*.zones" | sed "s/^/$engine: left: /"
    rm -rf "$work"
}

lio_prepare
for engine in "$@"; do
    (run_engine "$engine") || exit 1
done
