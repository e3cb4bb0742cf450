// The command line of QEMU for one guest. Pure.
#pragma once

#include "backend/base/units.h"

#include <string>
#include <vector>

namespace reflux::vm {

struct Machine {
    std::string program;              // qemu-system-x86_64
    std::string accelerator = "tcg";  // "kvm" | "tcg"
    unsigned cpus = 2;
    Bytes memory = gibibytes(1);
    std::string image;  // bzImage
    int initramfs_fd = -1;
    std::vector<std::string> parameters;  // of the kernel, "NAME=value"; no blanks in them
    std::string shared_folder;  // the guest's /run/shared, read-write; empty: none, and no host root either
    int scratch_fd = -1;        // the guest's /dev/vda; -1: none
    // Lines go to sockets, never to files: QEMU writes them under its global lock, and a host's disk that
    // makes it wait stops every processor of the guest and their timers.
    int console_fd = -1;  // socket: ttyS0; -1: stdin and stdout
    int events_fd = -1;   // socket: ttyS1
    int control_fd = -1;  // socket: QMP; -1: none
};

// The descriptors must be inherited under their numbers.
std::vector<std::string> qemu_arguments(const Machine& machine);

}  // namespace reflux::vm
