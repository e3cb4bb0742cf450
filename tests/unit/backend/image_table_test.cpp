#include "backend/image_table.h"

#include "backend/image.h"
#include "tests/unit/backend/paged_file.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace reflux {
namespace {

// Counts syncs, and holds each one up until it is let go.
class GatedFile : public test::PagedFile {
  public:
    explicit GatedFile(const test::PagedFile& content) : PagedFile(content) {}

    int sync() override {
        ++syncs;
        syncs.notify_all();
        gate.wait(false);
        return 0;
    }

    std::atomic<int> syncs = 0;
    std::atomic<bool> gate = true;  // open
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

}  // namespace
}  // namespace reflux
