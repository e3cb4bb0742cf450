#include "harness/journal/undo.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"
#include "harness/journal/device_mapper.h"
#include "harness/journal/undo_devices.h"
#include "harness/journal/undo_trace.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace reflux::journal {
namespace {

constexpr Seconds orderly_umount_time{30};
constexpr Seconds escape_umount_time{5};
constexpr Seconds gone_time{10};  // for kernel objects to disappear after they were told to
// A lazily unmounted filesystem first fails whatever it had dirty, block by block; an emulated machine is
// slow at it.
constexpr Seconds loop_gone_time{60};

// 0: none.
int pid_of(const std::string& text) {
    int pid = 0;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    return pid;
}

UniqueFd open_process(int pid) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

Status unmount(const Object& object, Mode mode) {
    // A path can be mounted more than once; the uppermost goes first.
    for (;;) {
        REFLUX_TRY(const bool mounted, is_mounted(object.name));
        if (!mounted) {
            return {};
        }
        const auto call = [&](int flags) {
            return [&object, flags]() -> Status {
                if (::umount2(object.name.c_str(), flags) != 0 && errno != EINVAL) {
                    return fail_errno("umount " + object.name);
                }
                return {};
            };
        };
        const Seconds time = mode == Mode::orderly ? orderly_umount_time : escape_umount_time;
        auto done = call_bounded("umount " + object.name, time, call(UMOUNT_NOFOLLOW));
        if (!done && mode == Mode::escape) {
            done = call_bounded("lazy umount " + object.name, time, call(UMOUNT_NOFOLLOW | MNT_DETACH));
        }
        // One that has left the tree may go on writing what was dirty: who takes its device away waits for
        // that.
        if (!done && is_mounted(object.name).value_or(true)) {
            return done;
        }
    }
}

// The kernel shows the backing file's path from the root of what is still mounted of it: all of it, or, after
// a lazy umount, its end. A device of that number with another file is somebody else's by now.
bool backs(const std::string& name, const Object& object) {
    const auto text = read_file(fmt::format("/sys/block/{}/loop/backing_file", name));
    std::string backing = text ? trimmed(*text) : std::string{};
    constexpr std::string_view deleted = " (deleted)";
    if (backing.ends_with(deleted)) {
        backing.resize(backing.size() - deleted.size());
    }
    return !backing.empty() && object.name.ends_with(backing);
}

// The loop device of this object: the noted number, or, where the harness was killed before it noted it, the
// one with the journalled path.
std::optional<std::string> loop_name(const Object& object) {
    if (!object.note.empty()) {
        return "loop" + object.note;
    }
    const auto names = list_directory("/sys/block");
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        const auto backing = read_file(fmt::format("/sys/block/{}/loop/backing_file", name));
        if (backing && trimmed(*backing) == object.name) {
            return name;
        }
    }
    return std::nullopt;
}

Status detach_loop(const Object& object) {
    const auto name = loop_name(object);
    const auto attached = [&] { return backs(*name, object); };
    if (!name || !attached()) {
        return {};
    }
    // LOOP_CLR_FD flushes the page cache of the device, which waits for its I/O.
    const std::string device = "/dev/" + *name;
    REFLUX_CHECK(call_bounded("detach " + device, gone_time, [&]() -> Status {
        REFLUX_TRY(const auto fd, open_file(device, O_RDWR));
        if (::ioctl(fd.get(), LOOP_CLR_FD, 0) != 0 && errno != ENXIO) {
            return fail_errno("LOOP_CLR_FD " + device);
        }
        return {};
    }));
    // With another opener (a lazily unmounted filesystem) the kernel detaches at the last close.
    if (!wait_until(loop_gone_time, [&] { return !attached(); })) {
        return fail(ErrorKind::timed_out, device + " is still attached");
    }
    return {};
}

// None where it cannot be read: it is gone then.
std::vector<int> members(const std::string& cgroup) {
    return cgroup_members(cgroup).value_or(std::vector<int>{});
}

// Reaps children of ours that have ended, so that they leave their cgroup; other processes are left to their
// parent.
void reap_members(const std::string& cgroup) {
    for (const int pid : members(cgroup)) {
        ::waitpid(pid, nullptr, WNOHANG);
    }
}

void lift_limit(const std::string& cgroup) {
    // Lifting only makes pages available, it reclaims nothing, so it does not block. Either name may be
    // missing.
    if (!write_file(cgroup + "/memory.max", "max")) {
        static_cast<void>(write_file(cgroup + "/memory.limit_in_bytes", "-1"));
    }
}

Status remove_cgroup(const Object& object, Mode mode) {
    if (::access(object.name.c_str(), F_OK) != 0) {
        return {};
    }
    if (mode == Mode::escape) {
        static_cast<void>(kill_cgroup(object.name));
    }
    const bool empty = wait_until(gone_time, [&] {
        reap_members(object.name);
        return ::rmdir(object.name.c_str()) == 0 || errno == ENOENT;
    });
    if (!empty) {
        const auto pids = members(object.name);
        return fail(ErrorKind::timed_out, fmt::format("{} cannot be removed; processes in it: {}",
                                                      object.name, fmt::join(pids, " ")));
    }
    return {};
}

// Whoever made them has ended, or is killed with them: a run's cgroups of one second, or of a killed harness.
Status remove_cgroup_tree(const Object& object, Mode mode) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(object.name, error)) {
        if (entry.is_directory(error)) {
            REFLUX_CHECK(remove_cgroup(
                {.id = object.id, .kind = object.kind, .name = entry.path(), .note = {}}, mode));
        }
    }
    return remove_cgroup(object, mode);
}

Status end_process(const Object& object, Mode mode) {
    const auto words = split(object.note, ' ');
    if (words.size() != 2) {
        return {};  // not started, or started into a cgroup whose members are killed with it
    }
    const int pid = pid_of(words[0]);
    if (pid <= 0) {
        return fail(ErrorKind::invalid_input, fmt::format("the journal names no process: '{}'", object.note));
    }
    // The descriptor first: what it names then is what the start time is compared of.
    const UniqueFd pidfd = open_process(pid);
    if (!pidfd) {
        return errno == ESRCH ? Status{} : Status(fail_errno(fmt::format("pidfd_open {}", pid)));
    }
    const auto start = process_start_time(pid);
    if (!start || std::to_string(*start) != words[1]) {
        return {};
    }
    Child process{.pid = pid, .pidfd = UniqueFd(::dup(pidfd.get()))};
    REFLUX_CHECK(send_signal(process, mode == Mode::orderly ? SIGTERM : SIGKILL));
    REFLUX_TRY(const bool ended, wait_readable(pidfd.get(), gone_time));
    if (!ended) {
        return fail(ErrorKind::timed_out, fmt::format("process {} ({}) did not end within {} of its signal",
                                                      pid, object.name, reflux::to_string(gone_time)));
    }
    ::waitpid(pid, nullptr, WNOHANG);
    return {};
}

Status remove_path(const Object& object, int (*call)(const char*), std::string_view name) {
    if (call(object.name.c_str()) != 0 && errno != ENOENT) {
        return fail_errno(fmt::format("{} {}", name, object.name));
    }
    return {};
}

// Only when nobody else has come to rely on it: a cgroup beside ours may count its memory by now.
Status disable_memory(const std::string& subtree_control) {
    const std::string parent = subtree_control.substr(0, subtree_control.rfind('/'));
    const auto names = list_directory(parent);
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        if (::access(fmt::format("{}/{}/memory.max", parent, name).c_str(), F_OK) == 0) {
            return {};
        }
    }
    const auto written = write_file(subtree_control, "-memory");
    return written || written.error().errnum == EBUSY ? Status{} : written;
}

// Without a note it was not written yet. What is gone (a module's sysctl, a device) has nothing to put back.
Status put_back(const Object& object) {
    if (object.note.empty()) {
        return {};
    }
    const auto written = write_file(object.name, object.note);
    return written || written.error().errnum == ENOENT ? Status{} : written;
}

// In use for as long as somebody has a device of it open, or a thread runs in it; those of a run have ended
// before it, or are leftovers themselves.
Status unload_module(const Object& object) {
    if (::access(("/sys/module/" + object.name).c_str(), F_OK) != 0) {
        return {};
    }
    Status unloaded;
    const bool may_stay = object.note == module_for_others;
    wait_until(may_stay ? Seconds(0) : gone_time, [&] {
        // Unregistering probes waits for RCU.
        unloaded = call_bounded("rmmod " + object.name, gone_time, [&]() -> Status {
            return ::syscall(SYS_delete_module, object.name.c_str(), O_NONBLOCK) == 0 || errno == ENOENT
                       ? Status{}
                       : Status(fail_errno("rmmod " + object.name));
        });
        return unloaded || unloaded.error().errnum != EWOULDBLOCK;
    });
    return may_stay && !unloaded && unloaded.error().errnum == EWOULDBLOCK ? Status{} : unloaded;
}

Status undo_object(const Object& object, Mode mode) {
    switch (object.kind) {
        case Kind::directory:
            return remove_path(object, ::rmdir, "rmdir");
        case Kind::file:
            return remove_path(object, ::unlink, "unlink");
        case Kind::mount:
            return unmount(object, mode);
        case Kind::loop:
            return detach_loop(object);
        case Kind::cgroup:
            return remove_cgroup(object, mode);
        case Kind::cgroup_tree:
            return remove_cgroup_tree(object, mode);
        case Kind::subtree_control:
            return disable_memory(object.name);
        case Kind::process:
            return end_process(object, mode);
        case Kind::trace_instance:
            return remove_trace_instance(object);
        case Kind::trace_probes:
            return remove_trace_probes(object);
        case Kind::setting:
            return put_back(object);
        case Kind::kernel_module:
            return unload_module(object);
        case Kind::configfs:
            return remove_configfs(object, mode);
        case Kind::nbd_device:
            return disconnect_nbd(object);
        case Kind::ublk_device:
            return delete_ublk(object);
        case Kind::dm_device:
            return remove_mapping(object, mode);
        case Kind::foreign_device:
            return await_foreign_device_gone(object, gone_time);
    }
    return {};
}

// A trace instance, or a probe event, outlives the mount through which it is reached: with that gone, the
// journal's path would say that it is gone.
const Object* traced_in(const Object& object, const std::vector<Object>& stuck) {
    const auto found = std::find_if(stuck.begin(), stuck.end(), [&](const Object& other) {
        return object.kind == Kind::mount &&
               (other.kind == Kind::trace_instance || other.kind == Kind::trace_probes) &&
               other.name.starts_with(object.name + "/");
    });
    return found == stuck.end() ? nullptr : &*found;
}

}  // namespace

bool wait_until(Seconds deadline, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!holds()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

Result<std::vector<int>> cgroup_members(const std::string& cgroup) {
    REFLUX_TRY(const auto text, read_file(cgroup + "/cgroup.procs"));
    std::vector<int> pids;
    for (const auto& line : lines_of(text)) {
        if (const int pid = pid_of(line); pid > 0) {
            pids.push_back(pid);
        }
    }
    return pids;
}

Result<unsigned> kill_cgroup(const std::string& cgroup, int spared) {
    REFLUX_TRY(auto pids, cgroup_members(cgroup));
    std::erase(pids, spared);
    std::vector<UniqueFd> processes;
    std::ranges::transform(pids, std::back_inserter(processes), open_process);
    // A number that was another process by the time it was opened is in the cgroup no more.
    REFLUX_TRY(const auto still, cgroup_members(cgroup));
    unsigned killed = 0;
    for (std::size_t i = 0; i < pids.size(); ++i) {
        const bool member = std::ranges::find(still, pids[i]) != still.end();
        killed += member && processes[i] &&
                          ::syscall(SYS_pidfd_send_signal, processes[i].get(), SIGKILL, nullptr, 0) == 0
                      ? 1
                      : 0;
    }
    return killed;
}

Result<bool> is_mounted(const std::string& path) {
    REFLUX_TRY(const auto all, mounts());
    return std::any_of(all.begin(), all.end(), [&](const Mount& mount) { return mount.mount_point == path; });
}

Result<std::uint64_t> fuse_connection_at(const std::string& mount_point) {
    REFLUX_TRY(const auto all, mounts());
    for (const auto& mount : all) {
        if (mount.mount_point == mount_point &&
            (mount.filesystem == "fuse" || mount.filesystem.starts_with("fuse."))) {
            return std::stoull(mount.device.substr(mount.device.find(':') + 1));
        }
    }
    return fail(ErrorKind::system, "no FUSE filesystem is mounted at " + mount_point);
}

void break_hang(const Journal& journal) {
    abort_fuse_connections(journal);
    fail_block_devices(journal);
    for (const auto& object : journal.objects()) {
        if (object.kind == Kind::cgroup) {
            lift_limit(object.name);
        }
    }
    for (const auto& object : journal.objects()) {
        if (object.kind == Kind::cgroup) {
            static_cast<void>(kill_cgroup(object.name));
        }
    }
}

UndoReport undo(Journal& journal, Mode mode, const std::function<bool(const Object&)>& which) {
    UndoReport report;
    const auto escape = [&] {
        mode = Mode::escape;
        report.escaped = true;
        break_hang(journal);
    };
    if (mode == Mode::escape) {
        escape();
    }
    std::vector<Object> stuck;
    std::vector<Object> objects;
    std::copy_if(journal.objects().rbegin(), journal.objects().rend(), std::back_inserter(objects), which);
    const std::size_t once = objects.size();
    for (std::size_t i = 0; i < objects.size(); ++i) {
        const Object object = objects[i];
        if (const Object* traced = traced_in(object, stuck)) {
            report.leftovers.push_back(fmt::format("{}: kept for {}", to_string(object), to_string(*traced)));
            continue;
        }
        auto done = undo_object(object, mode);
        // A device that a foreign daemon leaves is nobody's hang: only a person removes it.
        if (!done && mode == Mode::orderly && object.kind != Kind::foreign_device) {
            escape();
            done = undo_object(object, mode);
        }
        // May have waited for what was made before it, which comes down after it.
        if (!done && object.kind == Kind::dm_device && i < once) {
            objects.push_back(object);
            continue;
        }
        if (!done) {
            report.leftovers.push_back(done.error().message);
            stuck.push_back(object);
        } else if (auto struck = journal.gone(object.id); !struck) {
            report.leftovers.push_back(struck.error().message);
        }
    }
    return report;
}

Status undo_one(Journal& journal, Kind kind, const std::string& name) {
    for (const auto& object : journal.objects()) {
        if (object.kind == kind && object.name == name) {
            REFLUX_CHECK(undo_object(object, Mode::orderly));
            return journal.gone(object.id);
        }
    }
    return {};
}

}  // namespace reflux::journal
