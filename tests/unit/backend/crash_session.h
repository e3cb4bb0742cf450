// A disk at work on a file that logs: requests of all kinds, many at once, done in random order, other ones
// in the middle of a flush. One thread, so that a seed gives the same again.
#pragma once

#include "tests/unit/backend/crash_ledger.h"

#include <deque>

#include <gtest/gtest.h>

namespace reflux::test {

// Does requests when it is told to, in any order.
class ShuffledEngine : public io::Engine {
  public:
    ShuffledEngine(LoggedFile& file, Random& random) : file_(file), random_(random) {}
    ~ShuffledEngine() override { ShuffledEngine::drain(); }
    ShuffledEngine(const ShuffledEngine&) = delete;
    ShuffledEngine& operator=(const ShuffledEngine&) = delete;
    ShuffledEngine(ShuffledEngine&&) = delete;
    ShuffledEngine& operator=(ShuffledEngine&&) = delete;

    void submit(io::Request& request) override { queue_.push_back(&request); }
    void drain() override {
        while (!queue_.empty()) {
            run_one(false);
        }
    }
    [[nodiscard]] bool is_inline() const override { return false; }
    [[nodiscard]] std::size_t max_in_flight() const override { return 16; }
    [[nodiscard]] io::EngineState state() const override { return {}; }

    // With which its syncs end.
    void fail_syncs(int error) { sync_error_ = error; }

    void run_one(bool data_only) {
        std::vector<std::size_t> choice;
        for (std::size_t i = 0; i < queue_.size(); ++i) {
            if (!data_only || queue_[i]->operation != io::Operation::flush) {
                choice.push_back(i);
            }
        }
        if (choice.empty()) {
            return;
        }
        const auto chosen =
            queue_.begin() + static_cast<std::ptrdiff_t>(choice[below(random_, choice.size())]);
        io::Request& request = **chosen;
        queue_.erase(chosen);
        int error = request.begin(request);
        if (error == 0) {
            const bool fails = request.operation == io::Operation::flush && sync_error_ != 0;
            error = fails ? sync_error_ : perform_on(file_, request);
        }
        request.complete(request, error);
    }

  private:
    LoggedFile& file_;
    Random& random_;
    std::vector<io::Request*> queue_;
    int sync_error_ = 0;
};

// What can be wrong with the writer of the zone table.
enum class StoreFault { none, data_not_synced, one_slot, reset_not_synced, sync_fails, no_holes, no_discard };

// The metadata's view of the logged file, through which the zone table's writer can be made a wrong one.
class StoreFile : public ImageFile {
  public:
    // `fault`, where there is one, outlives this and may change.
    explicit StoreFile(LoggedFile& file, const StoreFault* fault = nullptr) : file_(file), fault_(fault) {}

    int read(std::uint64_t offset, std::span<std::byte> buffer) const override {
        return file_.read(offset, buffer);
    }
    int write(std::uint64_t offset, std::span<const std::byte> buffer) override {
        after_write_ = true;
        const std::uint64_t slot_size = table_copies * image_block_size;
        const std::uint64_t table = table_offset(0, 0, 0).value;
        if (has(StoreFault::one_slot) && offset >= table && (offset - table) / slot_size % 2 == 1) {
            offset -= slot_size;
        }
        return file_.write(offset, buffer);
    }
    int sync() override {
        if (has(StoreFault::sync_fails)) {
            return EIO;
        }
        const bool after_write = std::exchange(after_write_, false);
        const bool left_out =
            has(StoreFault::data_not_synced) || (has(StoreFault::reset_not_synced) && after_write);
        return left_out ? 0 : file_.sync();
    }
    int discard(std::uint64_t offset, std::uint64_t length) override {
        if (has(StoreFault::no_discard)) {
            return 0;
        }
        return has(StoreFault::no_holes) ? EOPNOTSUPP : file_.discard(offset, length);
    }
    int size(std::uint64_t& bytes) const override { return file_.size(bytes); }
    int set_size(std::uint64_t bytes) override { return file_.set_size(bytes); }

  private:
    [[nodiscard]] bool has(StoreFault fault) const { return fault_ != nullptr && *fault_ == fault; }

    LoggedFile& file_;
    const StoreFault* fault_;
    bool after_write_ = false;
};

class CrashSession {
  public:
    CrashSession(const PagedFile& before, Random& random)
        : before_(before), random_(random), file_(before, clock_), requests_(16) {
        auto opened = Image::open(std::make_unique<StoreFile>(file_, &fault_), "image");
        EXPECT_TRUE(opened) << opened.error().message;
        data_offset_ = opened->image.superblock().data_offset.value;
        ledger_ = std::make_unique<Ledger>(opened->zones, before, data_offset_);
        for (std::uint64_t id = 0; id < opened->zones.geometry().zone_count(); ++id) {
            const Zone zone = opened->zones.zone({id});
            planned_.push_back(zone.written.value / sector_bytes);
        }
        auto engine = std::make_unique<ShuffledEngine>(file_, random_);
        engine_ = engine.get();
        file_.meanwhile = [this] { work_meanwhile(); };
        device_ = *ZonedDevice::start(std::move(*opened), std::move(engine));
        for (Slot& slot : requests_) {
            slot.session = this;
            slot.done = [](DeviceRequest& request, int error) {
                auto& done = static_cast<Slot&>(request);
                done.session->answer(done, error);
            };
        }
    }
    CrashSession(const CrashSession&) = delete;
    CrashSession& operator=(const CrashSession&) = delete;
    CrashSession(CrashSession&&) = delete;
    CrashSession& operator=(CrashSession&&) = delete;
    ~CrashSession() { device_.reset(); }

    void use(StoreFault fault) { fault_ = fault; }
    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            const auto idle = std::ranges::find(requests_, std::uint64_t{0}, &Slot::id);
            if (idle != requests_.end() && chance(random_, 0.5)) {
                submit_any(*idle);
            } else {
                engine_->run_one(false);
            }
        }
        device_->drain();
    }
    void close() { EXPECT_TRUE(device_->close()); }

    [[nodiscard]] const PagedFile& before() const { return before_; }
    [[nodiscard]] const std::vector<FileEvent>& log() const { return file_.log(); }
    [[nodiscard]] const Ledger& ledger() const { return *ledger_; }
    [[nodiscard]] std::uint64_t data_offset() const { return data_offset_; }

  private:
    struct Slot : DeviceRequest {
        CrashSession* session = nullptr;
        std::uint64_t id = 0;  // in the ledger; 0: idle
        std::vector<std::byte> bytes = std::vector<std::byte>(32 * sector_bytes);
    };

    // Zones at the borders of the table's blocks among them; the first two are conventional.
    std::uint64_t any_zone() {
        static constexpr std::array<std::uint64_t, 8> zones{0, 1, 2, 3, 254, 255, 256, 299};
        return zones[below(random_, zones.size())];
    }

    void submit_any(Slot& slot) {
        const std::uint64_t zone = any_zone();
        const ZonedGeometry& geometry = device_->geometry();
        const bool required = geometry.type_of({zone}) == ZoneType::sequential_write_required;
        const std::uint64_t capacity = geometry.capacity_of({zone}).value / sector_bytes;
        const std::uint64_t chosen = below(random_, 100);
        LedgerEntry entry{.zone = zone, .submitted = ++clock_};
        if (chosen < 8) {
            entry.operation = DeviceOperation::flush;
        } else if (chosen < 14 && !geometry.is_conventional({zone})) {
            entry.operation = chosen < 12 ? DeviceOperation::reset_zone : DeviceOperation::finish_zone;
            planned_[zone] = entry.operation == DeviceOperation::reset_zone ? 0 : capacity;
        } else if (!plan_write(entry, required, capacity)) {
            return;
        }
        send(slot, entry);
    }

    // Where that has a meaning, a discard now and then.
    bool plan_write(LedgerEntry& entry, bool required, std::uint64_t capacity) {
        if (!required && chance(random_, 0.15)) {
            entry.operation = DeviceOperation::discard;
            entry.sector = below(random_, capacity);
            entry.sectors = 1 + below(random_, capacity - entry.sector);
            return true;
        }
        std::uint64_t& planned = planned_[entry.zone];
        entry.sector = required ? planned : below(random_, capacity);
        if (entry.sector >= capacity) {
            return false;  // the zone is full
        }
        entry.sectors = 1 + below(random_, std::min<std::uint64_t>(32, capacity - entry.sector));
        entry.operation = required && chance(random_, 0.2) ? DeviceOperation::append : DeviceOperation::write;
        planned = std::max(planned, entry.end());
        return true;
    }

    void send(Slot& slot, const LedgerEntry& entry) {
        slot.id = ledger_->submit(entry);
        slot.operation = entry.operation;
        const std::uint64_t start = device_->geometry().start_of({entry.zone}).value;
        slot.offset = start + (entry.operation == DeviceOperation::append ? 0 : entry.sector * sector_bytes);
        slot.length = entry.discards() ? entry.sectors * sector_bytes : 0;
        const std::uint64_t with_data = entry.discards() ? 0 : entry.sectors;
        slot.buffer = std::span(slot.bytes).first(with_data * sector_bytes);
        for (std::uint64_t i = 0; i < with_data; ++i) {
            fill_sector(slot.id, start / sector_bytes + entry.sector + i,
                        slot.buffer.subspan(i * sector_bytes, sector_bytes));
        }
        device_->submit(slot);
    }

    void answer(Slot& slot, int error) {
        LedgerEntry& entry = ledger_->entry(slot.id);
        entry.answered = ++clock_;
        entry.error = error;
        EXPECT_EQ(error, 0) << to_string(entry.operation) << " of zone " << entry.zone << ": "
                            << to_string(slot.refusal);
        if (entry.operation == DeviceOperation::append) {
            const std::uint64_t start = device_->geometry().start_of({entry.zone}).value;
            EXPECT_EQ(slot.placed_at, start + entry.sector * sector_bytes);
        }
        slot.id = 0;
    }

    void work_meanwhile() {
        if (!meanwhile_ && engine_ != nullptr) {
            meanwhile_ = true;
            for (std::uint64_t left = below(random_, 3); left > 0; --left) {
                engine_->run_one(true);
            }
            meanwhile_ = false;
        }
    }

    PagedFile before_;
    Random& random_;
    std::uint64_t clock_ = 0;
    StoreFault fault_ = StoreFault::none;
    LoggedFile file_;
    std::uint64_t data_offset_ = 0;
    std::unique_ptr<Ledger> ledger_;
    std::vector<std::uint64_t> planned_;  // write pointers after all that was submitted, sectors
    bool meanwhile_ = false;
    ShuffledEngine* engine_ = nullptr;
    std::deque<Slot> requests_;
    std::unique_ptr<ZonedDevice> device_;
};

}  // namespace reflux::test
