#!/usr/bin/env bash
# The same operations by unmodified tools (blkzone, zbd, fio, zonefs, sg3-utils) on each zoned block device of the table
# below, and what each answers, as text that can be compared: no addresses, no times. The first device's is the measure;
# the others, all disks of ZBC, must differ from it in the lines, and for the reasons, that stand in
# known_differences(), and in no others.
# zoned_conformance.sh BUILD_DIR [DEVICE_ROW...]
# shellcheck source=tests/vm/zoned_lib.sh
source "$(dirname "$0")/zoned_lib.sh"
# shellcheck source=tests/vm/tcmu/lio.sh
source "$(dirname "$0")/tcmu/lio.sh"
build=$1
stack=$build/tests/zoned_stack
mkdir -p /run/zonefs

# serve OPTION...: refluxd serves a disk of that shape, as is said in /run/ready.
serve() {
    "$build/refluxd" format /run/scratch/conformance.img --force --size 256MiB --zone-size 4MiB --conventional 8 --max-open 4 \
        --model host-managed
    : >/run/ready
    "$build/refluxd" serve /run/scratch/conformance.img "$@" >/run/ready 2>/run/refluxd.log &
    daemon=$!
    until_true grep -q ready /run/ready || { cat /run/refluxd.log; return 1; }
}
# Every device: 64 zones of 4 MiB, of which 8 are conventional, and at most 4 open. A row makes one, sets `device`, and
# takes it away again; one line in `rows` adds it.
rows=(null_blk scsi_debug tcmu)
null_blk() {
    if [ "$1" = up ]; then
        null_blk_up 0 256 4 8 zone_max_open=4
        device=/dev/nullb0
    else
        null_blk_down 0
    fi
}
scsi_debug() {
    if [ "$1" = up ]; then
        modprobe sd_mod
        modprobe scsi_debug zbc=host-managed dev_size_mb=256 zone_size_mb=4 zone_nr_conv=8 zone_max_open=4 ndelay=1000
        until_true test -b /dev/sda
        device=/dev/sda
    else
        rmmod scsi_debug
    fi
}

tcmu() {
    if [ "$1" = up ]; then
        lio_prepare
        serve --front-end tcmu --name conformance
        lio_device 1 conformance $((256 << 20)) reflux/conformance
        device=/dev/$(lio_lun 1 conformance)
    else
        lio_remove 1 conformance
        wait "$daemon"
    fi
}
ublk() {
    if [ "$1" = up ]; then
        modprobe ublk_drv
        serve --front-end ublk
        device=$(sed -n 's/.*"device":"\([^"]*\)".*/\1/p' /run/ready)
    else
        kill "$daemon"
        wait "$daemon"
    fi
}

# The lines in which null_blk (<), whose zones are NVMe's, is known to differ from disks of ZBC (>), with the reasons.
known_differences() {
    cat <<'END'
It refuses commands that would change nothing; ZBC lets them pass.
< open a full zone: I/O error
< close a full zone: I/O error
> open a full zone: ok
> close a full zone: ok
Behind the write pointer it has 0xff, they have zeroes; neither was written.
< read behind the write pointer: ok 7d2c7ac4888bfd75
> read behind the write pointer: ok 9f1dcbc35c350d60
END
}

# The zones as the kernel reports them: runs of zones in the same condition, with their write pointers where they have
# one.
zones() {
    blkzone report "$device" |
        sed -E 's/.*wptr 0x([0-9a-f]+).*zcond:[ 0-9]*\((..)\).*\[type: [0-9]\((.*)\)\]/\2 wp \1 \3/' |
        sed -E 's/(fu|nw) wp [0-9a-f]+/\1/' | uniq -c | sed -E 's/^ */    /'
}

# What a command answers. What a SCSI disk refuses as an illegal request is EREMOTEIO here and EIO from other drivers:
# either is "I/O error".
try() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "$name: ok${said:+ $said}"
    else
        echo "$name: $(tail -n 1 <<<"$said" | sed -E "s,'?$device'?,DEVICE,; s,.*(Input/output|Remote I/O) error,I/O error,")"
    fi
}
# The first sector of a zone.
start_of() { echo $(($1 * 8192)); }
# put ZONE BLOCK COUNT: blocks of 4 KiB straight to the device.
put() { dd if=/dev/zero of="$device" bs=4k seek=$(($1 * 1024 + $2)) count="$3" oflag=direct conv=notrunc status=none; }
get() { dd if="$device" bs=4k skip=$(($1 * 1024 + $2)) count="$3" iflag=direct status=none | sha256sum | cut -c 1-16; }
manage() { blkzone "$1" -o "$(start_of "$2")" -c "${3:-1}" "$device"; }

one_zone() {
    try "reset all" blkzone reset "$device"
    zones
    try "open an empty zone" manage open 8
    zones
    try "close it" manage close 8
    zones
    try "write at its start" put 8 0 16
    zones
    try "open what is open implicitly" manage open 8
    try "close it with data" manage close 8
    zones
    try "write on" put 8 16 1
    try "finish" manage finish 8
    zones
    try "write to a full zone" put 8 20 1
    try "open a full zone" manage open 8
    try "close a full zone" manage close 8
    try "finish a full zone" manage finish 8
    try "reset" manage reset 8
    try "reset an empty zone" manage reset 8
    try "finish an empty zone" manage finish 9
    zones
    try "read behind the write pointer" get 10 3 2
    try "write behind the write pointer" put 10 3 1
    try "write at the write pointer after that" put 10 0 2
    manage reset 11
    put 11 0 3
    try "write before the write pointer" put 11 1 1
    try "write to a conventional zone" put 2 77 1
    for what in open close finish reset; do
        try "$what a conventional zone" manage $what 2
    done
    try "from the middle of a zone" blkzone reset -o $(($(start_of 10) + 8)) -c 1 "$device"
    zones
}

several_zones() {
    try "reset all" zbd reset "$device"
    for zone in 10 11 12 13; do
        try "open zone $zone" manage open $zone
    done
    try "open a fifth" manage open 14
    try "write to a fifth" put 14 0 1
    zones
    try "close four" zbd close -ofst $((10 * 4194304)) -len $((4 * 4194304)) "$device"
    for zone in 20 21 22 23 24 25; do
        try "write to zone $zone" put $zone 0 1
    done
    zones | cut -c 1-20
    try "finish three" zbd finish -ofst $((20 * 4194304)) -len $((3 * 4194304)) "$device"
    try "full ones" zbd report -n -ro fu "$device"
    try "empty ones" zbd report -n -ro em "$device"
    try "conventional ones" zbd report -n -ro nw "$device"
    try "reset three" zbd reset -ofst $((20 * 4194304)) -len $((3 * 4194304)) "$device"
    try "reset all" blkzone reset "$device"
    zones
}

# fio's own rules for zones, with its checksums read back.
by_fio() {
    local rw
    for rw in write randwrite; do
        if fio --name=$rw --filename="$device" --zonemode=zbd --direct=1 --rw=$rw --bs=64k --offset=$((16 * 4194304)) \
            --size=$((8 * 4194304)) --io_size=12m --max_open_zones=4 --ioengine=psync --verify=crc32c --randseed=3 \
            >/run/fio 2>&1; then
            echo "fio $rw with verify: ok"
        else
            echo "fio $rw with verify: failed"
            grep -iE "err|verify" /run/fio | head -n 3 || true
        fi
    done
    try "reset all" blkzone reset "$device"
}

by_zonefs() {
    try "mkfs zonefs" "$stack" mkfs zonefs "$device"
    try "mount zonefs" mount -t zonefs "$device" /run/zonefs
    (cd /run/zonefs && for folder in *; do echo "$folder: $(find "$folder" -type f | wc -l) files"; done)
    try "append" append /run/zonefs/seq/5 256k
    stat -c "seq/5: %s bytes" /run/zonefs/seq/5
    try "append somewhere else" dd if=/dev/zero of=/run/zonefs/seq/5 bs=4k seek=200 count=1 oflag=direct \
        conv=notrunc status=none
    try "truncate to the middle" truncate -s 4k /run/zonefs/seq/5
    try "truncate to its end" truncate -s 4M /run/zonefs/seq/5
    try "truncate to nothing" truncate -s 0 /run/zonefs/seq/5
    try "unlink" rm -f /run/zonefs/seq/5
    umount /run/zonefs
    try "reset all" blkzone reset "$device"
    zones
}

# The same by SCSI commands, where the disk takes some; not compared with disks that do not. LBAs are sectors here.
by_scsi() {
    [ -e "/sys/block/${device#/dev/}/device/vendor" ] || return 0
    try "scsi OPEN ZONE" sg_zone --open --zone="$(start_of 8)" "$device"
    try "scsi CLOSE ZONE" sg_zone --close --zone="$(start_of 8)" "$device"
    try "scsi FINISH ZONE" sg_zone --finish --zone="$(start_of 9)" "$device"
    zones | sed 's/^/scsi /'
    try "scsi RESET WRITE POINTER" sg_reset_wp --zone="$(start_of 9)" "$device"
    try "scsi RESET WRITE POINTER, all" sg_reset_wp --all "$device"
    try "scsi REPORT ZONES" sh -c "sg_rep_zones --num=9 $device | grep -cE 'Zone (descriptor|start)'"
    try "scsi OPEN ZONE of a conventional one" sg_zone --open --zone=0 "$device"
    try "scsi OPEN ZONE from the middle" sg_zone --open --zone=$(($(start_of 8) + 8)) "$device"
    try "scsi READ CAPACITY" sh -c "sg_readcap -16 $device | sed -n 's/.*Last LBA=\([0-9]*\).*/\1/p'"
    try "scsi zoned VPD" sh -c "sg_vpd --page=0xb6 $device | tail -n +2 | tr -s ' \n' ' '"
}

first=
[ $# -lt 2 ] || rows=("${@:2}")
for row in "${rows[@]}"; do
    $row up
    for part in one_zone several_zones by_fio by_zonefs by_scsi; do
        echo "== $part"
        $part
    done >"/run/conformance-$row"
    $row down
    if [ -z "$first" ]; then
        first=$row
        sed "s/^/$row: /" "/run/conformance-$row"
        continue
    fi
    grep "^scsi" "/run/conformance-$row" | sed "s/^/$row: /" || true
    for each in "$first" "$row"; do
        grep -v "^scsi" "/run/conformance-$each" >"/run/compared-$each"
    done
    code=0
    diff "/run/compared-$first" "/run/compared-$row" >/run/differences || code=$?
    [ $code -le 1 ] # 2: it could not compare
    differences=$(grep '^[<>]' /run/differences || true)
    known=$(known_differences | grep '^[<>]')
    if [ "$differences" != "$known" ]; then
        echo "$row does not answer as $first does ($first <, $row >):"
        echo "$differences"
        echo "known are:"
        echo "$known"
        exit 1
    fi
    held "$row answers as $first does${known:+, but for what is known}"
done
