#!/usr/bin/env bash
# Filesystems that know zones, made by the harness' own function straight on null_blk: mounted, written, mounted again,
# read back. zoned_filesystems.sh BUILD_DIR
# shellcheck source=tests/vm/zoned_lib.sh
source "$(dirname "$0")/zoned_lib.sh"
stack=$1/tests/zoned_stack
mkdir -p /run/upper
device=/dev/nullb0

# In a zone's own file writes go to its end, from 0 on, directly to the device.
write_zone_files() {
    local i
    : >/run/sums
    for i in 0 3 7; do
        head -c $(((i + 1) * 131072)) /dev/urandom >/run/piece
        dd if=/run/piece of="/run/upper/seq/$i" bs=64k oflag=direct conv=notrunc status=none
        (cd /run && sha256sum <piece) | sed "s,-,seq/$i," >>/run/sums
    done
    head -c 1M /dev/urandom >/run/upper/cnv/1
    head -c 1M /run/upper/cnv/1 | sha256sum >/run/conventional
}

check_zone_files() {
    (cd /run/upper && sha256sum --quiet -c /run/sums)
    [ "$(head -c 1M /run/upper/cnv/1 | sha256sum)" = "$(cat /run/conventional)" ]
    refused "" dd if=/run/piece of=/run/upper/seq/3 bs=4k count=1 oflag=direct conv=notrunc status=none
    truncate -s 0 /run/upper/seq/3
    [ "$(blkzone report -o $(((8 + 4 - 1) * 8192)) -c 1 $device | grep -c "(em)")" = 1 ]
}

for type in zonefs f2fs btrfs; do
    null_blk_up 0 512 4 8
    modprobe $type 2>/dev/null || true
    if ! grep -qw $type /proc/filesystems; then
        held "$type: this kernel has none"
    elif [ $type = btrfs ] && [ ! -e /sys/fs/btrfs/features/zoned ]; then
        held "btrfs: this kernel's knows no zones"
    else
        # What the zones held before is gone.
        dd if=/dev/urandom of=$device bs=64k count=3 seek=$((100 * 64)) oflag=direct status=none
        options=$("$stack" mkfs $type $device)
        mount -t $type -o "${options:-defaults}" $device /run/upper
        kind=files
        [ $type != zonefs ] || kind=zone_files
        write_$kind /run/upper
        umount /run/upper
        mount -t $type -o "${options:-defaults}" $device /run/upper
        check_$kind /run/upper
        umount /run/upper
        case $type in
            f2fs) fsck.f2fs --dry-run $device ;;
            btrfs) btrfs check --readonly $device ;;
        esac >/run/fsck 2>&1 || { cat /run/fsck; exit 1; }
        held "$type on a zoned device"
    fi
    null_blk_down 0
done
