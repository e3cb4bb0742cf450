// Commands from a ring in memory (fake_kernel.h), done by a real disk.
#include "daemon/tcmu/command_server.h"

#include "backend/image.h"
#include "tests/support/count_allocations.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/daemon/tcmu/fake_kernel.h"

#include <algorithm>
#include <thread>

namespace reflux::tcmu::test {
namespace {

constexpr std::uint64_t zone_blocks = 128;
constexpr std::uint32_t page_blocks = 8;

scsi::Cdb cdb_16(unsigned opcode, std::uint64_t lba, std::uint32_t count, unsigned byte_1 = 0,
                 unsigned byte_14 = 0) {
    scsi::Cdb cdb{};
    cdb[0] = static_cast<std::uint8_t>(opcode);
    cdb[1] = static_cast<std::uint8_t>(byte_1);
    scsi::put_be(cdb, 2, lba);
    scsi::put_be(cdb, 10, count);
    cdb[14] = static_cast<std::uint8_t>(byte_14);
    return cdb;
}
scsi::Cdb read(std::uint64_t lba, std::uint32_t count) {
    return cdb_16(0x88, lba, count);
}
scsi::Cdb write(std::uint64_t lba, std::uint32_t count, unsigned byte_1 = 0) {
    return cdb_16(0x8a, lba, count, byte_1);
}
scsi::Cdb report(std::uint64_t lba, std::uint32_t allocation) {
    return cdb_16(0x95, lba, allocation);
}
scsi::Cdb inquiry(unsigned page, bool vital, unsigned allocation = 255) {
    scsi::Cdb cdb{};
    cdb[0] = 0x12;
    cdb[1] = vital ? 1 : 0;
    cdb[2] = static_cast<std::uint8_t>(page);
    cdb[4] = static_cast<std::uint8_t>(allocation);
    return cdb;
}

struct EngineCase {
    const char* name;
    const char* engine;
    std::optional<unsigned> threads;
};

class CommandServerTest : public testing::TestWithParam<EngineCase> {
  protected:
    void SetUp() override {
        const auto geometry = ZonedGeometry::make({.size = mebibytes(1),
                                                   .zone_size = kibibytes(64),
                                                   .conventional = 4,
                                                   .model = ZoneModel::host_managed})
                                  .value();
        ASSERT_TRUE(format_image(folder_ / "image", geometry, false));
        device_ =
            ZonedDevice::open(folder_ / "image", {.engine = GetParam().engine, .threads = GetParam().threads})
                .value();
        pool_ = RequestPool::make(device_->max_in_flight()).value();
        ring_ = kernel_.ring();
        auto unit = scsi::zoned_unit(geometry).value();
        unit.max_transfer_blocks = 2048;
        server_.emplace(
            *device_, *device_, unit, [] { return std::string("5e41a1"); }, *ring_, *pool_);
    }
    void TearDown() override { ASSERT_TRUE(device_->close()); }

    // All that is in the ring, to its end, by as many threads as the engine lets do I/O.
    std::vector<Completed> serve() {
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 1; device_->is_inline() && i < device_->max_in_flight(); ++i) {
                threads.emplace_back([this] { EXPECT_TRUE(server_->serve_all([] {})); });
            }
            EXPECT_TRUE(server_->serve_all([] {}));
        }
        device_->drain();
        return kernel_.take_completions();
    }
    Completed run(const scsi::Cdb& cdb, const std::vector<Piece>& pieces = {}) {
        EXPECT_TRUE(kernel_.put_command(9, cdb, pieces));
        const auto done = serve();
        EXPECT_EQ(done.size(), 1U);
        return done.empty() ? Completed{.status = 0xff} : done.front();
    }
    void fill(std::size_t block, char value) {
        std::ranges::fill(kernel_.block(block), static_cast<std::byte>(value));
    }
    bool is_filled(std::size_t block, char value) {
        return std::ranges::all_of(kernel_.block(block),
                                   [&](std::byte byte) { return byte == static_cast<std::byte>(value); });
    }

    reflux::test::TemporaryFolder folder_;
    std::unique_ptr<ZonedDevice> device_;
    std::unique_ptr<RequestPool> pool_;
    FakeKernel kernel_{4096, 300};
    std::unique_ptr<Ring> ring_;
    std::optional<CommandServer> server_;
};

void expect_refused(const Completed& done, unsigned key, unsigned asc, unsigned ascq) {
    EXPECT_EQ(done.status, scsi::status_check_condition);
    EXPECT_EQ(done.sense[2], key);
    EXPECT_EQ(done.sense[12], asc);
    EXPECT_EQ(done.sense[13], ascq);
}

INSTANTIATE_TEST_SUITE_P(Engines, CommandServerTest,
                         testing::Values(EngineCase{"sync", "sync", {}}, EngineCase{"threads", "threads", {}},
                                         EngineCase{"sync_of_three", "sync", 3}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(CommandServerTest, WritesAndReadsOfOnePieceAndOfSeveral) {
    fill(0, 'a');
    fill(1, 'b');
    fill(5, 'c');
    EXPECT_EQ(run(write(0, 2 * page_blocks), {FakeKernel::blocks(0, 2)}).status, 0);
    EXPECT_EQ(
        run(write(2 * page_blocks, 2 * page_blocks), {FakeKernel::blocks(5, 1), FakeKernel::blocks(0, 1)})
            .status,
        0);
    EXPECT_EQ(run(read(0, 4 * page_blocks),
                  {FakeKernel::blocks(30, 1), FakeKernel::blocks(20, 2), FakeKernel::blocks(40, 1)})
                  .status,
              0);
    EXPECT_TRUE(is_filled(30, 'a'));
    EXPECT_TRUE(is_filled(20, 'b'));
    EXPECT_TRUE(is_filled(21, 'c'));
    EXPECT_TRUE(is_filled(40, 'a'));
    EXPECT_EQ(run(read(2 * page_blocks, page_blocks), {FakeKernel::blocks(50, 1)}).status, 0);
    EXPECT_TRUE(is_filled(50, 'c'));
    const auto counters = device_->counters();
    EXPECT_EQ(counters.reads, 2U);
    EXPECT_EQ(counters.writes, 2U);
    EXPECT_EQ(counters.flushes, 0U);
}

TEST_P(CommandServerTest, APartOfABlockIsReadAndTheRestIsNotTouched) {
    fill(0, 'x');
    EXPECT_EQ(run(read(3, 1), {{.offset = FakeKernel::data_offset, .length = 512}}).status, 0);
    EXPECT_EQ(kernel_.block(0)[0], std::byte{});
    EXPECT_EQ(kernel_.block(0)[511], std::byte{});
    EXPECT_EQ(kernel_.block(0)[512], std::byte{'x'});
}

TEST_P(CommandServerTest, FuaFlushesBeforeTheAnswer) {
    EXPECT_EQ(run(write(0, page_blocks, 0x08), {FakeKernel::blocks(0, 1)}).status, 0);
    EXPECT_EQ(device_->counters().flushes, 1U);
    EXPECT_EQ(device_->counters().writes, 1U);
}

TEST_P(CommandServerTest, ZonesAreWrittenAtTheirPointerAndManaged) {
    const std::uint64_t start = 5 * zone_blocks;
    EXPECT_EQ(run(write(start, page_blocks), {FakeKernel::blocks(0, 1)}).status, 0);
    expect_refused(run(write(start, page_blocks), {FakeKernel::blocks(0, 1)}), 5, 0x21, 0x04);
    expect_refused(run(write(start + zone_blocks - 1, page_blocks), {FakeKernel::blocks(0, 1)}), 5, 0x21,
                   0x05);
    EXPECT_EQ(run(cdb_16(0x94, start, 0, 0x02)).status, 0);  // finish
    EXPECT_EQ(device_->describe({5}).condition, ZoneCondition::full);
    EXPECT_EQ(run(cdb_16(0x94, start, 0, 0x04)).status, 0);  // reset
    EXPECT_EQ(device_->describe({5}).condition, ZoneCondition::empty);
    EXPECT_EQ(run(cdb_16(0x94, start, 0, 0x03)).status, 0);  // open
    EXPECT_EQ(device_->describe({5}).condition, ZoneCondition::explicit_open);
    EXPECT_EQ(run(cdb_16(0x94, start, 0, 0x01)).status, 0);  // close
    EXPECT_EQ(device_->describe({5}).condition, ZoneCondition::empty);
    expect_refused(run(cdb_16(0x94, start + 1, 0, 0x04)), 5, 0x24, 0x00);
    expect_refused(run(cdb_16(0x94, 0, 0, 0x04)), 5, 0x24, 0x00);  // conventional
    EXPECT_EQ(run(write(start, page_blocks), {FakeKernel::blocks(0, 1)}).status, 0);
    EXPECT_EQ(run(cdb_16(0x94, 0, 0, 0x04, 0x01)).status, 0);  // reset, all
    EXPECT_EQ(device_->describe({5}).condition, ZoneCondition::empty);
}

TEST_P(CommandServerTest, ZonesAreReportedAsFarAsThereIsRoom) {
    fill(0, 'x');
    fill(1, 'x');
    const auto whole = run(report(0, 8192), {FakeKernel::blocks(0, 1), FakeKernel::blocks(7, 1)});
    EXPECT_EQ(whole.status, 0);
    EXPECT_EQ(whole.flags, kernel::flag_read_length);
    EXPECT_EQ(whole.read_length, 17U * 64);
    EXPECT_EQ(scsi::get_be<std::uint32_t>(kernel_.block(0), 0), 16U * 64);
    EXPECT_EQ(scsi::get_be<std::uint64_t>(kernel_.block(0), 64 + 15 * 64 + 16), 15 * zone_blocks);
    EXPECT_EQ(kernel_.block(0)[17 * 64], std::byte{}) << "nothing of others is left there";
    EXPECT_TRUE(is_filled(7, '\0'));
    fill(0, 'x');
    const auto cut = run(report(0, 200), {FakeKernel::blocks(0, 1)});
    EXPECT_EQ(cut.read_length, 64U + 2 * 64);
    EXPECT_EQ(run(report(0, 4096), {}).status, 0);
}

TEST_P(CommandServerTest, ParameterDataIsCutToWhatWasAskedForAndToTheRoom) {
    const auto asked = run(inquiry(0, false, 5), {FakeKernel::blocks(0, 1)});
    EXPECT_EQ(asked.read_length, 5U);
    EXPECT_EQ(kernel_.block(0)[0], std::byte{0x14});
    const auto room = run(inquiry(0, false, 255), {{.offset = FakeKernel::data_offset, .length = 8}});
    EXPECT_EQ(room.flags, 0) << "all of it is filled";
    EXPECT_EQ(run(inquiry(0x80, true), {FakeKernel::blocks(0, 1)}).read_length, 10U);
    EXPECT_EQ(kernel_.block(0)[4], std::byte{'5'});
    expect_refused(run(inquiry(0x42, true), {FakeKernel::blocks(0, 1)}), 5, 0x24, 0x00);
    expect_refused(run(cdb_16(0xf1, 0, 0)), 5, 0x20, 0x00);
}

TEST_P(CommandServerTest, UnmapDiscardsAndIsRefusedInSequentialZones) {
    fill(0, 'd');
    EXPECT_EQ(run(write(0, page_blocks), {FakeKernel::blocks(0, 1)}).status, 0);
    scsi::Cdb unmap{};
    unmap[0] = 0x42;
    unmap[8] = 24;
    const auto list = kernel_.block(1);
    std::ranges::fill(list, std::byte{});
    scsi::put_be(list, 2, std::uint16_t{16});
    scsi::put_be(list, 16, page_blocks);
    EXPECT_EQ(run(unmap, {FakeKernel::blocks(1, 1)}).status, 0);
    EXPECT_EQ(run(read(0, page_blocks), {FakeKernel::blocks(0, 1)}).status, 0);
    EXPECT_TRUE(is_filled(0, '\0'));
    scsi::put_be(list, 8, 6 * zone_blocks);
    expect_refused(run(unmap, {FakeKernel::blocks(1, 1)}), 5, 0x24, 0x00);
    expect_refused(run(unmap, {{.offset = FakeKernel::data_offset, .length = 8}}), 5, 0x1a, 0x00);
    EXPECT_EQ(device_->counters().discards, 2U);
}

TEST_P(CommandServerTest, LessDataThanTheCommandSpeaksOfIsNoTransfer) {
    expect_refused(run(write(0, 2 * page_blocks), {FakeKernel::blocks(0, 1)}), 4, 0x44, 0x00);
    expect_refused(run(read(0, page_blocks), {}), 4, 0x44, 0x00);
    expect_refused(run(read(0, page_blocks), {{.offset = ~std::size_t{0}, .length = 1}}), 4, 0x44, 0x00);
    EXPECT_EQ(device_->counters().completed, 0U);
}

TEST_P(CommandServerTest, ManyCommandsAtOnceAreAllAnswered) {
    std::vector<std::uint16_t> ids;
    std::size_t answered = 0;
    std::uint16_t id = 0;
    for (int round = 0; round < 50; ++round) {
        while (kernel_.put_command(id, (id % 3) != 0 ? read(id % 256, page_blocks) : inquiry(0, false),
                                   {FakeKernel::blocks(id % 200, 1)})) {
            ++id;
        }
        for (const Completed& done : serve()) {
            EXPECT_EQ(done.status, 0);
            ++answered;
        }
    }
    EXPECT_EQ(answered, id);
    EXPECT_EQ(kernel_.outstanding(), 0U);
}

TEST_P(CommandServerTest, AStoppedPoolTakesNothing) {
    pool_->stop();
    ASSERT_TRUE(kernel_.put_command(1, read(0, 1), {FakeKernel::blocks(0, 1)}));
    EXPECT_FALSE(server_->serve_all([] {}));
    EXPECT_EQ(kernel_.outstanding(), 1U);
    pool_->start();
    EXPECT_EQ(serve().size(), 1U);
}

TEST_P(CommandServerTest, ReadsAndWritesAllocateNothing) {
    if (!reflux::test::counts_allocations) {
        GTEST_SKIP() << "a sanitizer has a malloc of its own";
    }
    const std::vector<Piece> pieces{FakeKernel::blocks(3, 1), FakeKernel::blocks(8, 1)};
    const auto all = [&] {
        ASSERT_TRUE(kernel_.put_command(1, write(0, 2 * page_blocks), pieces));
        ASSERT_TRUE(kernel_.put_command(2, read(0, 2 * page_blocks), pieces));
        ASSERT_TRUE(kernel_.put_command(3, cdb_16(0x91, 0, 0)));
        ASSERT_TRUE(kernel_.put_command(4, report(0, 4096), pieces));
        ASSERT_TRUE(kernel_.put_command(5, inquiry(0xb6, true), pieces));
        ASSERT_TRUE(kernel_.put_command(6, read(1U << 30U, 1), pieces));
    };
    all();
    serve();
    all();
    const auto before = reflux::test::allocations.load();
    server_->serve_all([] {});
    device_->drain();
    EXPECT_EQ(reflux::test::allocations.load() - before, 0U);
    EXPECT_EQ(kernel_.take_completions().size(), 6U);
}

}  // namespace
}  // namespace reflux::tcmu::test
