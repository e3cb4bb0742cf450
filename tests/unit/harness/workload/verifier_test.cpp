#include "harness/workload/verifier.h"

#include "harness/workload/results.h"
#include "tests/unit/harness/workload/support.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>

namespace reflux::workload {
namespace {

namespace fs = std::filesystem;
using testing::acknowledged;
using testing::find_file;
using testing::present;

void flip_byte(const std::string& path, std::streamoff offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(offset);
    file.put(byte);
    ASSERT_TRUE(file.good()) << path;
}

// A tree after a completed run.
class Verifier : public ::testing::Test {
  protected:
    void SetUp() override {
        auto made = SharedState::create(testing::small_plan());
        ASSERT_TRUE(made) << made.error().message;
        state_.emplace(std::move(*made));
        const auto done = run_workload(*state_, folder_.path());
        ASSERT_TRUE(done) << done.error().message;
    }

    VerifyReport verified(VerifyMode mode = VerifyMode::complete) {
        auto report = verify(*state_, folder_.path(), mode);
        EXPECT_TRUE(report) << report.error().message;
        return report ? *report : VerifyReport{};
    }

    // One wrong file, named with `what`.
    void expect_wrong(const std::string& path, const std::string& what,
                      VerifyMode mode = VerifyMode::complete) {
        const auto report = verified(mode);
        EXPECT_EQ(report.files_wrong, 1U) << report.first_difference;
        const auto below = path.substr(folder_.path().size() + 1);
        EXPECT_TRUE(report.first_difference.starts_with(below + ": " + what)) << report.first_difference;
        const auto evidence = verification(*state_);
        EXPECT_EQ(evidence.files_wrong, 1U);
        EXPECT_EQ(evidence.first_difference, report.first_difference);
    }

    testing::TemporaryFolder folder_;
    std::optional<SharedState> state_;
};

TEST_F(Verifier, FindsNothingWrongAfterARun) {
    const auto report = verified();
    EXPECT_EQ(report.files_wrong, 0U) << report.first_difference;
    EXPECT_GT(report.files_checked, 100U);
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
        bytes += entry.is_regular_file() ? entry.file_size() : 0;
    }
    EXPECT_EQ(report.bytes_checked, bytes);
    const auto evidence = verification(*state_);
    EXPECT_TRUE(evidence.done);
    EXPECT_EQ(evidence.files_checked, report.files_checked);
    EXPECT_EQ(evidence.bytes_checked, bytes);
    EXPECT_EQ(verified(VerifyMode::acknowledged).files_wrong, 0U);
}

TEST_F(Verifier, FindsAFlippedByte) {
    const auto file = find_file(*state_, folder_.path(), present);
    flip_byte(file.path, 3001);
    expect_wrong(file.path, "differs at offset 3001: ");
}

TEST_F(Verifier, FindsAFlippedByteAtTheEndOfTheLargeFile) {
    const auto path = folder_.path() + "/w00/large";
    const auto last = static_cast<std::streamoff>(fs::file_size(path)) - 1;
    flip_byte(path, last);
    expect_wrong(path, fmt::format("differs at offset {}: ", last));
}

TEST_F(Verifier, FindsATruncatedFile) {
    const auto file = find_file(*state_, folder_.path(), present);
    fs::resize_file(file.path, 1000);
    expect_wrong(file.path, "ends at offset 1000");
}

TEST_F(Verifier, FindsAFileThatIsTooLong) {
    const auto file = find_file(*state_, folder_.path(), present);
    const auto size = fs::file_size(file.path);
    fs::resize_file(file.path, size + 1);
    expect_wrong(file.path, fmt::format("is {} bytes long, not {}", size + 1, size));
}

TEST_F(Verifier, FindsAMissingFile) {
    const auto file = find_file(*state_, folder_.path(), present);
    fs::remove(file.path);
    expect_wrong(file.path, "is missing");
}

TEST_F(Verifier, FindsAnExtraFile) {
    const auto path =
        fs::path(find_file(*state_, folder_.path(), present).path).parent_path().string() + "/extra";
    std::ofstream(path) << "x";
    expect_wrong(path, "is there, but");
    fs::rename(path, folder_.path() + "/w02/extra");
    expect_wrong(folder_.path() + "/w02/extra", "is there, but");
    fs::rename(folder_.path() + "/w02/extra", folder_.path() + "/extra");
    expect_wrong(folder_.path() + "/extra", "is there, but");
}

TEST_F(Verifier, FindsTheOldNameOfARename) {
    const auto file = find_file(*state_, folder_.path(), [](const FileSlot& slot) {
        return present(slot) && slot.generation.load() > 0;
    });
    const auto dot = file.path.rfind('.');
    const auto old_name = file.path.substr(0, dot + 1) + std::to_string(file.slot->generation.load() - 1);
    fs::copy_file(file.path, old_name);
    expect_wrong(old_name, "is there, but");
}

TEST_F(Verifier, FindsARenameThatWasUndone) {
    const auto file = find_file(*state_, folder_.path(), [](const FileSlot& slot) {
        return present(slot) && slot.generation.load() > 0;
    });
    const auto old_name = file.path.substr(0, file.path.rfind('.') + 1) + "0";
    fs::rename(file.path, old_name);
    const auto report = verified();
    EXPECT_EQ(report.files_wrong, 2U) << "the new name is missing, the old one is there";
}

TEST_F(Verifier, FindsADirectoryThatShouldBeGoneOrIsMissing) {
    fs::create_directory(folder_.path() + "/w01/d000000");
    expect_wrong(folder_.path() + "/w01/d000000", "is there, but");
    fs::remove(folder_.path() + "/w01/d000000");
    fs::remove_all(folder_.path() + "/w02");
    EXPECT_GT(verified().files_wrong, 50U);
}

TEST_F(Verifier, FindsAChangeThatHasNotEnded) {
    const auto file = find_file(*state_, folder_.path(), present);
    file.slot->changes_begun.fetch_add(1);
    expect_wrong(file.path, "the generator ended in the middle");
}

TEST_F(Verifier, CannotCheckAFolderThatIsNotThere) {
    EXPECT_FALSE(verify(*state_, folder_.path() + "/nowhere", VerifyMode::complete));
    const auto evidence = verification(*state_);
    EXPECT_FALSE(evidence.done);
    EXPECT_NE(evidence.skipped_reason.find("nowhere"), std::string::npos) << evidence.skipped_reason;
}

TEST_F(Verifier, AcknowledgedModeFindsTheLossOfAnAcknowledgedFileOnly) {
    const auto unsynced = find_file(*state_, folder_.path(), [](const FileSlot& slot) {
        return present(slot) && slot.acknowledged.load() != slot.changes_begun.load() &&
               slot.name_acknowledged.load() != slot.name_changes_begun.load();
    });
    fs::remove(unsynced.path);
    EXPECT_EQ(verified(VerifyMode::acknowledged).files_wrong, 0U) << "nothing was promised";
    const auto synced = find_file(*state_, folder_.path(), acknowledged);
    flip_byte(synced.path, 0);
    expect_wrong(synced.path, "differs at offset 0: ", VerifyMode::acknowledged);
    fs::remove(synced.path);
    expect_wrong(synced.path, "is missing", VerifyMode::acknowledged);
}

TEST_F(Verifier, AcknowledgedModeHoldsADirectoryToItsSyncedNames) {
    const auto named = [](bool there) {
        return [there](const FileSlot& slot) {
            return present(slot) == there && slot.name_changes_begun.load() != 0 &&
                   slot.name_acknowledged.load() == slot.name_changes_begun.load() &&
                   slot.acknowledged.load() != slot.changes_begun.load();
        };
    };
    const auto file = find_file(*state_, folder_.path(), named(true));
    fs::resize_file(file.path, 0);
    EXPECT_EQ(verified(VerifyMode::acknowledged).files_wrong, 0U) << "the content was not promised";
    fs::rename(file.path, folder_.path() + "/aside");
    expect_wrong(file.path, "is missing", VerifyMode::acknowledged);
    fs::rename(folder_.path() + "/aside", file.path);
    const auto removed = find_file(*state_, folder_.path(), named(false));
    std::ofstream(removed.path) << "back again";
    expect_wrong(removed.path, "is there, though", VerifyMode::acknowledged);
}

TEST_F(Verifier, AcknowledgedModeMissesAWorkersFolder) {
    fs::rename(folder_.path() + "/w00", folder_.path() + "/aside");
    const auto found = verified(VerifyMode::acknowledged);
    EXPECT_GT(found.files_wrong, 0U);
    EXPECT_EQ(found.first_difference, "w00: is missing");
}

TEST(AcknowledgedVerifier, FindsEverythingAfterTheWorkersWereKilled) {
    for (const std::uint64_t steps : {200U, 500U, 900U}) {
        const testing::TemporaryFolder folder;
        auto plan = testing::small_plan();
        plan.work = gibibytes(1024);
        const auto state = SharedState::create(plan);
        ASSERT_TRUE(state);
        auto generator = testing::start_generator(*state, folder.path());
        testing::wait_for_steps(*state, steps);
        testing::kill_workers(*state, generator);
        const auto report = verify(*state, folder.path(), VerifyMode::acknowledged);
        ASSERT_TRUE(report) << report.error().message;
        EXPECT_GT(report->files_checked, 0U);
        EXPECT_EQ(report->files_wrong, 0U) << report->first_difference;
    }
}

TEST(VerifyMode, IsReadBackFromItsName) {
    EXPECT_EQ(parse_verify_mode("complete"), VerifyMode::complete);
    EXPECT_EQ(parse_verify_mode("acknowledged"), VerifyMode::acknowledged);
    EXPECT_FALSE(parse_verify_mode("quick"));
}

TEST(Verification, IsSkippedWhereNoVerifierRan) {
    const auto state = SharedState::create(testing::small_plan());
    ASSERT_TRUE(state);
    EXPECT_FALSE(verification(*state).done);
    EXPECT_EQ(verification(*state).skipped_reason, "the verifier was not run");
    state->report().state.store(static_cast<std::uint32_t>(ReportState::running));
    EXPECT_EQ(verification(*state).skipped_reason, "the verifier did not run to its end");
}

}  // namespace
}  // namespace reflux::workload
