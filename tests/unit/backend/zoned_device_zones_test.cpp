// Host-managed disks: appends, zone management, and what excludes what.
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/crash_session.h"
#include "tests/unit/backend/device_requests.h"

#include <array>

#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::run;
using test::WaitedRequest;
constexpr std::uint64_t zone_size = 64 << 10;

class ManagedDisk : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        const auto geometry = ZonedGeometry::make({.size = {16 * zone_size},
                                                   .zone_size = {zone_size},
                                                   .zone_capacity = {zone_size - 8192},
                                                   .conventional = 1,
                                                   .model = ZoneModel::host_managed,
                                                   .max_open = 2});
        ASSERT_TRUE(geometry && format_image(path_, *geometry, false));
        open();
    }
    void open() {
        device_.reset();
        auto device = ZonedDevice::open(path_, {.engine = GetParam(), .threads = 3});
        ASSERT_TRUE(device) << device.error().message;
        device_ = std::move(*device);
    }
    [[nodiscard]] ZoneDescriptor zone(std::uint64_t id) const {
        std::array<ZoneDescriptor, 1> out;
        EXPECT_EQ(device_->report({id}, out), 1U);
        return out[0];
    }
    int run(DeviceOperation what, std::uint64_t where, std::span<std::byte> data = {}) {
        return test::run(*device_, what, where, data);
    }
    ZoneError refusal(DeviceOperation what, std::uint64_t where, std::span<std::byte> data = {}) {
        WaitedRequest request(what, where, data);
        device_->submit(request);
        const int error = request.wait();
        EXPECT_EQ(error, errno_of(request.refusal));
        return request.refusal;
    }
    std::vector<std::byte> read(std::uint64_t where, std::size_t size) {
        std::vector<std::byte> data(size, std::byte{0x11});
        EXPECT_EQ(run(DeviceOperation::read, where, data), 0);
        return data;
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
    std::unique_ptr<ZonedDevice> device_;
    std::vector<std::byte> data_ = std::vector<std::byte>(8192, std::byte{0x77});
};
INSTANTIATE_TEST_SUITE_P(Engines, ManagedDisk, testing::Values("sync", "threads"));

TEST_P(ManagedDisk, WritesAndAppendsGoToTheWritePointer) {
    EXPECT_EQ(run(DeviceOperation::write, 2 * zone_size, data_), 0);
    EXPECT_EQ(refusal(DeviceOperation::write, 2 * zone_size, data_), ZoneError::unaligned_write);
    WaitedRequest append(DeviceOperation::append, 2 * zone_size, data_);
    device_->submit(append);
    EXPECT_EQ(append.wait(), 0);
    EXPECT_EQ(append.placed_at, 2 * zone_size + 8192);
    EXPECT_EQ(zone(2).write_pointer.value, 2 * zone_size + 16384);
    EXPECT_EQ(refusal(DeviceOperation::append, 2 * zone_size + 4096, data_), ZoneError::invalid_field);
    EXPECT_EQ(refusal(DeviceOperation::append, 0, data_), ZoneError::invalid_field) << "conventional";
    EXPECT_EQ(refusal(DeviceOperation::append, 16 * zone_size, data_), ZoneError::out_of_range);
    EXPECT_EQ(device_->counters().errors, 4U);
}

TEST_P(ManagedDisk, DiscardsConventionalZonesOnly) {
    ASSERT_EQ(run(DeviceOperation::write, 0, data_), 0);
    ASSERT_EQ(run(DeviceOperation::write, zone_size, data_), 0);
    EXPECT_EQ(test::discard(*device_, zone_size, 4096), EOPNOTSUPP);
    EXPECT_EQ(test::discard(*device_, 0, 2 * zone_size), EOPNOTSUPP) << "a part of it would be";
    EXPECT_EQ(read(0, data_.size()), data_);
    EXPECT_EQ(read(zone_size, data_.size()), data_);
    EXPECT_EQ(test::discard(*device_, 0, zone_size), 0);
    EXPECT_EQ(read(0, data_.size()), std::vector<std::byte>(data_.size()));
}

TEST_P(ManagedDisk, CountsEachKindOfCommand) {
    EXPECT_EQ(run(DeviceOperation::open_zone, zone_size), 0);
    EXPECT_EQ(run(DeviceOperation::append, zone_size, data_), 0);
    EXPECT_EQ(run(DeviceOperation::append, zone_size, data_), 0);
    EXPECT_EQ(run(DeviceOperation::close_zone, zone_size), 0);
    EXPECT_EQ(run(DeviceOperation::finish_zone, zone_size), 0);
    EXPECT_EQ(run(DeviceOperation::finish_zone, 0), EIO);
    EXPECT_EQ(run(DeviceOperation::reset_zone, zone_size), 0);
    const auto counters = device_->counters();
    EXPECT_EQ(counters.zone_opens, 1U);
    EXPECT_EQ(counters.appends, 2U);
    EXPECT_EQ(counters.writes, 2U);
    EXPECT_EQ(counters.zone_closes, 1U);
    EXPECT_EQ(counters.zone_finishes, 2U);
    EXPECT_EQ(counters.zone_resets, 1U);
    EXPECT_EQ(counters.completed, 7U);
    const auto reports = counters.zone_reports;
    EXPECT_EQ(zone(1).condition, ZoneCondition::empty);
    EXPECT_EQ(device_->counters().zone_reports, reports + 1);
}

TEST_P(ManagedDisk, ManagesOneZone) {
    EXPECT_EQ(run(DeviceOperation::open_zone, 3 * zone_size), 0);
    EXPECT_EQ(zone(3).condition, ZoneCondition::explicit_open);
    EXPECT_EQ(run(DeviceOperation::write, 3 * zone_size, data_), 0);
    EXPECT_EQ(run(DeviceOperation::close_zone, 3 * zone_size), 0);
    EXPECT_EQ(zone(3).condition, ZoneCondition::closed);
    EXPECT_EQ(run(DeviceOperation::finish_zone, 3 * zone_size), 0);
    EXPECT_EQ(zone(3).condition, ZoneCondition::full);
    open();  // as after kill -9
    EXPECT_EQ(zone(3).condition, ZoneCondition::full) << "durable when it is answered";
    EXPECT_EQ(read(3 * zone_size, data_.size()), data_);
    EXPECT_EQ(read(3 * zone_size + 8192, 4096), std::vector<std::byte>(4096));
    EXPECT_EQ(run(DeviceOperation::reset_zone, 3 * zone_size), 0);
    open();
    EXPECT_EQ(zone(3).condition, ZoneCondition::empty);
    EXPECT_EQ(read(3 * zone_size, 4096), std::vector<std::byte>(4096));
}

TEST_P(ManagedDisk, RefusesManagementThatIsNotPossible) {
    for (const auto operation : {DeviceOperation::open_zone, DeviceOperation::close_zone,
                                 DeviceOperation::finish_zone, DeviceOperation::reset_zone}) {
        EXPECT_EQ(refusal(operation, 0), ZoneError::invalid_field) << to_string(operation);
        EXPECT_EQ(refusal(operation, 2 * zone_size + 4096), ZoneError::invalid_field) << to_string(operation);
        EXPECT_EQ(refusal(operation, 16 * zone_size), ZoneError::out_of_range) << to_string(operation);
        EXPECT_EQ(refusal(operation, ~std::uint64_t{0}), ZoneError::out_of_range) << to_string(operation);
    }
    EXPECT_EQ(run(DeviceOperation::open_zone, 3 * zone_size), 0);
    EXPECT_EQ(run(DeviceOperation::open_zone, 4 * zone_size), 0);
    EXPECT_EQ(refusal(DeviceOperation::open_zone, 5 * zone_size), ZoneError::too_many_open);
    EXPECT_EQ(refusal(DeviceOperation::write, 5 * zone_size, data_), ZoneError::too_many_open);
}

TEST_P(ManagedDisk, ManagesAllZones) {
    const auto run_all = [&](DeviceOperation operation) {
        WaitedRequest request(operation, 0, {});
        request.all_zones = true;
        device_->submit(request);
        return request.wait();
    };
    for (const std::uint64_t id : {1U, 7U, 15U}) {
        EXPECT_EQ(run(DeviceOperation::write, id * zone_size, data_), 0);
    }
    EXPECT_EQ(run_all(DeviceOperation::close_zone), 0);
    EXPECT_EQ(device_->zone_summary().count(ZoneCondition::closed), 3U);
    EXPECT_EQ(run_all(DeviceOperation::finish_zone), 0);
    EXPECT_EQ(device_->zone_summary().count(ZoneCondition::full), 3U);
    EXPECT_EQ(read(7 * zone_size + 8192, 4096), std::vector<std::byte>(4096));
    EXPECT_EQ(run_all(DeviceOperation::reset_zone), 0);
    open();
    EXPECT_EQ(device_->zone_summary().count(ZoneCondition::empty), 15U);
    EXPECT_EQ(device_->zone_summary().count(ZoneCondition::not_write_pointer), 1U);
}

// What a crash left behind the write pointer, and what lay in the zone before a reset, cannot be read.
TEST_P(ManagedDisk, NothingIsReadBehindTheWritePointer) {
    EXPECT_EQ(run(DeviceOperation::write, 4 * zone_size, data_), 0);
    open();  // the write had not been flushed
    EXPECT_EQ(zone(4).condition, ZoneCondition::empty);
    EXPECT_EQ(read(4 * zone_size, 8192), std::vector<std::byte>(8192));
    const auto half = std::span(data_).first(4096);
    EXPECT_EQ(run(DeviceOperation::write, 4 * zone_size, half), 0);
    std::vector<std::byte> wanted(8192);
    std::ranges::copy(half, wanted.begin());
    EXPECT_EQ(read(4 * zone_size, 8192), wanted);
    EXPECT_EQ(run(DeviceOperation::finish_zone, 4 * zone_size), 0);
    EXPECT_EQ(read(4 * zone_size, 8192), wanted) << "nor when the zone is finished";
}

// --- order, and failures of the lower file, with an engine that does nothing until it is told to

class StepByStep : public testing::Test {
  protected:
    void SetUp() override {
        const auto geometry = ZonedGeometry::make(
            {.size = {8 * zone_size}, .zone_size = {zone_size}, .model = ZoneModel::host_managed});
        test::PagedFile formatted;
        ASSERT_TRUE(geometry && write_new_image(formatted, *geometry));
        file_ = std::make_unique<test::LoggedFile>(formatted, clock_);
        auto opened = Image::open(std::make_unique<test::StoreFile>(*file_, &fault_), "image");
        auto engine = std::make_unique<test::ShuffledEngine>(*file_, random_);
        engine_ = engine.get();
        device_ = *ZonedDevice::start(std::move(*opened), std::move(engine));
    }
    struct Noted : DeviceRequest {
        Noted(StepByStep& test, DeviceOperation what, std::uint64_t where, std::span<std::byte> data)
            : answers(&test.answers_) {
            operation = what;
            offset = where;
            buffer = data;
            done = [](DeviceRequest& request, int error) {
                auto& noted = static_cast<Noted&>(request);
                noted.answers->emplace_back(&noted, error);
            };
        }
        std::vector<std::pair<Noted*, int>>* answers;
    };

    std::uint64_t clock_ = 0;
    test::Random random_{3};
    test::StoreFault fault_ = test::StoreFault::none;
    std::unique_ptr<test::LoggedFile> file_;
    test::ShuffledEngine* engine_ = nullptr;
    std::unique_ptr<ZonedDevice> device_;
    std::vector<std::byte> data_ = std::vector<std::byte>(4096, std::byte{0x77});
    std::vector<std::pair<Noted*, int>> answers_;
};

TEST_F(StepByStep, WritesToOneZoneGoOneAtATimeInTheOrderOfTheirSubmission) {
    Noted first(*this, DeviceOperation::write, zone_size, data_);
    Noted second(*this, DeviceOperation::append, zone_size, data_);
    Noted third(*this, DeviceOperation::write, zone_size + 8192, data_);
    Noted misplaced(*this, DeviceOperation::write, zone_size + 8192, data_);
    Noted reset(*this, DeviceOperation::reset_zone, zone_size, {});
    Noted again(*this, DeviceOperation::write, zone_size, data_);
    for (auto* request : {&first, &second, &third, &misplaced, &reset, &again}) {
        device_->submit(*request);
    }
    const auto in_flight = device_->in_flight();
    ASSERT_EQ(in_flight.size(), 6U) << "those that wait for their turn too";
    EXPECT_EQ(in_flight.front().operation, DeviceOperation::write);
    EXPECT_EQ(in_flight[4].operation, DeviceOperation::reset_zone);
    device_->drain();
    EXPECT_TRUE(device_->in_flight().empty());
    using Answer = std::pair<Noted*, int>;
    const std::vector<Answer> wanted{{&first, 0}, {&second, 0}, {&misplaced, EIO},
                                     {&third, 0}, {&reset, 0},  {&again, 0}};
    ASSERT_EQ(answers_.size(), 6U);
    // The misplaced one is refused when its turn comes, before the one ahead of it is answered.
    EXPECT_EQ(answers_, wanted);
    EXPECT_EQ(second.placed_at, zone_size + 4096);
    EXPECT_EQ(misplaced.refusal, ZoneError::unaligned_write);
}

TEST_F(StepByStep, AfterAFailedSyncOnlyReadsAreServed) {
    Noted write(*this, DeviceOperation::write, zone_size, data_);
    Noted flush(*this, DeviceOperation::flush, 0, {});
    device_->submit(write);
    device_->drain();
    fault_ = test::StoreFault::sync_fails;
    device_->submit(flush);
    device_->drain();
    fault_ = test::StoreFault::none;  // as the kernel: it tells of a lost page once
    Noted another_flush(*this, DeviceOperation::flush, 0, {});
    Noted another_write(*this, DeviceOperation::write, zone_size + 4096, data_);
    Noted reset(*this, DeviceOperation::reset_zone, zone_size, {});
    Noted read(*this, DeviceOperation::read, zone_size, data_);
    for (auto* request : {&another_flush, &another_write, &reset, &read}) {
        device_->submit(*request);
    }
    device_->drain();
    using Answer = std::pair<Noted*, int>;
    EXPECT_EQ(answers_, (std::vector<Answer>{{&write, 0},
                                             {&flush, EIO},
                                             {&another_flush, EIO},
                                             {&another_write, EIO},
                                             {&reset, EIO},
                                             {&read, 0}}));
    const auto errors = device_->io_errors();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].name, "EIO");
    EXPECT_EQ(errors[0].count, 4U) << "those that were not tried too";
    EXPECT_FALSE(device_->close());
}

// The sync that was to make the table durable, by the engine's own open file.
TEST_F(StepByStep, AFlushAfterAFailedSyncOfTheEngineIsNoSuccessUnlessTheTablesFileIsFine) {
    const auto submit = [&](DeviceOperation operation, std::uint64_t offset, std::span<std::byte> data) {
        Noted request(*this, operation, offset, data);
        device_->submit(request);
        device_->drain();
        return answers_.back().second;
    };
    const auto flush = [&] { return submit(DeviceOperation::flush, 0, {}); };
    ASSERT_TRUE(device_->faults().set("error", {"operations=flush"}));
    EXPECT_EQ(submit(DeviceOperation::write, zone_size, data_), 0);
    EXPECT_EQ(flush(), EIO) << "injected";
    device_->faults().clear_all();
    const auto syncs = file_->log().size();
    EXPECT_EQ(flush(), 0);
    EXPECT_EQ(file_->log().size(), syncs + 2) << "the table's and the engine's";
    EXPECT_EQ(submit(DeviceOperation::write, zone_size + 4096, data_), 0) << "nothing is lost";

    engine_->fail_syncs(EIO);
    EXPECT_EQ(flush(), EIO);
    engine_->fail_syncs(0);  // it was told
    fault_ = test::StoreFault::sync_fails;
    EXPECT_EQ(flush(), EIO) << "nothing has changed since, but the table may not be durable";
    fault_ = test::StoreFault::none;
    EXPECT_EQ(flush(), EIO);
    EXPECT_EQ(submit(DeviceOperation::write, zone_size + 8192, data_), EIO);
    EXPECT_EQ(submit(DeviceOperation::read, zone_size, data_), 0);
}

// What lay in the zone before a reset, on a lower filesystem that makes no holes.
TEST_F(StepByStep, AFinishWritesZeroesWhereNoHoleCanBeMade) {
    fault_ = test::StoreFault::no_holes;
    const auto submit = [&](DeviceOperation operation, std::uint64_t offset, std::span<std::byte> data) {
        Noted request(*this, operation, offset, data);
        device_->submit(request);
        device_->drain();
        ASSERT_EQ(answers_.back(), std::pair(&request, 0));
    };
    std::vector<std::byte> whole(zone_size, std::byte{0x55});
    submit(DeviceOperation::write, zone_size, whole);
    submit(DeviceOperation::write, 2 * zone_size, data_);
    submit(DeviceOperation::reset_zone, zone_size, {});
    submit(DeviceOperation::write, zone_size, data_);
    submit(DeviceOperation::finish_zone, zone_size, {});
    submit(DeviceOperation::read, zone_size, whole);
    EXPECT_TRUE(std::ranges::equal(std::span(whole).first(data_.size()), data_));
    EXPECT_TRUE(std::ranges::all_of(std::span(whole).subspan(data_.size()),
                                    [](std::byte byte) { return byte == std::byte{}; }));
    submit(DeviceOperation::read, 2 * zone_size, whole);
    EXPECT_TRUE(std::ranges::equal(std::span(whole).first(data_.size()), data_)) << "the zone behind it";
}

TEST_F(StepByStep, FinishOfAllLeavesEmptyZonesAlone) {
    Noted write(*this, DeviceOperation::write, zone_size, data_);
    device_->submit(write);
    device_->drain();
    const auto events = file_->log().size();
    Noted finish(*this, DeviceOperation::finish_zone, 0, {});
    finish.all_zones = true;
    for (int i = 0; i < 2; ++i) {
        device_->submit(finish);
        device_->drain();
        ASSERT_EQ(answers_.back(), std::pair(&finish, 0));
    }
    std::uint64_t discarded = 0;
    std::size_t written = 0;
    for (std::size_t i = events; i < file_->log().size(); ++i) {
        const test::FileEvent& event = file_->log()[i];
        discarded += event.kind == test::FileEvent::Kind::discard ? event.bytes.size() : 0;
        written += event.kind == test::FileEvent::Kind::write ? 1 : 0;
    }
    EXPECT_EQ(discarded, zone_size - data_.size());
    EXPECT_EQ(written, 2U) << "two copies of one block, and nothing the second time";
}

TEST_F(StepByStep, ReadsAndWritesDoNoIoOnMetadataAndAFlushWithoutChangesNone) {
    const auto metadata_writes = [&] {
        return std::ranges::count_if(file_->log(), [](const test::FileEvent& event) {
            return event.kind == test::FileEvent::Kind::write && event.offset < mebibytes(1).value;
        });
    };
    const auto before = metadata_writes();
    const auto submit = [&](DeviceOperation operation, std::uint64_t offset, std::span<std::byte> data) {
        Noted request(*this, operation, offset, data);
        device_->submit(request);
        device_->drain();
        ASSERT_EQ(answers_.back(), std::pair(&request, 0));
    };
    for (std::uint64_t i = 0; i < 8; ++i) {
        submit(DeviceOperation::write, zone_size + i * 4096, data_);
        submit(DeviceOperation::read, zone_size + i * 4096, data_);
    }
    EXPECT_EQ(metadata_writes(), before);
    submit(DeviceOperation::flush, 0, {});
    EXPECT_EQ(metadata_writes(), before + 2) << "two copies of one block";
    const auto events = file_->log().size();
    submit(DeviceOperation::flush, 0, {});
    EXPECT_EQ(file_->log().size(), events + 1) << "one sync";
}

}  // namespace
}  // namespace reflux
