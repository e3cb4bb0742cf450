#include "harness/workload/generator.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/workload/worker.h"

#include <algorithm>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux::workload {
namespace {

Status sync(int fd, const std::string& path) {
    if (::fsync(fd) != 0) {
        return fail_errno("fsync " + path);
    }
    return {};
}

// The workers' folders, durable before the first fsync of a file in them is counted upon.
Status make_folders(const SharedState& state, const std::string& directory) {
    REFLUX_TRY(const auto names, list_directory(directory));
    // mkfs.ext4 makes lost+found.
    if (std::ranges::any_of(names, [](const std::string& name) { return name != "lost+found"; })) {
        return fail(ErrorKind::invalid_input, directory + ": the workload needs an empty directory");
    }
    for (std::uint32_t i = 0; i < state.plan().workers; ++i) {
        const auto path = directory + "/" + worker_name(i);
        if (::mkdir(path.c_str(), 0700) != 0) {
            return fail_errno("mkdir " + path);
        }
    }
    REFLUX_TRY(const auto fd, open_file(directory, O_RDONLY | O_DIRECTORY));
    return sync(fd.get(), directory);
}

Result<Child> start_worker(const SharedState& state, const std::string& directory, std::uint32_t index) {
    auto& slot = state.worker(index);
    slot.state.store(static_cast<std::uint32_t>(WorkerState::running), std::memory_order_release);
    REFLUX_TRY(auto child, fork_call([&]() -> Status {
                   REFLUX_TRY(auto root, open_file(directory, O_RDONLY | O_DIRECTORY));
                   return Worker(state, index, std::move(root)).run();
               }));
    slot.pid.store(child.pid);
    return child;
}

// Reaps one worker, however long that takes.
Status await(const SharedState& state, std::uint32_t index, Child& child) {
    for (;;) {
        REFLUX_TRY(const auto exit, wait_for(child, std::chrono::hours(1)));
        if (!exit) {
            continue;
        }
        auto& slot = state.worker(index);
        if (exit->signal != 0) {
            slot.signal.store(exit->signal);
            slot.state.store(static_cast<std::uint32_t>(WorkerState::killed), std::memory_order_release);
        }
        if (!exit->ok()) {
            const auto error = slot.error.get();
            return fail(ErrorKind::system, fmt::format("worker {}: {}{}{}", index, to_string(*exit),
                                                       error.empty() ? "" : ": ", error));
        }
        return {};
    }
}

Status run_workers(const SharedState& state, const std::string& directory) {
    REFLUX_CHECK(make_folders(state, directory));
    REFLUX_TRY(const auto root, open_file(directory, O_RDONLY | O_DIRECTORY));
    std::vector<Child> children;
    Status result;
    state.began_ns().store(monotonic_ns());
    for (std::uint32_t i = 0; i < state.plan().workers && result; ++i) {
        if (auto child = start_worker(state, directory, i)) {
            children.push_back(std::move(*child));
        } else {
            result = fail(std::move(child).error());
        }
    }
    for (std::uint32_t i = 0; i < children.size(); ++i) {
        auto ended = await(state, i, children[i]);
        if (result) {
            result = std::move(ended);
        }
    }
    // All of it has to reach the device: a run that leaves its dirty data to the unmount has not done its
    // work.
    if (result && ::syncfs(root.get()) != 0) {
        result = fail_errno("syncfs " + directory);
    }
    state.ended_ns().store(monotonic_ns());
    return result;
}

}  // namespace

Status run_workload(const SharedState& state, const std::string& directory) {
    if (state.began_ns().load() != 0) {
        return fail(ErrorKind::invalid_input, "this workload region has been run before");
    }
    auto result = run_workers(state, directory);
    if (!result && state.totals().first_error.empty()) {
        // Not a worker's own error: the first slot carries it to the harness.
        state.worker(0).error.set(result.error().message);
        state.worker(0).errors.fetch_add(1);
    }
    return result;
}

}  // namespace reflux::workload
