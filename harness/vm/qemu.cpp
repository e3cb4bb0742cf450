#include "harness/vm/qemu.h"

#include <initializer_list>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reflux::vm {
namespace {

// In QEMU's options a comma ends a value; one that is part of it is doubled.
std::string escaped(const std::string& value) {
    std::string text;
    for (const char c : value) {
        text += c;
        if (c == ',') {
            text += c;
        }
    }
    return text;
}

void add(std::vector<std::string>& arguments, std::initializer_list<std::string> more) {
    arguments.insert(arguments.end(), more);
}

// security_model=none: files keep the owner that the host gives, and a host without root can serve them.
void add_folder(std::vector<std::string>& arguments, const std::string& tag, const std::string& path,
                bool read_only) {
    add(arguments, {"-fsdev",
                    fmt::format("local,id={},path={},security_model=none,multidevs=remap{}", tag,
                                escaped(path), read_only ? ",readonly=on" : ""),
                    "-device", fmt::format("virtio-9p-pci,fsdev={0},mount_tag={0}", tag)});
}

}  // namespace

std::vector<std::string> qemu_arguments(const Machine& machine) {
    const bool kvm = machine.accelerator == "kvm";
    // -no-reboot: a reset (sysrq b, panic=-1) ends QEMU. A panic must not be able to linger.
    std::vector<std::string> parameters{"console=ttyS0", "quiet", "panic=-1", "random.trust_cpu=on",
                                        "sysrq_always_enabled=1"};
    if (!kvm) {
        parameters.emplace_back(
            "mitigations=off");  // flushes that emulation pays for and that guard nothing in it
    }
    parameters.insert(parameters.end(), machine.parameters.begin(), machine.parameters.end());
    std::vector<std::string> arguments{
        machine.program, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine",
        "q35", "-accel", kvm ? "kvm" : "tcg,thread=multi", "-cpu",
        // An emulated walk of five page table levels takes a quarter of a
        // guest's speed, and nobody needs the fifth.
        kvm ? "host" : "max,la57=off", "-smp", std::to_string(machine.cpus), "-m",
        fmt::format("{}M", machine.memory.value >> 20U), "-kernel", machine.image, "-initrd",
        fmt::format("/proc/self/fd/{}", machine.initramfs_fd), "-append",
        fmt::format("{}", fmt::join(parameters, " "))};
    if (machine.console_fd >= 0) {
        add(arguments, {"-chardev", fmt::format("socket,id=console,fd={}", machine.console_fd)});
    } else {
        add(arguments, {"-chardev", "stdio,id=console,signal=off"});
    }
    add(arguments, {"-chardev", fmt::format("socket,id=events,fd={}", machine.events_fd), "-serial",
                    "chardev:console", "-serial", "chardev:events"});
    if (!machine.shared_folder.empty()) {
        add_folder(arguments, "host", "/", true);
        add_folder(arguments, "shared", machine.shared_folder, false);
    }
    if (machine.scratch_fd >= 0) {
        // What is on it is gone with the guest: nothing needs to reach a disk. When the host's is full, the
        // guest gets an error; by default QEMU would stop the machine.
        add(arguments,
            {"-drive",
             fmt::format(
                 "file=/proc/self/fd/{},format=raw,if=virtio,cache=unsafe,werror=report,rerror=report",
                 machine.scratch_fd)});
    }
    if (machine.control_fd >= 0) {
        add(arguments, {"-chardev", fmt::format("socket,id=control,fd={}", machine.control_fd), "-mon",
                        "chardev=control,mode=control"});
    }
    return arguments;
}

}  // namespace reflux::vm
