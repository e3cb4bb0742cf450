#!/usr/bin/env bash
# In a guest: disks of refluxd through LIO, as the kernel and the tools of SCSI and of zoned block devices see them.
# usage: disk.sh REFLUXD
set -u
# shellcheck source=tests/vm/tcmu/lio.sh
source "$(dirname "$0")/lio.sh"
refluxd=$1
work=$(mktemp -d)

# present NAME SIZE OPTIONS...: $disk is a disk of a new image.
present() {
    local name=$1 size=$2
    shift 2
    "$refluxd" format "$work/$name" --size "$size" "$@" || return 1
    : >"$work/ready"
    "$refluxd" serve "$work/$name" --front-end tcmu --name "$name" >"$work/ready" 2>"$work/log" &
    daemon=$!
    wait_until 30 grep -q ready "$work/ready" || return 1
    lio_device 1 "$name" $((256 << 20)) "reflux/$name" && disk=$(lio_lun 1 "$name") || return 1
    generic=$(lio_generic "$disk")
    echo "$name: $(cat "/sys/block/$disk/queue/zoned") $(cat "/sys/block/$disk/queue/nr_zones") zones," \
        "$(cat "/sys/block/$disk/queue/write_cache"), blocks of $(cat "/sys/block/$disk/queue/logical_block_size")"
}

take_away() {
    lio_remove 1 "$1"
    wait "$daemon"
    echo "$1: refluxd ended with $?"
}

# zone NUMBER: its condition and how much is written, of zones of 4 MiB.
zone() { blkzone report -o $(($1 * 8192)) -c 1 "/dev/$disk" | sed "s/.*wptr \(0x[0-9a-f]*\).*zcond: *[0-9]*(\(..\)).*/zone $1: \2 \1/"; }

direct() { dd bs=1M "$@" 2>&1 | tail -1; }

lio_prepare
head -c $((4 << 20)) /dev/urandom >"$work/data"

present managed 256MiB --zone-size 4MiB --conventional 4 --model host-managed --max-open 8
sg_inq "/dev/$generic" | grep -E "Product identification|serial number"
sg_readcap --long "/dev/$generic" | grep -E "Last LBA|lbpme"
sg_vpd -p 0xb6 "/dev/$generic" | grep -E "URSWRZ|Maximum"
sg_rep_zones --num=5 "/dev/$generic" | grep -E "Zone type" | sort | uniq -c
sg_opcodes "/dev/$generic" | grep -c . | sed 's/^/lines of opcodes: /'
direct if="$work/data" of="/dev/$disk" seek=20 count=2 oflag=direct
zone 5
direct if="/dev/$disk" skip=20 count=2 iflag=direct of="$work/back"
cmp -n $((2 << 20)) "$work/data" "$work/back" && echo "read back alike"
direct if="$work/data" of="/dev/$disk" seek=25 count=1 oflag=direct
dmesg | grep -m 1 -o "Add. Sense: Unaligned write command"
sg_reset_wp --zone=0xa000 "/dev/$generic" && zone 5
sg_zone --open --zone=0xa000 "/dev/$generic" && zone 5
sg_zone --close --zone=0xa000 "/dev/$generic" && zone 5
sg_zone --finish --zone=0xa000 "/dev/$generic" && zone 5
blkzone reset -o 40960 -l 8192 "/dev/$disk" && zone 5
blkzone finish -o 40960 -l 16384 "/dev/$disk" && zone 6

sg_reset_wp --all "/dev/$generic" && zone 6
direct if="$work/data" of="/dev/$disk" seek=0 count=1 oflag=direct
blkdiscard -o 0 -l 1048576 "/dev/$disk" && direct if="/dev/$disk" count=1 iflag=direct of="$work/back"
tr -d '\0' <"$work/back" | wc -c | sed 's/^/bytes after the discard: /'
take_away managed

present aware 256MiB --zone-size 4MiB --conventional 4 --model host-aware --block-size 4096
direct if="$work/data" of="/dev/$disk" seek=41 count=3 oflag=direct
take_away aware

present translated 256MiB --zone-size 4MiB --conventional 4 --model host-managed --translate
mkfs.ext4 -q "/dev/$disk" && mkdir "$work/mnt" && mount "/dev/$disk" "$work/mnt" && cp "$work/data" "$work/mnt/" &&
    umount "$work/mnt" && mount "/dev/$disk" "$work/mnt" && cmp "$work/data" "$work/mnt/data" && echo "ext4: alike"
umount "$work/mnt"
take_away translated

present conventional 256MiB --zone-size 4MiB --conventional 64 --model host-managed
take_away conventional
