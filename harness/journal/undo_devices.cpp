#include "harness/journal/undo_devices.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <filesystem>

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

namespace reflux::journal {
namespace {

constexpr Seconds orderly_time{60};
constexpr Seconds escape_time{20};
constexpr Seconds write_time{5};

Status run(const std::vector<std::string>& command) {
    REFLUX_TRY(const auto result, run_command(command, escape_time));
    const auto name = fmt::format("{}", fmt::join(command, " "));
    if (!result.exit) {
        return fail(ErrorKind::timed_out,
                    fmt::format("{} did not end within {}", name, reflux::to_string(escape_time)));
    }
    return result.exit->ok() ? Status{}
                             : fail(ErrorKind::system, fmt::format("{}: {}", name, trimmed(result.output)));
}

// May wait for locks of the device: in a child, and what comes of it is seen by the undoing.
void write_if_there(const std::string& path, const std::string& text) {
    if (::access(path.c_str(), F_OK) == 0) {
        static_cast<void>(call_bounded("write " + path, write_time, [&] { return write_file(path, text); }));
    }
}

// All that the ring of a TCMU device holds; of any other folder nothing.
void fail_ring(const std::string& device) {
    write_if_there(device + "/action/reset_ring", "2");
}

bool is_tcmu(const std::string& path) {
    return path.find("/target/core/user_") != std::string::npos;
}

// The kernel waits without limit for a handler's word that a device may come or go; these fail all such waits
// (tcmu_netlink_event in drivers/target/target_core_user.c). A run makes TCMU devices only where there are no
// others.
void give_up_on_handler() {
    const std::string folder = "/sys/module/target_core_user/parameters/";
    write_if_there(folder + "block_netlink", "1");
    write_if_there(folder + "reset_netlink", "1");
    write_if_there(folder + "block_netlink", "0");
}

Status gone_by(int (*call)(const char*), const std::string& path, const std::string& what) {
    return call(path.c_str()) == 0 || errno == ENOENT ? Status{} : Status(fail_errno(what));
}

// Taking a disk away sends it a last SYNCHRONIZE CACHE. In an escape nobody is left to answer, so what the
// ring holds is failed again and again until the disk is gone.
Status unlink_lun(const std::string& link, Mode mode) {
    const std::string what = "unlink " + link;
    std::error_code none;
    const auto device = std::filesystem::canonical(link, none).string();
    REFLUX_TRY(auto child, fork_call([&] { return gone_by(::unlink, link, what); }));
    constexpr Seconds between_resets{0.5};
    const auto end = std::chrono::steady_clock::now() + (mode == Mode::orderly ? orderly_time : escape_time);
    while (std::chrono::steady_clock::now() < end) {
        REFLUX_TRY(const auto exit, wait_for(child, between_resets));
        if (exit) {
            return exit->ok() ? Status{}
                              : fail(ErrorKind::system, fmt::format("{}: {}", what, to_string(*exit)));
        }
        if (mode == Mode::escape) {
            fail_ring(device);
        }
    }
    static_cast<void>(send_signal(child, SIGKILL));
    return fail(ErrorKind::timed_out, what + " did not end in its time");
}

// By us: another client may have the device by now.
bool is_connected(const Object& object) {
    const auto words = split(object.note, ' ');
    const auto client =
        read_file(fmt::format("/sys/block{}/pid", object.name.substr(object.name.rfind('/'))));
    return client && words.size() == 3 && trimmed(*client) == words[2];
}

// The kernel's client holds a lock while it sends to a server that takes nothing any more, and to disconnect
// takes that lock; an end of the connection lets it go.
void break_nbd(const Object& object) {
    const auto words = split(object.note, ' ');
    const int pid = words.size() >= 2 ? std::atoi(words[0].c_str()) : 0;
    if (const auto start = process_start_time(pid); pid > 0 && start && std::to_string(*start) == words[1]) {
        static_cast<void>(shut_sockets(pid));
    }
    static_cast<void>(disconnect_nbd(object));
}

}  // namespace

Status remove_configfs(const Object& object, Mode mode) {
    struct stat status {};
    if (::lstat(object.name.c_str(), &status) != 0) {
        return errno == ENOENT ? Status{} : Status(fail_errno("stat " + object.name));
    }
    if (S_ISLNK(status.st_mode)) {
        return unlink_lun(object.name, mode);
    }
    const std::string what = "rmdir " + object.name;
    const auto remove = [&] {
        return call_bounded(what, mode == Mode::orderly ? orderly_time : escape_time,
                            [&] { return gone_by(::rmdir, object.name, what); });
    };
    auto removed = remove();
    if (!removed && removed.error().kind == ErrorKind::timed_out && is_tcmu(object.name)) {
        give_up_on_handler();
        removed = remove();
    }
    // Others have made targets there meanwhile.
    const bool is_shared = object.name.ends_with("/target/loopback");
    return is_shared && !removed && removed.error().errnum == ENOTEMPTY ? Status{} : removed;
}

Status disconnect_nbd(const Object& object) {
    return is_connected(object) ? run({"nbd-client", "-d", object.name}) : Status{};
}

Status shut_sockets(int pid) {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) {
        return errno == ESRCH ? Status{} : Status(fail_errno(fmt::format("pidfd_open {}", pid)));
    }
    REFLUX_TRY(const auto names, list_directory(fmt::format("/proc/{}/fd", pid)));
    for (const auto& name : names) {
        const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), std::stoi(name), 0)));
        sockaddr_un name_of_ours{};
        socklen_t length = sizeof(name_of_ours) - 1;
        // Accepted ones have the name of the socket that listens, those that it was given or opened have not.
        if (fd && ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name_of_ours), &length) == 0 &&
            name_of_ours.sun_family == AF_UNIX && name_of_ours.sun_path[0] == '/') {
            // ENOTCONN of the one that listens.
            static_cast<void>(::shutdown(fd.get(), SHUT_RDWR));
        }
    }
    return {};
}

Status delete_ublk(const Object& object) {
    // Without the driver, or before the image was made, there is no device.
    const bool may_be = !object.note.empty() && ::access("/dev/ublk-control", F_OK) == 0 &&
                        ::access(object.name.c_str(), F_OK) == 0;
    return may_be ? run({object.note, "ublk", "delete", "--image", object.name}) : Status{};
}

std::string foreign_device_note(const std::string& name, const std::string& sys_block) {
    const auto sequence = read_file(fmt::format("{}/{}/diskseq", sys_block, name));  // 5.15
    return fmt::format("{} {}", name, sequence ? trimmed(*sequence) : "-");
}

Status await_foreign_device_gone(const Object& object, Seconds time, const std::string& sys_block) {
    const std::string name = object.note.substr(0, object.note.find(' '));
    // A node that stays (nbd0, loop0) is nobody's when it has no size.
    const bool gone = name.empty() || wait_until(time, [&] {
                          return read_number(fmt::format("{}/{}/size", sys_block, name)).value_or(0) == 0 ||
                                 foreign_device_note(name, sys_block) != object.note;
                      });
    return gone ? Status{}
                : fail(ErrorKind::timed_out,
                       fmt::format("/dev/{}, which the daemon has made, has outlived it; remove it by the "
                                   "means of that daemon, then run reflux clean",
                                   name));
}

void abort_fuse_connections(const Journal& journal) {
    std::vector<std::string> roots{"/sys/fs/fuse/connections"};
    for (const auto& object : journal.objects()) {
        if (object.kind == Kind::mount && object.name.ends_with("/fusectl")) {
            roots.push_back(object.name);
        }
    }
    for (const auto& object : journal.objects()) {
        if (object.kind != Kind::mount) {
            continue;
        }
        const auto connection = fuse_connection_at(object.name);
        for (const auto& root : connection ? roots : std::vector<std::string>{}) {
            // Missing where that fusectl is not mounted.
            static_cast<void>(write_file(fmt::format("{}/{}/abort", root, *connection), "1"));
        }
    }
}

void fail_block_devices(const Journal& journal) {
    for (const auto& object : journal.objects()) {
        if (object.kind == Kind::nbd_device) {
            break_nbd(object);
        } else if (object.kind == Kind::configfs) {
            // A port of tcm_loop: what comes from now on fails at once.
            if (const auto address = read_file(object.name + "/address")) {
                write_if_there(fmt::format("/sys/bus/scsi/devices/{}:0/state", trimmed(*address)),
                               "offline\n");
            }
        }
    }
    for (const auto& object : journal.objects()) {
        if (object.kind == Kind::configfs) {
            // Twice: what found no room in the ring moves up when it is emptied.
            fail_ring(object.name);
            fail_ring(object.name);
        }
    }
}

}  // namespace reflux::journal
