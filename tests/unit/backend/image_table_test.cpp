#include "backend/image_table.h"

#include "backend/image.h"
#include "tests/unit/backend/paged_file.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace reflux {
namespace {

// Counts syncs, and holds each one up until it is let go; each has a gate and an answer of its own too.
class GatedFile : public test::PagedFile {
  public:
    explicit GatedFile(const test::PagedFile& content) : PagedFile(content) {}

    int sync() override {
        const auto mine = static_cast<std::size_t>(syncs++);
        syncs.notify_all();
        gate.wait(false);
        held.at(mine).wait(true);
        return errors.at(mine);
    }
    void let_go(std::size_t sync) {
        held.at(sync) = false;
        held.at(sync).notify_all();
    }

    std::atomic<int> syncs = 0;
    std::atomic<bool> gate = true;  // open
    std::array<std::atomic<bool>, 16> held{};
    std::array<int, 16> errors{};
};

class ImageTableTest : public testing::Test {
  protected:
    void SetUp() override {
        const auto geometry = ZonedGeometry::make({.size = kibibytes(64 * 600), .zone_size = kibibytes(64)});
        test::PagedFile formatted;
        ASSERT_TRUE(geometry && write_new_image(formatted, *geometry));
        file_ = std::make_unique<GatedFile>(formatted);
        auto opened = Image::open(std::make_unique<test::PagedFile>(formatted), "image");
        zones_ = std::make_unique<ZoneTable>(opened->zones);
        table_ = std::make_unique<ImageTable>(*file_, std::move(opened->table), *zones_, mutex_);
    }
    void write(std::uint64_t zone) {
        const std::lock_guard lock(mutex_);
        zones_->record_write({.offset = kibibytes(64 * zone), .length = {4096}});
        table_->mark_changed({zone}, {zone});
    }
    [[nodiscard]] std::uint64_t saved(std::uint64_t zone) const {
        ImageFindings findings;
        return read_image(*file_, findings)->zones.zone({zone}).written.value;
    }

    std::mutex mutex_;
    std::unique_ptr<GatedFile> file_;
    std::unique_ptr<ZoneTable> zones_;
    std::unique_ptr<ImageTable> table_;
};

TEST_F(ImageTableTest, OneSyncForAllThatChangedAndNoneForNothing) {
    EXPECT_EQ(table_->commit(), 0);
    EXPECT_EQ(file_->syncs, 0);
    for (const std::uint64_t zone : {0U, 255U, 599U, 1U}) {
        write(zone);
    }
    EXPECT_EQ(table_->commit(), 0);
    EXPECT_EQ(file_->syncs, 1);
    for (const std::uint64_t zone : {0U, 255U, 599U, 1U}) {
        EXPECT_EQ(saved(zone), 4096U) << zone;
    }
    EXPECT_EQ(table_->make_durable(), 0);
    EXPECT_EQ(file_->syncs, 2);
}

TEST_F(ImageTableTest, CommitsThatComeTogetherShareOne) {
    constexpr int others = 6;
    file_->gate = false;
    write(0);
    std::atomic<int> answers = 0;
    std::vector<std::thread> threads;
    const auto commit = [&] {
        EXPECT_EQ(table_->commit(), 0);
        ++answers;
    };
    threads.emplace_back(commit);
    file_->syncs.wait(0);  // the first one is in its sync
    write(300);
    for (int i = 0; i < others; ++i) {
        threads.emplace_back(commit);
    }
    while (table_->asked() < 1 + others) {
        std::this_thread::yield();
    }
    EXPECT_EQ(answers, 0);
    file_->gate = true;
    file_->gate.notify_all();
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(file_->syncs, 2) << "one for the first, one for the six that waited";
    EXPECT_EQ(saved(0), 4096U);
    EXPECT_EQ(saved(300), 4096U);
}

// The kernel tells one of two overlapping syncs of a lost page, and the other one ends well.
TEST_F(ImageTableTest, AnErrorIsKeptThoughASyncBesideItEndsWellLater) {
    for (const std::size_t fails : {0U, 1U}) {
        SCOPED_TRACE(fails);
        SetUp();
        file_->held[0] = true;
        file_->held[1] = true;
        file_->errors.at(fails) = EIO;
        std::array<std::future<int>, 2> answers;
        answers[0] = std::async(std::launch::async, [this] { return table_->make_durable(); });
        file_->syncs.wait(0);
        write(0);
        answers[1] = std::async(std::launch::async, [this] { return table_->commit(); });
        file_->syncs.wait(1);
        file_->let_go(fails);
        EXPECT_EQ(answers.at(fails).get(), EIO);
        file_->let_go(1 - fails);
        EXPECT_EQ(answers.at(1 - fails).get(), EIO);
        EXPECT_EQ(table_->broken(), EIO);
        EXPECT_EQ(table_->commit(), EIO);
        EXPECT_EQ(table_->make_durable(), EIO);
    }
}

}  // namespace
}  // namespace reflux
