// The direct mode of every engine, on the filesystem of the temporary folder; and what refuses it.
#include "backend/io/lower_file.h"

#include "backend/io/buffer_pool.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/io/waited_request.h"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::io {
namespace {

using testing::HasSubstr;

constexpr std::size_t block = LowerFile::alignment;
constexpr std::size_t file_size = 64 * block;

class DirectMode : public testing::TestWithParam<std::string_view> {
  protected:
    void SetUp() override {
        auto file = open_file(folder_ / "file", O_RDWR | O_CREAT);
        ASSERT_TRUE(file);
        file_ = std::move(*file);
        ASSERT_EQ(::ftruncate(file_.get(), file_size), 0);
        auto engine = make_engine(GetParam(), {.fd = file_.get(), .direct = true});
        if (!engine && engine.error().kind == ErrorKind::unsupported) {
            GTEST_SKIP() << engine.error().message;
        }
        ASSERT_TRUE(engine) << engine.error().message;
        engine_ = std::move(*engine);
    }
    int run(Operation what, std::uint64_t where, std::span<std::byte> data) {
        return io::run(*engine_, what, where, data);
    }
    // Pages of the file that the page cache holds.
    std::size_t cached_pages() const {
        void* const map = ::mmap(nullptr, file_size, PROT_READ, MAP_SHARED, file_.get(), 0);
        EXPECT_NE(map, MAP_FAILED);
        std::vector<unsigned char> pages(file_size / block);
        EXPECT_EQ(::mincore(map, file_size, pages.data()), 0);
        ::munmap(map, file_size);
        return static_cast<std::size_t>(
            std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1U) != 0; }));
    }

    test::TemporaryFolder folder_;
    UniqueFd file_;
    BufferPool pool_ = BufferPool::make(8 * block, 2).value();
    std::span<std::byte> memory_ = pool_.buffer(0);
    std::unique_ptr<Engine> engine_;
};
INSTANTIATE_TEST_SUITE_P(All, DirectMode, testing::Values("sync", "threads", "uring"));

TEST_P(DirectMode, AlignedRequestsLeaveThePageCacheAlone) {
    EXPECT_TRUE(engine_->state().direct);
    ASSERT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    std::memset(memory_.data(), 0x5a, memory_.size());
    ASSERT_EQ(run(Operation::write, 16 * block, memory_), 0);
    ASSERT_EQ(run(Operation::flush, 0, {}), 0);
    const auto back = pool_.buffer(1);
    ASSERT_EQ(run(Operation::read, 16 * block, back), 0);
    EXPECT_EQ(std::memcmp(back.data(), memory_.data(), back.size()), 0);
    EXPECT_EQ(cached_pages(), 0U);
    EXPECT_EQ(engine_->state().unaligned, 0U);
}

TEST_P(DirectMode, UnalignedRequestsAreDoneAndCounted) {
    ASSERT_EQ(run(Operation::write, 0, memory_), 0);
    std::memset(memory_.data(), 0x11, 1024);
    EXPECT_EQ(run(Operation::write, 512, memory_.first(512)), 0) << "its place";
    EXPECT_EQ(run(Operation::read, 0, memory_.first(512)), 0) << "its length";
    EXPECT_EQ(run(Operation::read, 0, memory_.subspan(512, block)), 0) << "its memory";
    EXPECT_EQ(engine_->state().unaligned, 3U);
}

// Each way sees at once what the other one wrote, block for block, in any order.
TEST_P(DirectMode, BothWaysAreCoherent) {
    std::vector<std::byte> expected(file_size);
    unsigned random = 1;
    for (unsigned step = 1; step <= 400; ++step) {
        random = random * 1664525 + 1013904223;
        const std::size_t sector = (random >> 8U) % (file_size / 512 - 16);
        const bool aligned = step % 2 == 0;
        const std::size_t at = aligned ? sector * 512 / block * block : sector * 512;
        const std::size_t length = aligned ? block * (1 + random % 2) : 512 * (1 + random % 9);
        const auto part = memory_.first(length);
        std::memset(part.data(), static_cast<int>(step), length);
        ASSERT_EQ(run(Operation::write, at, part), 0);
        std::memset(&expected[at], static_cast<int>(step), length);
        // Read back the other way, with what is around it.
        const std::size_t from = at / block * block;
        const auto read = pool_.buffer(1).subspan(aligned ? 512 : 0, 3 * block);
        ASSERT_EQ(run(Operation::read, from, read), 0);
        ASSERT_EQ(std::memcmp(read.data(), &expected[from], read.size()), 0) << "step " << step;
    }
    EXPECT_GE(engine_->state().unaligned, 300U);
}

TEST(LowerFile, ARefusalIsOneClearLine) {
    // The kernel makes no O_DIRECT of a file of proc.
    const auto file = open_file("/proc/self/comm", O_RDWR);
    ASSERT_TRUE(file);
    for (const auto& engine : engine_list()) {
        const auto refused = make_engine(engine.name, {.fd = file->get(), .direct = true});
        ASSERT_FALSE(refused) << engine.name;
        EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(refused.error().message, HasSubstr("refuses O_DIRECT"));
        EXPECT_THAT(refused.error().message, HasSubstr("leave out --direct"));
    }
}

TEST(BufferPool, BuffersAreThereBeforeTheyAreTouched) {
    const auto pool = BufferPool::make(std::size_t{1} << 20U, 8);
    ASSERT_TRUE(pool);
    const auto memory = pool->all();
    std::vector<unsigned char> pages(memory.size() / block);
    ASSERT_EQ(::mincore(memory.data(), memory.size(), pages.data()), 0);
    EXPECT_TRUE(std::all_of(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1U) != 0; }));
}

}  // namespace
}  // namespace reflux::io
