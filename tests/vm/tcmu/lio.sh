# shellcheck shell=bash
# Functions for a guest: TCM-User disks of LIO on a loopback target. Sourced by bash.
core=/sys/kernel/config/target/core
loopback=/sys/kernel/config/target/loopback

lio_prepare() {
    modprobe -a sd_mod sg target_core_user tcm_loop
    mkdir -p /etc/target # where the kernel's target keeps its state; it warns without
    [ -d /sys/kernel/config/target ] || mount -t configfs configfs /sys/kernel/config
}

# wait_until SECONDS COMMAND...
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# lio_device NUMBER NAME BYTES DEV_CONFIG: core/user_NUMBER/NAME, enabled.
lio_device() {
    local device=$core/user_$1/$2
    mkdir -p "$device"
    echo "dev_size=$3,dev_config=$4,hw_max_sectors=2048" >"$device/control"
    echo "5e41a1b2-0000-4000-8000-00000000000$1" >"$device/wwn/vpd_unit_serial"
    echo 1 >"$device/enable" || return 1
    echo 0 >"$device/attrib/cmd_time_out"
}

wwn_of() { echo "naa.500140500000000$1"; }

# lio_lun NUMBER NAME: a SCSI disk of it, whose name in /dev is printed.
lio_lun() {
    local tpg
    tpg=$loopback/$(wwn_of "$1")/tpgt_1
    mkdir -p "$tpg/lun/lun_0"
    echo "naa.60014050000000$1" >"$tpg/nexus"
    ln -s "$core/user_$1/$2" "$tpg/lun/lun_0/$2"
    wait_until 20 lio_disk "$1" >/dev/null || return 1
    lio_disk "$1"
}

# The disk's name in /dev, when it is there.
lio_disk() {
    local address
    address=$(cat "$loopback/$(wwn_of "$1")/tpgt_1/address") || return 1
    only_name "/sys/bus/scsi/devices/$address:0/block"
}
lio_generic() { only_name "/sys/block/$1/device/scsi_generic"; }
only_name() {
    local names=("$1"/*)
    [ -e "${names[0]}" ] && echo "${names[0]##*/}"
}

# lio_remove NUMBER NAME: all of it.
lio_remove() {
    local wwn
    wwn=$loopback/$(wwn_of "$1")
    rm -f "$wwn/tpgt_1/lun/lun_0/$2"
    rmdir "$wwn/tpgt_1/lun/lun_0" "$wwn/tpgt_1" "$wwn"
    rmdir "$core/user_$1/$2" "$core/user_$1"
}
