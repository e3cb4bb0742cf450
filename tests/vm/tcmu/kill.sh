#!/usr/bin/env bash
# In a guest: refluxd is killed again and again while fio writes to its disk, and started again; I/O goes on, and
# fio finds all that it wrote. Prints a line a kill, "fio: STATUS" and "refluxd: STATUS".
# usage: kill.sh REFLUXD ENGINE TIMES
set -u
# shellcheck source=tests/vm/tcmu/lio.sh
source "$(dirname "$0")/lio.sh"
refluxd=$1
engine=$2
times=$3
work=$(mktemp -d -p /run/scratch)
ready=$work/ready

fail() {
    echo "kill: $*"
    cat "$work"/ready "$work"/log "$work"/fio 2>/dev/null
    dmesg | tail -30
    exit 1
}

serve() {
    : >"$ready"
    "$refluxd" serve "$work/image" --front-end tcmu --name disk --engine "$engine" >"$ready" 2>>"$work/log" &
    daemon=$!
    wait_until 60 grep -q ready "$ready" || fail "refluxd is not ready"
}

writes() { awk '{ print $5 }' "/sys/block/$disk/stat"; }
# goes_on FROM: a hundred more writes have ended.
goes_on() { [ "$(writes)" -ge "$(($1 + 100))" ]; }

lio_prepare
"$refluxd" format "$work/image" --size 1GiB --zone-size 4MiB --conventional 16 --model host-managed --max-open 16 ||
    fail format
serve
lio_device 1 disk $((1 << 30)) reflux/disk || fail "no device"
disk=$(lio_lun 1 disk) || fail "no disk"
# Commands may have to wait for the next daemon.
echo 300 >"/sys/block/$disk/device/timeout"

mib=$((24 + 8 * times))
cat >"$work/job" <<FIO
[global]
filename=/dev/$disk
direct=1
ioengine=libaio
verify=crc32c
verify_fatal=1
rate=3m
[sequential]
zonemode=zbd
rw=write
bs=16k
iodepth=8
offset=64m
size=${mib}m
[conventional]
rw=randwrite
bs=4k
iodepth=8
offset=0
size=24m
FIO
fio "$work/job" --output="$work/fio" &
fio=$!
for i in $(seq "$times"); do
    wait_until 60 goes_on "$(writes)" || fail "no I/O before kill $i"
    [ -d "/proc/$fio" ] || fail "fio was done before kill $i"
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null
    begin=$(writes)
    serve
    wait_until 60 goes_on "$begin" || fail "no I/O after kill $i"
    echo "killed $i times: I/O goes on"
done
wait "$fio"
status=$?
echo "fio: $status"
[ "$status" = 0 ] || fail "fio found what it should not"
grep -c "the daemon before was killed" "$work/log" | sed 's/^/kept: /'
grep -v "the daemon before was killed" "$work/log" | sed 's/^/log: /'
blkzone report -o $((64 * 2048)) -c $((mib / 4 + 1)) "/dev/$disk" | grep -c "(fu)" | sed 's/^/full zones: /'
lio_remove 1 disk
wait "$daemon"
echo "refluxd: $?"
find /run -maxdepth 1 -name "refluxd-*.zones" | sed 's/^/left: /'
