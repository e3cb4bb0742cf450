#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest, twice: from the initramfs it builds a root out of the host's files, read-only over 9p,
# under a layer of memory, and starts itself again in there; then it prepares cgroups, modules and a scratch disk, runs
# the one command that the host left in the shared folder, and stops the machine.
#
# From the kernel's command line, as environment:
#   REFLUX_CGROUP    v1 | v2 | auto (v1 where the kernel has it): hierarchy that gets the memory controller
#   REFLUX_LOAD      modules to load before the command, comma separated
#   REFLUX_MODULES   the host's folder of this kernel's modules; empty: where the host itself has them
#   REFLUX_MODE      command | shell (the command talks to a person on the console) | trial (boot, say so, stop)
# Files: /modules/list names the modules of the initramfs in their order. On ttyS1 the host reads what the command prints,
# (lines after @out), and what this script has to tell: @boot, @beat, @say, @end (guest.cpp, take_line).
set -u

end_of_output='@ end of output @'

# Descriptor 9 is ttyS1, open from the first line to the last. To open it anew for each line takes memory (n_tty_open's vzalloc)
# and maps it, which every processor must hear of: a beat may depend on neither.
# After a line break: what the command printed last may have none.
tell() { printf '\n%s\n' "$*" >&9; }

# What stands last on the line is not sent yet when tell returns, and a reset would take it away. So the host ends the machine
# when it has read it; should nobody, it ends by itself.
last_words() {
    tell "$*"
    sleep 10
    stop_machine
}

give_up() {
    tell "@say guest: $*"
    last_words "@end 4"
}

# Not poweroff: with a hung filesystem it would not end. QEMU is started with -no-reboot.
stop_machine() {
    echo b >/proc/sysrq-trigger
    exec sleep 1000 # the kernel is reset before this ends
}

build_root() {
    local module folder
    mkdir -p /proc /sys /dev /host /layer /root
    mount -t devtmpfs dev /dev
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    stty -F /dev/ttyS1 raw
    exec 9>/dev/ttyS1
    [ "$REFLUX_MODE" != trial ] || last_words "@boot kernel $(uname -r)"
    tell "@boot kernel $(uname -r)"
    while read -r module; do
        insmod "/modules/$module" || tell "@say guest: insmod $module failed"
    done </modules/list
    mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host ||
        give_up "cannot mount the host's root over 9p (does this kernel have 9p and virtio, built in or as modules?)"
    mount -t tmpfs -o mode=0755,size=40% layer /layer
    mkdir /layer/upper /layer/work
    mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /root ||
        give_up "cannot lay memory over the host's root (does this kernel have overlayfs?)"
    # What runs on the host has its sockets and pid files there.
    mount -t tmpfs -o mode=0755 run /root/run
    mkdir /root/run/guest /root/run/shared
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none shared /root/run/shared ||
        give_up "cannot mount the shared folder over 9p"
    cp /init /bin/busybox /root/run/guest/
    for folder in proc sys dev; do
        mount --move "/$folder" "/root/$folder"
    done
    exec switch_root /root /run/guest/busybox sh /run/guest/init prepared
}

mount_cgroups_v1() {
    mount -t tmpfs -o mode=0755 cgroup /sys/fs/cgroup
    mkdir /sys/fs/cgroup/memory
    mount -t cgroup -o memory memory /sys/fs/cgroup/memory 2>/dev/null && return
    umount /sys/fs/cgroup
    return 1
}

mount_cgroups_v2() {
    local controller
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    for controller in memory io; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control ||
            tell "@say guest: this kernel has no $controller controller for cgroup v2"
    done
}

mount_cgroups() {
    case $REFLUX_CGROUP in
        v1) mount_cgroups_v1 || tell "@say guest: this kernel has no memory controller for cgroup v1" ;;
        v2) mount_cgroups_v2 ;;
        *) mount_cgroups_v1 || mount_cgroups_v2 ;;
    esac
}

load_modules() {
    local folder module
    folder=/lib/modules/$(uname -r)
    if [ -n "${REFLUX_MODULES-}" ]; then
        mkdir -p "$folder"
        mount --bind "$REFLUX_MODULES" "$folder" || give_up "cannot see the host's $REFLUX_MODULES"
    fi
    # One that is built in, or that this kernel has not, is no error here: what needs it says so. ext4 is the scratch disk's: the
    # kernel's own modprobe would be looked for in the initramfs.
    for module in ext4 $(echo "${REFLUX_LOAD-}" | tr , ' '); do
        # kmod's, for busybox' own takes no zstd
        /sbin/modprobe -q "$module" || modprobe -q "$module"
    done
}

# Images of the lower filesystem lie here, not in the guest's memory.
mount_scratch() {
    mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1,nodiscard /dev/vda ||
        give_up "cannot make a filesystem on the scratch disk"
    mkdir /run/scratch
    mount /dev/vda /run/scratch || give_up "cannot mount the scratch disk"
}

mount_if_missing() {
    mkdir -p "$2"
    mountpoint -q "$2" || mount -t "$1" "$1" "$2"
}

# Once a second, for which it waits on a pipe that nobody writes to: to start a process takes memory, and in a guest that is
# short of it an allocation may end in the very hang that the host wants to hear of.
beat() {
    local up rest
    mkfifo /run/guest/never
    while read -r up rest </proc/uptime && tell "@beat $up"; do
        # shellcheck disable=SC3045  # busybox has it
        read -r -t 1 rest
    done <>/run/guest/never
}

# What the command prints goes to the host, and after its last line the machine stops. Through a fifo, for the command would
# take a serial line for a terminal; the end is a line in it, for a process that hangs may keep it open for good.
relay() {
    local line
    while IFS= read -r line; do
        if [ -e /run/guest/status ] && [ "$line" = "$end_of_output" ]; then
            last_words "@end $(cat /run/guest/status)"
        fi
        tell "@out $line"
    done </run/guest/said
}

run_command() {
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run/scratch LANG=C.UTF-8
    mount_if_missing devpts /dev/pts
    mount_if_missing tmpfs /dev/shm
    mount_cgroups
    load_modules
    mount_scratch
    # Panics and hangs leave their stacks on the console, which the host keeps.
    dmesg -n 7
    tell "@boot ready"
    if [ "$REFLUX_MODE" = shell ]; then
        setsid /run/guest/busybox cttyhack sh /run/shared/guest-command.sh
        stop_machine
    fi
    beat &
    mkfifo /run/guest/said
    relay &
    # The whole log, as it grows: a guest that dies leaves it.
    stdbuf -oL dmesg -w >/run/shared/guest-dmesg.txt &
    {
        sh /run/shared/guest-command.sh
        echo $? >/run/guest/status
        printf '\n%s\n' "$end_of_output"
    } >/run/guest/said 2>&1
    wait
}

if [ "${1-}" = prepared ]; then
    run_command
else
    # Nothing else is in the initramfs.
    PATH=/bin
    /bin/busybox --install -s /bin
    build_root
fi
