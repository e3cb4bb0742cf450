#include "tests/unit/harness/workload/support.h"

#include "harness/workload/content.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace reflux::workload::testing {

TemporaryFolder::TemporaryFolder()
    : test::TemporaryFolder(::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : ::testing::TempDir()) {}

WorkloadPlan small_plan() {
    return {.seed = 7,
            .workers = 3,
            .work = mebibytes(24),
            .small_file = kibibytes(4),
            .large_file = mebibytes(2),
            .capacity = mebibytes(64),
            .time_limit = Seconds(60)};
}

std::uint64_t tree_hash(const std::string& folder) {
    std::set<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        paths.insert(entry.path().string());
    }
    std::uint64_t hash = 0;
    const auto add = [&hash](const std::string& bytes) {
        for (const char byte : bytes) {
            hash = mix(hash ^ static_cast<unsigned char>(byte));
        }
        hash = mix(hash ^ bytes.size());
    };
    for (const auto& path : paths) {
        add(path.substr(folder.size()));
        if (std::filesystem::is_regular_file(path)) {
            std::ifstream file(path, std::ios::binary);
            add({std::istreambuf_iterator<char>(file), {}});
        }
    }
    return hash;
}

LedgerFile find_file(const SharedState& state, const std::string& folder,
                     const std::function<bool(const FileSlot&)>& wanted) {
    for (std::uint32_t worker = 0; worker < state.plan().workers; ++worker) {
        for (std::uint32_t ring = 0; ring < state.layout().directories; ++ring) {
            const auto& directory = state.directory(worker, ring);
            std::uint32_t index = 0;
            for (auto& slot : state.files(worker, ring)) {
                if (directory.present.load() != 0 && wanted(slot)) {
                    return {.path = fmt::format("{}/{}/{}/{}", folder, worker_name(worker),
                                                directory_name(directory.number.load()),
                                                file_name(index, slot.generation.load())),
                            .slot = &slot};
                }
                ++index;
            }
        }
    }
    ADD_FAILURE() << "no such file in the ledger";
    return {};
}

bool present(const FileSlot& slot) {
    return slot.present.load() != 0;
}

bool acknowledged(const FileSlot& slot) {
    return present(slot) && slot.acknowledged.load() == slot.changes_begun.load();
}

Child start_generator(const SharedState& state, const std::string& folder) {
    auto child = fork_call([&] { return run_workload(state, folder); });
    if (!child) {
        ADD_FAILURE() << child.error().message;
        return {};
    }
    return std::move(*child);
}

void wait_for_steps(const SharedState& state, std::uint64_t steps) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const auto all_started = [&state] {
        for (std::uint32_t i = 0; i < state.plan().workers; ++i) {
            if (state.worker(i).pid.load() == 0) {
                return false;
            }
        }
        return true;
    };
    while (state.totals().steps < steps || !all_started()) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << "the generator makes no progress";
        ::sched_yield();
    }
}

ExitStatus kill_workers(const SharedState& state, Child& generator) {
    for (std::uint32_t i = 0; i < state.plan().workers; ++i) {
        // 0 would be the whole process group.
        if (const auto pid = state.worker(i).pid.load(); pid > 0) {
            ::kill(pid, SIGKILL);
        }
    }
    const auto exit = wait_for(generator, Seconds(20));
    if (!exit || !*exit) {
        ADD_FAILURE() << "the generator does not end";
        return {};
    }
    return **exit;
}

}  // namespace reflux::workload::testing
