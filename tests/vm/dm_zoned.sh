#!/usr/bin/env bash
# dm-zoned on null_blk, formatted and mapped by the harness' functions: the kernel takes it, what is written is read back
# from another mapping of the same disk after reclaim has moved it, and the mapping is undone in each of its states.
# dm_zoned.sh BUILD_DIR
# shellcheck source=tests/vm/zoned_lib.sh
source "$(dirname "$0")/zoned_lib.sh"
stack=$1/tests/zoned_stack
export REFLUX_STATE=/run/zoned
mkdir -p $REFLUX_STATE /run/upper
modprobe dm-mod

mapping() { dmsetup status dmz 2>/dev/null || echo none; }
no_mapping() { [ "$(mapping)" = none ]; }
# Sequential zones with data. Only reclaim puts some there: what is written first goes to a conventional zone.
moved() { mapping | sed -E 's,.* ([0-9]+)/([0-9]+) sequential,\2 - \1,' | xargs expr; }
remap() {
    "$stack" down dmz
    "$stack" up /dev/nullb0 dmz >/run/device
}

null_blk_up 0 512 4 12
disk_sectors=$(blockdev --getsz /dev/nullb0)
refused "no dm-zoned superblock" "$stack" up /dev/nullb0 dmz
rm -r $REFLUX_STATE/dmz
"$stack" format /dev/nullb0
"$stack" up /dev/nullb0 dmz >/run/device
read -r device </run/device
# 116 sequential zones, of which 14 are reserved; two zones of metadata; chunks of all others, of 8192 sectors each.
[ "$(mapping)" = "0 $((112 * 8192)) zoned 128 zones 0/0 cache 10/10 random 102/102 sequential" ] || mapping
held "status: $(mapping)"
refused "Device or resource busy" "$stack" format /dev/nullb0
held "format refused on a device in use"

# Twice as much as the conventional zones hold, then blocks here and there, for each of which a chunk that was moved needs
# a conventional zone again.
reference=/run/scratch/reference
copy() { dd if=$reference of="$device" bs=16k oflag=direct conv=notrunc status=none "$@"; }
head -c 80M /dev/urandom >$reference
copy
[ "$(moved)" -gt 0 ]
held "reclaim moved chunks: $(moved)"
for ((i = 0; i < 40; ++i)); do
    block=$((RANDOM % 5120))
    dd if=/dev/urandom of=$reference bs=16k count=1 seek=$block conv=notrunc status=none
    copy skip=$block seek=$block count=1
done
remap
cmp -n 80M $reference "$device"
held "80 MiB and 40 writes out of order read back from another mapping"

for type in ext4 xfs f2fs; do
    options=$("$stack" mkfs $type "$device")
    mount -t $type -o "${options:-defaults}" "$device" /run/upper
    write_files /run/upper
    umount /run/upper
    dmsetup message dmz 0 reclaim
    remap
    mount -t $type -o "${options:-defaults}" "$device" /run/upper
    check_files /run/upper
    umount /run/upper
    case $type in
        ext4) e2fsck -fn "$device" ;;
        xfs) xfs_repair -n "$device" ;;
        f2fs) fsck.f2fs --dry-run "$device" ;;
    esac >/run/fsck 2>&1 || { cat /run/fsck; exit 1; }
    held "$type on dm-zoned"
done

# The harness was killed after the mapping was made, and before it noted its number.
sed -i '/^note/d' $REFLUX_STATE/dmz/journal
"$stack" down dmz
no_mapping
held "found and removed without its note"
dmsetup create dmz --table "0 8 zero"
refused "Device or resource busy" "$stack" up /dev/nullb0 dmz
[ "$(mapping)" = "0 8 zero " ]
dmsetup remove dmz
rm -r $REFLUX_STATE/dmz
held "another's mapping of that name is left alone"

# The device below answers no more: a mapping of its own, suspended. Nothing that is done to dm-zoned completes what it
# has in flight; it goes when the device below fails it.
dmsetup create below --table "0 $disk_sectors linear /dev/nullb0 0"
below=/dev/$(basename "$(readlink -f /sys/dev/block/"$(dmsetup info -c --noheadings -o major,minor --separator : below)")")
fail_below() {
    dmsetup load below --table "0 $disk_sectors error"
    dmsetup resume below
}
works_below() {
    dmsetup suspend --noflush --nolockfs below
    dmsetup load below --table "0 $disk_sectors linear /dev/nullb0 0"
    dmsetup resume below
}
for how in escape orderly; do
    "$stack" format "$below"
    device=$("$stack" up "$below" dmz)
    "$stack" mkfs ext4 "$device" >/dev/null
    mount "$device" /run/upper
    if [ $how = orderly ]; then
        umount /run/upper
    fi
    dd if=/dev/urandom of="$device" bs=4k count=1 seek=60000 oflag=direct status=none # its metadata is dirty again
    dmsetup suspend --noflush --nolockfs below
    if [ $how = escape ]; then
        dd if=/dev/urandom of=/run/upper/more bs=64k count=4 conv=fsync 2>/run/writer &
        until_true grep -q "^State:.*D (disk sleep)" /proc/$!/status /proc/[0-9]*/status
        umount -l /run/upper
    fi
    "$stack" down dmz ${how/orderly/} >/run/down 2>&1 &
    until_true pgrep -f "zoned_stack down" >/dev/null
    sleep 2 # nothing is to happen in it
    kill -0 $!
    fail_below
    wait $! || { cat /run/down; exit 1; }
    no_mapping
    wait || true
    held "$how, the device below stuck: $(cat /run/down)"
    works_below
done
dmsetup remove below
null_blk_down 0

# Every command fails, and no conventional zone is free: dm-zoned waits for one, and errors do not end it.
modprobe -a sd_mod
modprobe scsi_debug zbc=host-managed dev_size_mb=256 zone_size_mb=4 zone_nr_conv=8 ndelay=1000 statistics=1
until_true test -b /dev/sda
"$stack" format /dev/sda
device=$("$stack" up /dev/sda dmz)
fio --name=random --filename="$device" --rw=randwrite --bs=4k --size=150m --ioengine=psync --direct=1 --numjobs=4 \
    --time_based --runtime=300 --continue_on_error=all >/run/fio 2>&1 &
no_zone_free() { mapping | grep -q " 0/6 random"; }
until_true no_zone_free
echo 1 >/sys/bus/pseudo/drivers/scsi_debug/every_nth
echo 0x10 >/sys/bus/pseudo/drivers/scsi_debug/opts
sleep 2 # what is in flight fails
pkill -9 -x fio
"$stack" down dmz escape
no_mapping
until_true grep -qx running /sys/block/sda/device/state
wait || true
echo 0 >/sys/bus/pseudo/drivers/scsi_debug/opts
rmmod scsi_debug
held "escape, the disk below fails and no zone is free"
