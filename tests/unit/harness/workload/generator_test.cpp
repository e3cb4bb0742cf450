#include "harness/workload/generator.h"

#include "backend/base/kernel_file.h"
#include "harness/workload/name_tree.h"
#include "harness/workload/results.h"
#include "harness/workload/verbs.h"
#include "harness/workload/verifier.h"
#include "tests/unit/harness/workload/support.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <gtest/gtest.h>

namespace reflux::workload {
namespace {

using testing::small_plan;
using testing::TemporaryFolder;

std::uint64_t hash_of_run(const WorkloadPlan& plan) {
    const TemporaryFolder folder;
    const auto state = SharedState::create(plan);
    EXPECT_TRUE(state);
    const auto done = run_workload(*state, folder.path());
    EXPECT_TRUE(done) << done.error().message;
    return testing::tree_hash(folder.path());
}

// Processes that compete for the processors; ended with their owner.
class Hogs {
  public:
    explicit Hogs(int count) {
        for (int i = 0; i < count; ++i) {
            auto hog = fork_call([]() -> Status {
                for (;;) {
                    ::sched_yield();
                }
            });
            if (hog) {
                hogs_.push_back(std::move(*hog));
            }
        }
    }
    Hogs(const Hogs&) = delete;
    Hogs& operator=(const Hogs&) = delete;
    Hogs(Hogs&&) = delete;
    Hogs& operator=(Hogs&&) = delete;
    ~Hogs() {
        for (auto& hog : hogs_) {
            EXPECT_TRUE(send_signal(hog, SIGKILL));
            EXPECT_TRUE(wait_for(hog, Seconds(10)));
        }
    }

  private:
    std::vector<Child> hogs_;
};

TEST(Generator, MakesTheSameTreeFromTheSameSeedWhateverTheTiming) {
    const auto plan = small_plan();
    const auto quiet = hash_of_run(plan);
    const Hogs hogs(4);
    EXPECT_EQ(hash_of_run(plan), quiet);
}

TEST(Generator, MakesAnotherTreeFromAnotherSeed) {
    auto plan = small_plan();
    const auto one = hash_of_run(plan);
    plan.seed = 8;
    EXPECT_NE(hash_of_run(plan), one);
}

TEST(Generator, DoesEveryKindOfOperation) {
    const TemporaryFolder folder;
    const auto state = SharedState::create(small_plan());
    ASSERT_TRUE(state);
    ASSERT_TRUE(run_workload(*state, folder.path()));
    const auto some = [&](auto wanted) {
        return testing::find_file(*state, folder.path(), wanted).slot != nullptr;
    };
    EXPECT_TRUE(
        some([](const FileSlot& file) { return testing::present(file) && file.generation.load() > 0; }));
    EXPECT_TRUE(some([](const FileSlot& file) { return file.size.load() > kibibytes(64).value; }))
        << "appended";
    EXPECT_TRUE(some(testing::acknowledged));
    EXPECT_TRUE(
        some([](const FileSlot& file) { return !testing::present(file) && file.changes_begun.load() > 1; }));
    EXPECT_TRUE(some([](const FileSlot& file) {
        return testing::present(file) && file.name_acknowledged.load() == file.name_changes_begun.load() &&
               file.acknowledged.load() != file.changes_begun.load();
    })) << "acknowledged by an fsync of the directory only";
    EXPECT_GE(state->directory(1, 0).number.load(), state->layout().directories) << "the ring went round";
    EXPECT_GT(state->large_file(0).content.load(), 0U);
    EXPECT_GT(state->totals().bytes_read, 0U);
}

TEST(Generator, MakesNamesAndRemovesThemAndTheVerifierLeavesThemAlone) {
    const TemporaryFolder folder;
    auto plan = small_plan();
    plan.names = 2100;  // two directories of a thousand
    const auto state = SharedState::create(plan);
    ASSERT_TRUE(state);
    ASSERT_TRUE(run_workload(*state, folder.path()));
    std::size_t latest = 0;
    for (const auto& directory : std::filesystem::directory_iterator(folder.path() + "/w01/names")) {
        latest = std::max(
            latest, static_cast<std::size_t>(std::stoul(directory.path().filename().string().substr(1))));
        const auto files = list_directory(directory.path());
        ASSERT_TRUE(files);
        EXPECT_EQ(files->size(), names_per_directory);
    }
    EXPECT_GE(latest, 2U) << "directories were removed and made anew";
    const auto report = verify(*state, folder.path(), VerifyMode::complete);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->files_wrong, 0U) << report->first_difference;
}

TEST(Generator, IsBoundedByItsWork) {
    const TemporaryFolder folder;
    const auto plan = small_plan();
    const auto state = SharedState::create(plan);
    ASSERT_TRUE(state);
    ASSERT_TRUE(run_workload(*state, folder.path()));
    const auto totals = state->totals();
    EXPECT_GE(totals.bytes_written, plan.work.value);
    EXPECT_LE(totals.bytes_written, (plan.work + mebibytes(plan.workers)).value);
    EXPECT_EQ(totals.finished, plan.workers);
    EXPECT_EQ(totals.errors, 0U);

    const auto result = workload_result(*state, ExitStatus{}, false);
    EXPECT_TRUE(result.started);
    EXPECT_TRUE(result.finished);
    EXPECT_EQ(result.ended, "finished");
    EXPECT_EQ(result.bytes, totals.bytes_written + totals.bytes_read);
    EXPECT_GT(result.duration_s, 0.0);
}

TEST(Generator, IsBoundedByTime) {
    const TemporaryFolder folder;
    auto plan = small_plan();
    plan.work = gibibytes(1024);
    plan.time_limit = Seconds(0.2);
    const auto state = SharedState::create(plan);
    ASSERT_TRUE(state);
    ASSERT_TRUE(run_workload(*state, folder.path()));
    const auto result = workload_result(*state, ExitStatus{}, false);
    EXPECT_FALSE(result.finished);
    EXPECT_EQ(result.ended, "time limit");
    EXPECT_GT(result.steps, 0U);
    EXPECT_LT(result.duration_s, 10.0);
    const auto report = verify(*state, folder.path(), VerifyMode::complete);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->files_wrong, 0U) << report->first_difference;
}

TEST(Generator, StopsAtDataThatReadsBackWrong) {
    const TemporaryFolder folder;
    auto plan = small_plan();
    plan.workers = 1;
    plan.large_file = Bytes{0};
    plan.work = gibibytes(1024);
    const auto state = SharedState::create(plan);
    ASSERT_TRUE(state);
    auto generator = testing::start_generator(*state, folder.path());
    testing::wait_for_steps(*state, 100);
    // Each file of the oldest directory, of which a read back finds one before the directory is removed, or
    // in a later directory: go on flipping until the worker has stopped.
    std::optional<ExitStatus> exit;
    while (!exit) {
        std::error_code ignored;
        std::filesystem::recursive_directory_iterator files(folder.path(), ignored);
        for (; files != std::filesystem::recursive_directory_iterator() && !ignored;
             files.increment(ignored)) {
            if (files->path().filename().string().starts_with("f")) {
                std::fstream(files->path(), std::ios::in | std::ios::out | std::ios::binary)
                    .seekp(100)
                    .put('!');
            }
        }
        const auto ended = wait_for(generator, Seconds(0));
        ASSERT_TRUE(ended);
        exit = *ended;
    }
    EXPECT_FALSE(exit->ok());
    const auto result = workload_result(*state, exit, false);
    EXPECT_EQ(result.ended, "error");
    EXPECT_EQ(result.errors, 1U);
    EXPECT_NE(result.first_error.find("differs at offset 100"), std::string::npos) << result.first_error;
    EXPECT_EQ(state->worker(0).error_number.load(), 0);
    EXPECT_EQ(state->worker(0).error_operation.load(), static_cast<std::uint32_t>(Operation::read_back));
}

// A generator some steps into more work than it ever does.
class EndlessGenerator : public ::testing::Test {
  protected:
    void SetUp() override {
        auto plan = small_plan();
        plan.work = gibibytes(1024);
        auto state = SharedState::create(plan);
        ASSERT_TRUE(state);
        state_.emplace(std::move(*state));
        generator_ = testing::start_generator(*state_, folder_.path());
        testing::wait_for_steps(*state_, 100);
    }
    // Readable when that worker has ended.
    [[nodiscard]] UniqueFd process_of_worker(std::uint32_t index) const {
        return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, state_->worker(index).pid.load(), 0)));
    }

    TemporaryFolder folder_;
    std::optional<SharedState> state_;
    Child generator_;
};

TEST_F(EndlessGenerator, RecordsTheFirstCallThatFails) {
    const auto failing = process_of_worker(1);
    std::filesystem::rename(folder_.path() + "/w01", folder_.path() + "/gone");
    ASSERT_TRUE(wait_readable(failing.get(), Seconds(20)).value_or(false)) << "it goes on";
    testing::kill_workers(*state_, generator_);
    EXPECT_NE(state_->worker(1).error.get().find("w01/"), std::string::npos) << state_->worker(1).error.get();
    EXPECT_EQ(state_->worker(1).error_number.load(), ENOENT);
    EXPECT_EQ(static_cast<WorkerState>(state_->worker(1).state.load()), WorkerState::failed);
}

TEST_F(EndlessGenerator, TellsThatAWorkerWasKilled) {
    const auto exit = testing::kill_workers(*state_, generator_);
    EXPECT_FALSE(exit.ok());
    EXPECT_EQ(workload_result(*state_, exit, false).ended, "signal 9");
    EXPECT_EQ(workload_result(*state_, exit, true).ended, "killed by the harness");
    EXPECT_EQ(static_cast<WorkerState>(state_->worker(0).state.load()), WorkerState::killed);
}

TEST_F(EndlessGenerator, WorkersEndWithTheirParent) {
    std::vector<UniqueFd> workers;
    for (std::uint32_t i = 0; i < state_->plan().workers; ++i) {
        workers.push_back(process_of_worker(i));
    }
    ASSERT_TRUE(send_signal(generator_, SIGKILL));
    ASSERT_TRUE(wait_for(generator_, Seconds(10)));
    for (const auto& worker : workers) {
        EXPECT_TRUE(wait_readable(worker.get(), Seconds(10)).value_or(false));
    }
}

TEST(Generator, RefusesADirectoryThatIsNotEmpty) {
    const TemporaryFolder folder;
    const auto state = SharedState::create(small_plan());
    ASSERT_TRUE(state);
    std::filesystem::create_directory(folder.path() + "/lost+found");
    std::ofstream(folder.path() + "/something") << "x";
    const auto done = run_workload(*state, folder.path());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(state->totals().first_error, done.error().message);
    EXPECT_FALSE(workload_result(*state, ExitStatus{.code = 4}, false).started);
}

TEST(Verbs, GoByTheInheritedDescriptor) {
    const TemporaryFolder folder;
    auto plan = small_plan();
    plan.work = mebibytes(3);
    const auto state = SharedState::create(plan);
    ASSERT_TRUE(state);
    EXPECT_EQ(workload_verb(::dup(state->fd()), folder.path()), 0);
    EXPECT_EQ(verify_verb(::dup(state->fd()), folder.path(), "complete"), 0);
    EXPECT_GT(verification(*state).files_checked, 0U);
    EXPECT_EQ(workload_verb(::dup(state->fd()), folder.path()), 4) << "the region was used before";
    EXPECT_EQ(verify_verb(-1, folder.path(), "complete"), 4);
    EXPECT_EQ(verify_verb(::dup(state->fd()), folder.path(), "some"), 4);

    const auto fresh = SharedState::create(plan);
    ASSERT_TRUE(fresh);
    EXPECT_EQ(workload_verb(::dup(fresh->fd()), folder.path() + "/nowhere"), 4);
}

// A tmpfs of 3 MiB in a mount namespace of its own.
Status mount_tiny(const std::string& path) {
    const auto uid = ::geteuid();
    if (::unshare(CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER)) != 0) {
        return fail_errno("unshare");
    }
    if (uid != 0) {
        REFLUX_CHECK(write_file("/proc/self/uid_map", fmt::format("0 {} 1", uid)));
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tiny", path.c_str(), "tmpfs", 0, "size=3m") != 0) {
        return fail_errno("mount");
    }
    return {};
}

TEST(Generator, MakesRoomWhenTheFilesystemIsFull) {
    const TemporaryFolder folder;
    auto plan = small_plan();  // it believes in 64 MiB
    plan.workers = 2;
    plan.large_file = mebibytes(1);
    const auto state = SharedState::create(plan);
    ASSERT_TRUE(state);
    constexpr int no_namespace = 77;
    auto child = fork_call([&]() -> Status {
        if (const auto mounted = mount_tiny(folder.path()); !mounted) {
            fmt::print(stderr, "{}\n", mounted.error().message);
            ::_exit(no_namespace);
        }
        REFLUX_CHECK(run_workload(*state, folder.path()));
        REFLUX_TRY(const auto report, verify(*state, folder.path(), VerifyMode::complete));
        return report.files_wrong == 0 ? Status{} : fail(ErrorKind::system, report.first_difference);
    });
    ASSERT_TRUE(child);
    const auto exit = wait_for(*child, Seconds(25));
    ASSERT_TRUE(exit && *exit);
    if ((*exit)->code == no_namespace) {
        GTEST_SKIP() << "no mount namespace for this user";
    }
    EXPECT_TRUE((*exit)->ok()) << to_string(**exit);
    const auto totals = state->totals();
    EXPECT_GT(totals.out_of_space, 0U);
    EXPECT_EQ(totals.errors, 0U) << totals.first_error;
    EXPECT_EQ(totals.finished, 2U);
}

}  // namespace
}  // namespace reflux::workload
