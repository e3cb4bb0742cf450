// What is done around and with each call: flags, scopes, bounds of what is dirty; and what refuses it.
#include "backend/base/task_stat.h"
#include "backend/base/unique_fd.h"
#include "backend/io/engine.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/io/waited_request.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t block = 65536;

// The engines that make the calls themselves.
class LowerCallsTest : public testing::TestWithParam<std::string_view> {
  protected:
    void SetUp() override {
        auto file = open_file(folder_ / "file", O_RDWR | O_CREAT);
        ASSERT_TRUE(file);
        file_ = std::move(*file);
    }
    [[nodiscard]] std::unique_ptr<Engine> make(const CallOptions& calls) const {
        auto engine = make_engine(GetParam(), {.fd = file_.get(), .calls = calls});
        EXPECT_TRUE(engine) << engine.error().message;
        return engine ? std::move(*engine) : nullptr;
    }

    test::TemporaryFolder folder_;
    UniqueFd file_;
    std::vector<std::byte> data_ = std::vector<std::byte>(block, std::byte{0x5a});
};
INSTANTIATE_TEST_SUITE_P(Engines, LowerCallsTest, testing::Values("sync", "threads"));

// Every engine, uring too.
class ShortTransferTest : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Engines, ShortTransferTest, testing::Values("sync", "threads", "uring"));

TEST_P(ShortTransferTest, AreCountedAndGoneOnWith) {
    const test::TemporaryFolder folder;
    const auto file = open_file(folder / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    ASSERT_EQ(::ftruncate(file->get(), block + 100), 0);
    const auto engine = make_engine(GetParam(), {.fd = file->get()});
    if (!engine && engine.error().kind == ErrorKind::unsupported) {
        GTEST_SKIP() << engine.error().message;
    }
    ASSERT_TRUE(engine) << engine.error().message;
    std::vector<std::byte> data(block);
    EXPECT_EQ(run(**engine, Operation::read, 0, data), 0);
    EXPECT_EQ((*engine)->state().short_transfers, 0U);
    EXPECT_EQ(run(**engine, Operation::read, block, data), EIO) << "the file ends in it";
    EXPECT_EQ((*engine)->state().short_transfers, 1U);
}

TEST_P(LowerCallsTest, WhatCannotBeDoneWithoutWaitingIsDoneAgainAndCounted) {
    const auto engine = make({.flags = {"nowait"}});
    ASSERT_NE(engine, nullptr);
    const iovec part{.iov_base = data_.data(), .iov_len = data_.size()};
    if (::pwritev2(file_.get(), &part, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP) {
        GTEST_SKIP() << "this filesystem does not refuse every write, as ext4 does";
    }
    ASSERT_EQ(run(*engine, Operation::write, 0, data_), 0);
    ASSERT_EQ(run(*engine, Operation::write, block, data_), 0);
    EXPECT_EQ(engine->state().calls.flagged, 2U);
    EXPECT_EQ(engine->state().calls.fallbacks, 2U);
    // Of a read it depends on the page cache, and on how fast readahead is.
    std::vector<std::byte> read(2 * block);
    ASSERT_EQ(run(*engine, Operation::read, 0, read), 0);
    EXPECT_TRUE(std::ranges::equal(std::span(read).first(block), data_));
    EXPECT_TRUE(std::ranges::equal(std::span(read).subspan(block), data_));
    EXPECT_GE(engine->state().calls.flagged, 3U);
}

TEST_P(LowerCallsTest, DontcacheReadsLeaveNothingInThePageCache) {
    auto made = make_engine(GetParam(), {.fd = file_.get(), .calls = {.flags = {"dontcache"}}});
    if (!made) {
        EXPECT_EQ(made.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(made.error().message, HasSubstr("dontcache"));
        GTEST_SKIP() << made.error().message;
    }
    const auto engine = std::move(*made);
    ASSERT_EQ(run(*engine, Operation::write, 0, data_), 0);
    ASSERT_EQ(run(*engine, Operation::flush, 0, {}), 0);
    ASSERT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    std::vector<std::byte> read(block);
    ASSERT_EQ(run(*engine, Operation::read, 0, read), 0);
    EXPECT_EQ(read, data_);
    void* const map = ::mmap(nullptr, block, PROT_READ, MAP_SHARED, file_.get(), 0);
    ASSERT_NE(map, MAP_FAILED);
    std::vector<unsigned char> pages(block / 4096);
    ASSERT_EQ(::mincore(map, block, pages.data()), 0);
    ::munmap(map, block);
    EXPECT_EQ(std::ranges::count_if(pages, [](unsigned char page) { return (page & 1U) != 0; }), 0);
    EXPECT_EQ(engine->state().calls.flagged, 2U);
    EXPECT_EQ(engine->state().calls.fallbacks, 0U);
}

// A discard comes as a write without data: its work is done in its begin.
TEST_P(LowerCallsTest, DiscardsPassThroughNoScopeAndCountAsNoWrite) {
    const auto engine = make({.fdatasync_every = 2});
    ASSERT_NE(engine, nullptr);
    for (int i = 0; i < 4; ++i) {
        ASSERT_EQ(run(*engine, Operation::write, 0, {}), 0);
    }
    EXPECT_EQ(engine->state().calls.bounded, 0U);
    auto made = make_engine(GetParam(), {.fd = file_.get(), .calls = {.scopes = {"io_flusher"}}});
    if (!made) {
        GTEST_SKIP() << made.error().message;
    }
    ASSERT_EQ(run(**made, Operation::write, 0, {}), 0);
    EXPECT_EQ((*made)->state().calls.scoped, 0U);
    ASSERT_EQ(run(**made, Operation::write, 0, data_), 0);
    EXPECT_EQ((*made)->state().calls.scoped, 1U);
}

TEST_P(LowerCallsTest, WritebackComesOnceForSoManyBytesOrWrites) {
    const auto by_bytes = make({.sync_range = 4 * block});
    ASSERT_NE(by_bytes, nullptr);
    for (std::uint64_t i = 0; i < 10; ++i) {
        ASSERT_EQ(run(*by_bytes, Operation::write, i * block, data_), 0);
    }
    EXPECT_EQ(by_bytes->state().calls.bounded, 2U);
    EXPECT_EQ(by_bytes->state().calls.bound_failures, 0U);
    const auto by_writes = make({.fdatasync_every = 3});
    ASSERT_NE(by_writes, nullptr);
    for (std::uint64_t i = 0; i < 10; ++i) {
        ASSERT_EQ(run(*by_writes, Operation::write, i * block, data_), 0);
        ASSERT_EQ(run(*by_writes, Operation::read, i * block, data_), 0) << "reads do not count";
    }
    EXPECT_EQ(by_writes->state().calls.bounded, 3U);
}

// The write is done; that it may not be durable is for the flush to tell.
TEST_P(LowerCallsTest, FailedWritebackIsCountedAndFailsNoWrite) {
    const auto null = open_file("/dev/null", O_RDWR);
    ASSERT_TRUE(null);
    auto engine =
        make_engine(GetParam(), {.fd = null->get(), .calls = {.sync_range = block, .fdatasync_every = 2}});
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ(run(**engine, Operation::write, 0, data_), 0);
    EXPECT_EQ(run(**engine, Operation::write, 0, data_), 0);
    EXPECT_EQ((*engine)->state().calls.bounded, 2U);
    EXPECT_EQ((*engine)->state().calls.bound_failures, 2U);
}

TEST_P(LowerCallsTest, TheThreadIsMarkedAroundTheCallAlone) {
    auto made = make_engine(GetParam(), {.fd = file_.get(), .calls = {.scopes = {"io_flusher"}}});
    if (!made) {
        EXPECT_EQ(made.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(made.error().message, AllOf(HasSubstr("io_flusher"), HasSubstr("CAP_SYS_RESOURCE")));
        GTEST_SKIP() << made.error().message;
    }
    const auto engine = std::move(*made);
    ASSERT_EQ(run(*engine, Operation::write, 0, data_), 0);
    ASSERT_EQ(run(*engine, Operation::read, 0, data_), 0);
    ASSERT_EQ(run(*engine, Operation::flush, 0, {}), 0);
    EXPECT_EQ(engine->state().calls.scoped, 2U);
    EXPECT_EQ(engine->state().calls.scope_failures, 0U);
    const auto threads = read_threads("/proc/self");
    ASSERT_TRUE(threads);
    for (const auto& thread : *threads) {
        EXPECT_FALSE(is_io_flusher(thread.stat)) << thread.stat.name;
    }
}

TEST_P(LowerCallsTest, MistakesNameTheWords) {
    const auto error_of = [&](int fd, const CallOptions& calls) {
        const auto refused = make_engine(GetParam(), {.fd = fd, .calls = calls});
        return refused ? Error{.message = "accepted"} : refused.error();
    };
    const auto flag = error_of(file_.get(), {.flags = {"nowhere"}});
    EXPECT_EQ(flag.kind, ErrorKind::invalid_input);
    EXPECT_THAT(flag.message, AllOf(HasSubstr("nowhere"), HasSubstr("dontcache")));
    const auto scope = error_of(file_.get(), {.scopes = {"nofs_"}});
    EXPECT_EQ(scope.kind, ErrorKind::invalid_input);
    EXPECT_THAT(scope.message, AllOf(HasSubstr("nofs_"), HasSubstr("io_flusher")));
    // Memory has nothing to drop from the page cache, and no filesystem of it takes the flag.
    const UniqueFd memory(::memfd_create("lower_calls_test", MFD_CLOEXEC));
    const auto refused = error_of(memory.get(), {.flags = {"dontcache"}});
    EXPECT_EQ(refused.kind, ErrorKind::unsupported);
    EXPECT_THAT(refused.message, AllOf(HasSubstr("dontcache"), HasSubstr("refused")));
}

TEST(UringCalls, WhatARingCannotDoIsRefusedWithWhoCan) {
    const test::TemporaryFolder folder;
    const auto file = open_file(folder / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    for (const CallOptions& calls : {CallOptions{.flags = {"nowait"}}, CallOptions{.scopes = {"io_flusher"}},
                                     CallOptions{.sync_range = block}, CallOptions{.fdatasync_every = 2}}) {
        const auto refused = make_engine("uring", {.fd = file->get(), .calls = calls});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(refused.error().message, HasSubstr("engines sync and threads can"));
    }
}

TEST(UringCalls, ItCarriesDontcache) {
    const test::TemporaryFolder folder;
    const auto file = open_file(folder / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    auto made = make_engine("uring", {.fd = file->get(), .calls = {.flags = {"dontcache"}}});
    if (!made) {
        EXPECT_EQ(made.error().kind, ErrorKind::unsupported);
        GTEST_SKIP() << made.error().message;
    }
    std::vector<std::byte> data(block, std::byte{1});
    EXPECT_EQ(run(**made, Operation::write, 0, data), 0);
    EXPECT_EQ(run(**made, Operation::read, 0, data), 0);
    EXPECT_EQ((*made)->state().calls.flagged, 2U);
}

}  // namespace
}  // namespace reflux::io
