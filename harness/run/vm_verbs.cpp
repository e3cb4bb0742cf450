#include "harness/run/vm_verbs.h"

#include "backend/base/kernel_file.h"
#include "backend/base/units.h"
#include "harness/run/event_loop.h"
#include "harness/run/requirements.h"
#include "harness/vm/accelerator.h"
#include "harness/vm/guest.h"
#include "harness/vm/kernel.h"
#include "harness/vm/tool.h"

#include <cstdio>
#include <filesystem>
#include <set>

#include <unistd.h>

namespace reflux::run {
namespace {

void tell(const std::string& text) {
    fmt::print(stderr, "{}\n", text);
}

// A person says when it ends.
constexpr Seconds unbounded{1e9};
constexpr vm::Guest::Limits shell_limits{
    .silence = unbounded, .command_silence = unbounded, .whole = unbounded};

// What its init says, until it ends: by `exit`, which restarts the machine.
Status watch(vm::Guest& guest, EventLoop& loop) {
    constexpr Seconds tick_time{0.25};
    while (!guest.end()) {
        if (loop.next(tick_time) == Event::interrupted) {
            return fail(ErrorKind::system, "interrupted");
        }
        for (const auto& line : guest.poll()) {
            tell(line);
        }
    }
    const auto& end = *guest.end();
    return end.kind == vm::GuestEnd::Kind::reset ? Status{} : Status(fail(ErrorKind::system, end.detail));
}

Status shell(const VmShell& wanted) {
    if (::isatty(STDIN_FILENO) == 0) {
        return fail(ErrorKind::invalid_input,
                    "a shell needs a terminal; for one command use `reflux run --vm`");
    }
    REFLUX_TRY(const Bytes memory, parse_bytes(wanted.memory));
    const std::string cache = vm::default_cache();
    EventLoop loop;  // an interruption must leave no folder
    const vm::Interruptible interruptible([&] { return loop.interrupted() != 0; });
    REFLUX_TRY(const auto kernel, vm::find_kernel(wanted.kernel, cache, tell));
    REFLUX_TRY(const auto accelerator, vm::find_accelerator(kernel, cache));
    std::string folder = std::filesystem::temp_directory_path().string() + "/reflux-shell-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
        return fail_errno("mkdtemp " + folder);
    }
    const auto run = [&]() -> Status {
        REFLUX_CHECK(replace_file(folder + "/guest-command.sh", "cd /root; exec bash -i\n"));
        REFLUX_TRY(auto guest, vm::Guest::start({.kernel = kernel,
                                                 .accelerator = accelerator,
                                                 .cpus = wanted.cpus,
                                                 .memory = memory,
                                                 .cgroup = wanted.cgroup,
                                                 .modules = {"loop", "fuse", "ext4", "xfs", "btrfs"},
                                                 .folder = folder,
                                                 .scratch_folder = image_folder(),
                                                 .shell = true},
                                                shell_limits));
        tell(
            fmt::format("kernel {}, {} ({}); the host's files are here, read-only under a layer of memory;\n"
                        "leave with `exit`",
                        kernel.release, accelerator.name, accelerator.why));
        return watch(guest, loop);
    };
    auto done = run();
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    return done;
}

}  // namespace

ExitCode vm_list_verb() {
    const std::string cache = vm::default_cache();
    fmt::print("here:\n");
    for (const auto& kernel : vm::cached_kernels(cache)) {
        fmt::print("  {:34} {}\n", kernel.release, kernel.image);
    }
    if (const auto running = vm::find_kernel("running", cache, tell)) {
        fmt::print("  {:34} {}\n", "running", running->image);
    }
    const auto releases = vm::available_releases(cache);
    if (!releases) {
        fmt::print("can be had: not known, {}\n", releases.error().message);
        return ExitCode::met;
    }
    fmt::print("can be had (the newest of each series; others by their whole name):\n");
    std::set<std::string> seen;
    for (const auto& release : *releases) {
        if (const auto series = vm::series_of(release); seen.insert(series).second) {
            fmt::print("  {:34} {}\n", series, release);
        }
    }
    return ExitCode::met;
}

ExitCode vm_fetch_verb(const std::string& kernel) {
    EventLoop loop;
    const vm::Interruptible interruptible([&] { return loop.interrupted() != 0; });
    const auto fetched = vm::fetch_kernel(kernel, vm::default_cache(), tell);
    if (!fetched) {
        return complain(fetched.error());
    }
    fmt::print("{} {}\n", fetched->release, fetched->image);
    return ExitCode::met;
}

ExitCode vm_shell_verb(const VmShell& wanted) {
    const auto done = shell(wanted);
    return done ? ExitCode::met : complain(done.error());
}

}  // namespace reflux::run
