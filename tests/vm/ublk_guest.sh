#!/bin/sh
# The front end ublk in a guest, as root: each case, run by the loop at the end, prints "ublk ok: NAME" or "ublk FAILED: NAME:
# what". Usage: ublk_guest.sh FOLDER_OF_REFLUXD CYCLES [CASE...]; CYCLES: how often the daemon is killed under load.
set -u
refluxd=$1/refluxd
without_recovery=$1/tests/libwithout_recovery.so
cycles=$2
shift 2
cases=$*
cd "$(mktemp -d /run/scratch/ublk.XXXXXX)" || exit 1
case_name=start
daemon=

fail() {
    echo "ublk FAILED: $case_name: $*"
    cat daemon.err
    [ -z "$daemon" ] || kill -9 "$daemon"
    umount mnt 2>/dev/null
    for device in /dev/ublkc*; do
        [ ! -e "$device" ] || timeout 60 "$refluxd" ublk delete "${device#/dev/ublkc}"
    done
    exit 1 # of the case
}

# Runs a command again and again until it succeeds, 60 s at most.
until_true() {
    for _ in $(seq 600); do
        "$@" && return 0
        sleep 0.1
    done
    fail "in vain: $*"
}

ready_or_gone() { [ -s ready ] || ! kill -0 "$daemon"; }

# serve IMAGE OPTION...: sets daemon, disk and id.
serve() {
    rm -f ready
    "$refluxd" serve "$@" --front-end ublk >ready 2>>daemon.err &
    daemon=$!
    until_true ready_or_gone
    disk=$(sed -n 's/.*"device":"\([^"]*\)".*/\1/p' ready)
    id=$(sed -n 's/.*"id":\([0-9]*\).*/\1/p' ready)
    [ -b "$disk" ] || fail "no disk: $(cat ready)"
}

stop() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "the daemon ended with $?"
    daemon=
    nothing_left
}

kill_hard() {
    kill -9 "$daemon"
    wait "$daemon"
}

# What a killed daemon knew of its zones stays in /run for who serves the image next.
nothing_left() {
    [ "$("$refluxd" ublk list)" = "[]" ] || fail "left: $("$refluxd" ublk list)"
    for file in /dev/ublkb* /dev/ublkc*; do
        [ ! -e "$file" ] || fail "left: $file"
    done
}

zone_count() { blkzone report "$disk" | wc -l; }
# zone SECTOR: what blkzone says of it.
zone() { blkzone report -o "$1" -c 1 "$disk"; }
expect_zone() {
    zone "$1" | grep -q "$2" || fail "zone at $1 is not $2: $(zone "$1")"
}
sectors_written() { awk '{ print $7 }' "/sys/block/ublkb$id/stat"; }
has_in_flight() { [ "$(awk '{ print $2 }' "/sys/block/ublkb$id/inflight")" != 0 ]; }
has_written() { [ "$(sectors_written)" -ge "$1" ]; }

goes_on() {
    zone 16384 >zone.out
    dd if=data of="$disk" bs=256k seek=36 skip=4 count=8 oflag=direct 2>dd.err
}

# Zones of 4 MiB, of which 3 can be written, two conventional ones.
zoned() {
    serve zoned.img
    [ "$(cat "/sys/block/ublkb$id/queue/zoned")" = host-managed ] || fail "no zoned disk"
    [ "$(cat "/sys/block/ublkb$id/queue/max_open_zones")" = 8 ] || fail "another limit of open zones"
    [ "$(zone_count)" = 64 ] || fail "$(zone_count) zones"
    expect_zone 8192 'cap 0x002000.*CONVENTIONAL'
    expect_zone 16384 'cap 0x001800.*zcond: 1(em).*SEQ_WRITE_REQUIRED'
    head -c 3145728 /dev/urandom >data
    dd if=data of="$disk" bs=256k seek=32 count=4 oflag=direct 2>dd.err || fail "$(cat dd.err)"
    expect_zone 16384 'wptr 0x000800.*zcond: 2(oi)'
    dd if=data of="$disk" bs=4k seek=2400 count=1 oflag=direct 2>dd.err && fail "a write off the pointer"
    until_true goes_on # some kernels mistrust the zone until it has been reported
    expect_zone 16384 'zcond:14(fu)'
    dd if="$disk" bs=256k skip=32 count=12 iflag=direct 2>dd.err | cmp - data || fail "other data"
    blkzone reset -o 16384 -c 1 "$disk" || fail "reset"
    expect_zone 16384 'wptr 0x000000.*zcond: 1(em)'
    blkzone finish -o 16384 -c 1 "$disk" || fail "finish"
    expect_zone 16384 'zcond:14(fu)'
    blkzone open -o 24576 -c 1 "$disk" || fail "open"
    expect_zone 24576 'zcond: 3(oe)'
    blkzone close -o 24576 -c 1 "$disk" || fail "close"
    expect_zone 24576 'zcond: 1(em)'
    blkzone reset "$disk" || fail "reset of all"
    expect_zone 16384 'zcond: 1(em)'
    stop
    "$refluxd" fsck zoned.img || fail "fsck"
}

# More than one report request of the driver holds.
many_zones() {
    "$refluxd" format many.img --size 1250MiB --zone-size 64KiB --conventional 1 --model host-managed
    serve many.img
    [ "$(zone_count)" = 20000 ] || fail "$(zone_count) zones"
    expect_zone $((19999 * 128)) 'start: 0x000270f80.*zcond: 1(em)'
    stop
    rm many.img
}

# fio's own idea of a zoned disk, and threads with their roles.
zbd() {
    serve zoned.img --engine threads --control control.sock
    fio --name=zbd --filename="$disk" --direct=1 --zonemode=zbd --rw=randwrite --bsrange=4k-128k --offset=8M --size=200M \
        --io_size=64M --max_open_zones=6 --verify=crc32c --ioengine=libaio --iodepth=16 >fio.out 2>&1 ||
        fail "$(cat fio.out)"
    grep -q refluxd-ublk "/proc/$daemon/comm" || fail "main thread is $(cat "/proc/$daemon/comm")"
    for thread in "/proc/$daemon/task/"*; do
        case $(cat "$thread/comm") in
            refluxd-ublk | refluxd-io* | refluxd-ctl) ;;
            *) fail "thread $(cat "$thread/comm")" ;;
        esac
    done
    stop
}

# Killed under load, again and again, and taken over with each engine in turn. fio waits meanwhile, and reads all in the end.
recovery() {
    "$refluxd" format load.img --size 512MiB --zone-size 8MiB --conventional 1 --model host-managed --max-open 12
    serve load.img
    for cycle in $(seq "$cycles"); do
        fio --name=load --filename="$disk" --direct=1 --zonemode=zbd --rw=randwrite --bsrange=4k-128k --offset=8M \
            --size=480M --io_size=48M --max_open_zones=6 --verify=crc32c --ioengine=libaio --iodepth=16 --rate=16M \
            >fio.out 2>&1 &
        load=$!
        until_true has_written $(($(sectors_written) + 16384))
        kill -0 $load || fail "fio ended before the kill: $(cat fio.out)"
        kill_hard
        case $((cycle % 3)) in
            0) engine=sync ;;
            1) engine=threads ;;
            2) engine=uring ;;
        esac
        serve load.img --recover "$id" --engine "$engine"
        wait $load || fail "cycle $cycle, $engine: $(cat fio.out)"
        echo "ublk recovered: $cycle"
    done
    stop
    "$refluxd" fsck load.img || fail "fsck"
    rm load.img
}

another_image_does_not_recover() {
    "$refluxd" format other.img --size 256MiB --zone-size 4MiB --conventional 2 --model host-managed
    serve zoned.img
    kill_hard
    timeout 60 "$refluxd" serve other.img --front-end ublk --recover "$id" 2>refusal && fail "taken"
    grep -q 'other.img' refusal || fail "$(cat refusal)"
    serve zoned.img --recover "$id"
    stop
    rm other.img
}

# The device, and what waits for it, outlive a daemon that cannot take it over; so does what a killed one knew of its zones.
failed_recovery() {
    serve zoned.img
    blkzone reset -o 16384 -c 1 "$disk" || fail "reset"
    kill -STOP "$daemon"
    dd if=/dev/urandom of="$disk" bs=64k seek=128 count=1 oflag=direct 2>dd.err & # a sequential zone
    load=$!
    until_true has_in_flight
    kill_hard
    for _ in 1 2; do
        LD_PRELOAD=$without_recovery timeout 60 "$refluxd" serve zoned.img --front-end ublk --recover "$id" >ready 2>refusal &&
            fail "recovered: $(cat ready)"
        grep -q "END_USER_RECOVERY.*is left as it was.*--recover $id" refusal || fail "$(cat refusal)"
        "$refluxd" ublk list | grep -q quiesced || fail "$("$refluxd" ublk list)"
        kill -0 $load || fail "its I/O has ended: $(cat dd.err)"
    done
    serve zoned.img --recover "$id"
    grep -q 'as of the last write' daemon.err || fail "its zones were not kept"
    wait $load || fail "$(cat dd.err)"
    expect_zone 16384 'wptr 0x000080'
    stop
}

# filesystem NAME MKFS...: what is written is there after another mount.
filesystem() {
    name=$1
    shift
    blkzone reset "$disk"
    "$@" "$disk" >mkfs.out 2>&1 || fail "$(cat mkfs.out)"
    mkdir -p mnt
    mount -t "$name" "$disk" mnt || fail "mount $name: $(dmesg | tail -5)"
    head -c 20000000 /dev/urandom >data
    cp data mnt/data || fail "cp to $name"
    umount mnt || fail "umount $name"
    mount -t "$name" "$disk" mnt || fail "mount $name again"
    cmp data mnt/data || fail "$name lost data"
    umount mnt
}

# btrfs writes its data by zone append.
filesystems() {
    modprobe f2fs
    "$refluxd" format fs.img --size 1GiB --zone-size 8MiB --conventional 16 --model host-managed
    serve fs.img
    filesystem f2fs mkfs.f2fs -f -m
    filesystem btrfs mkfs.btrfs -f -m single -d single -O zoned
    stop
    rm fs.img
}

# A disk that is not zoned, and dies with its daemon.
translated() {
    "$refluxd" format plain.img --size 512MiB --zone-size 4MiB --conventional 8 --model host-managed --translate
    serve plain.img --engine uring
    [ "$(cat "/sys/block/ublkb$id/queue/zoned")" = none ] || fail "it is zoned"
    mkfs.ext4 -q "$disk" || fail "mkfs.ext4"
    mkdir -p mnt
    mount "$disk" mnt || fail "mount"
    head -c 20000000 /dev/urandom >data
    cp data mnt/data
    fstrim mnt || fail "fstrim"
    umount mnt
    stop
    serve plain.img
    mount "$disk" mnt || fail "mount after a restart"
    cmp data mnt/data || fail "other data"
    umount mnt
    fsck.ext4 -fn "$disk" >fsck.out 2>&1 || fail "$(cat fsck.out)"
    kill_hard
    timeout 60 "$refluxd" serve plain.img --front-end ublk --recover "$id" 2>refusal && fail "recovered"
    "$refluxd" ublk delete "$id" || fail "delete"
    daemon=
    nothing_left
}

# A host-aware disk, whose requests may be done in any order, by as many queues as there are processors.
queues() {
    "$refluxd" format aware.img --size 256MiB --zone-size 4MiB --conventional 2
    serve aware.img --threads 2
    grep -q '"queues":2' ready || fail "$(cat ready)"
    fio --name=queues --filename="$disk" --direct=1 --rw=randwrite --bsrange=4k-128k --size=256M --io_size=48M --verify=crc32c \
        --ioengine=libaio --iodepth=32 >fio.out 2>&1 || fail "$(cat fio.out)"
    kill_hard
    serve aware.img --threads 2 --recover "$id"
    fio --name=queues --filename="$disk" --direct=1 --rw=randwrite --bsrange=4k-128k --size=256M --io_size=48M --verify=crc32c \
        --ioengine=libaio --iodepth=32 --verify_only >fio.out 2>&1 || fail "$(cat fio.out)"
    stop
}

deletion() {
    serve zoned.img
    kill_hard
    "$refluxd" ublk list | grep -q quiesced || fail "$("$refluxd" ublk list)"
    dd if=zoned.img of=another.img bs=1M count=1 2>dd.err # its metadata
    truncate -s "$(stat -c %s zoned.img)" another.img
    printf ELF | dd of=another.img conv=notrunc 2>dd.err # its identity, of the second copy, is that of zoned.img
    "$refluxd" fsck another.img --repair 2>refusal && fail "repaired what a killed daemon has left"
    grep -q 'its daemon was killed' refusal || fail "$(cat refusal)"
    "$refluxd" format another.img --force --size 256MiB
    "$refluxd" ublk delete --image another.img || fail "of no device"
    "$refluxd" ublk list | grep -q quiesced || fail "deleted the device of another image"
    "$refluxd" ublk delete --image zoned.img || fail "of a device without daemon"
    nothing_left
    serve zoned.img
    "$refluxd" ublk delete "$id" || fail "of one that is served"
    wait "$daemon" || fail "the daemon ended with $?"
    nothing_left
    serve zoned.img
    kill -STOP "$daemon"
    dd if=/dev/zero of="$disk" bs=64k count=1 oflag=direct 2>dd.err &
    until_true has_in_flight
    timeout 60 "$refluxd" ublk delete "$id" || fail "of one that is stuck"
    wait "$daemon"
    wait
    daemon=
    nothing_left
    "$refluxd" ublk delete 77 2>refusal && fail "of none"
    grep -q 'no ublk device 77' refusal || fail "$(cat refusal)"
}

modprobe ublk_drv || (fail "no ublk_drv")
"$refluxd" format zoned.img --size 256MiB --zone-size 4MiB --zone-capacity 3MiB --conventional 2 --model host-managed --max-open 8
for case_name in ${cases:-zoned many_zones zbd recovery another_image_does_not_recover failed_recovery filesystems translated queues deletion}; do
    : >daemon.err
    ($case_name && echo "ublk ok: $case_name ($(cut -d ' ' -f 1 /proc/uptime) s)")
done
if dmesg | grep -E 'WARNING|BUG|blocked for more'; then
    echo "ublk FAILED: the kernel complains"
fi
