// A translated disk at work on an image file that logs, one request after the other; and what each sector of
// it may hold after a crash.
#pragma once

#include "backend/translated_device.h"
#include "tests/unit/backend/crash_ledger.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace reflux::test {

// Does each request at once, on a file that outlives it.
class InlineEngine : public io::Engine {
  public:
    explicit InlineEngine(ImageFile& file) : file_(file) {}
    void submit(io::Request& request) override {
        int error = request.begin(request);
        if (error == 0) {
            error = perform_on(file_, request);
        }
        request.complete(request, error);
    }
    void drain() override {}
    [[nodiscard]] bool is_inline() const override { return true; }
    [[nodiscard]] std::size_t max_in_flight() const override { return 1; }
    [[nodiscard]] io::EngineState state() const override { return {}; }

  private:
    ImageFile& file_;
};

// The devices on a file, which becomes theirs.
struct TranslatedStack {
    std::unique_ptr<ZonedDevice> device;
    std::unique_ptr<TranslatedDevice> translated;  // null: see error
    std::string error;

    explicit TranslatedStack(std::unique_ptr<ImageFile> file) {
        ImageFile& held = *file;
        auto opened = Image::open(std::move(file), "image");
        if (!opened) {
            error = opened.error().message;
            return;
        }
        device = *ZonedDevice::start(std::move(*opened), std::make_unique<InlineEngine>(held));
        auto made = TranslatedDevice::start(*device, {.reclaim_thread = false});
        if (made) {
            translated = std::move(*made);
        } else {
            error = made.error().message;
        }
    }

    // `length`: of a discard.
    int run(DeviceOperation operation, std::uint64_t offset, std::span<std::byte> buffer,
            std::uint64_t length = 0) const {
        struct Answered : DeviceRequest {
            int error = -1;
        } request;
        request.operation = operation;
        request.offset = offset;
        request.buffer = buffer;
        request.length = length;
        request.done = [](DeviceRequest& done, int with) { static_cast<Answered&>(done).error = with; };
        translated->submit(request);
        return request.error;
    }
    [[nodiscard]] std::vector<std::byte> contents() const {
        std::vector<std::byte> bytes(translated->size().value);
        EXPECT_EQ(run(DeviceOperation::read, 0, bytes), 0);
        return bytes;
    }
};

class TranslatedSession {
  public:
    // The disk that a crash left, and what it reads as.
    TranslatedSession(const PagedFile& before, Random& random)
        : before_(before),
          random_(random),
          contents_(TranslatedStack(copy_of(before)).contents()),
          last_id_(below(random, 1U << 30U)) {
        auto file = std::make_unique<LoggedFile>(before, clock_);
        file_ = file.get();
        stack_ = std::make_unique<TranslatedStack>(std::move(file));
        sectors_.resize(contents_.size() / sector_bytes);
    }

    static std::unique_ptr<PagedFile> copy_of(const PagedFile& file) {
        return std::make_unique<PagedFile>(file);
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            const std::uint64_t kind = below(random_, 100);
            if (kind < 70) {
                write();
            } else if (kind < 76) {
                discard();
            } else if (kind < 86) {
                flush();
            } else {
                stack_->translated->disk().reclaim_once();
            }
        }
    }

    [[nodiscard]] const std::vector<FileEvent>& log() const { return file_->log(); }
    [[nodiscard]] const PagedFile& before() const { return before_; }
    [[nodiscard]] map::TranslationStatus status() const { return stack_->translated->status(); }

    // A line for the first sector that holds what it must not after a crash at `tick`.
    [[nodiscard]] std::string broken_promise(std::uint64_t tick, const std::vector<std::byte>& found) const {
        std::uint64_t durable = 0;  // when the last answered flush was begun
        for (const auto& [begun, answered] : flushes_) {
            durable = answered < tick ? begun : durable;
        }
        for (std::uint64_t sector = 0; sector < sectors_.size(); ++sector) {
            if (!may_hold(sector, durable, tick,
                          std::span(found).subspan(sector * sector_bytes, sector_bytes))) {
                return fmt::format("sector {} (chunk {})", sector, sector / 128);
            }
        }
        return "";
    }

  private:
    struct Change {
        std::uint64_t id = 0;  // 0: discarded
        std::uint64_t begun = 0;
        std::uint64_t answered = 0;
    };
    struct Flush {
        std::uint64_t begun = 0;
        std::uint64_t answered = 0;
    };

    [[nodiscard]] bool may_hold(std::uint64_t sector, std::uint64_t durable, std::uint64_t tick,
                                std::span<const std::byte> found) const {
        const auto& changes = sectors_[sector];
        std::size_t first = 0;  // the last one that is durable, counted from 1
        for (std::size_t i = 0; i < changes.size(); ++i) {
            first = changes[i].answered < durable ? i + 1 : first;
        }
        if (first == 0 &&
            std::ranges::equal(found, std::span(contents_).subspan(sector * sector_bytes, sector_bytes))) {
            return true;
        }
        for (std::size_t i = first == 0 ? 0 : first - 1; i < changes.size() && changes[i].begun < tick; ++i) {
            std::array<std::byte, sector_bytes> wanted{};
            if (changes[i].id != 0) {
                fill_sector(changes[i].id, sector, wanted);
            }
            if (std::ranges::equal(found, wanted)) {
                return true;
            }
        }
        return false;
    }

    void make_room() {
        for (int i = 0; i < 1000 && status().map.random_free < 3; ++i) {
            stack_->translated->disk().reclaim_once();
        }
        ASSERT_GE(status().map.random_free, 3U);
    }

    void write() {
        ASSERT_NO_FATAL_FAILURE(make_room());
        // Whole blocks mostly, often where the last one ended.
        const std::uint64_t unit = chance(random_, 0.8) ? 8 : 1;
        std::uint64_t first = chance(random_, 0.4) ? last_end_ : below(random_, sectors_.size());
        first = first % sectors_.size() / unit * unit;
        const std::uint64_t count = std::min(unit * (1 + below(random_, 20)), sectors_.size() - first);
        last_end_ = first + count;
        std::vector<std::byte> bytes(count * sector_bytes);
        const Change change{.id = ++last_id_, .begun = ++clock_};
        for (std::uint64_t i = 0; i < count; ++i) {
            fill_sector(change.id, first + i, std::span(bytes).subspan(i * sector_bytes, sector_bytes));
        }
        EXPECT_EQ(stack_->run(DeviceOperation::write, first * sector_bytes, bytes), 0);
        record(first, count, change);
    }

    // Of any sectors: zeroes are written to what is no whole block. Half of them of whole blocks.
    void discard() {
        ASSERT_NO_FATAL_FAILURE(make_room());
        const std::uint64_t unit = chance(random_, 0.5) ? 8 : 1;
        const std::uint64_t first = below(random_, sectors_.size()) / unit * unit;
        const std::uint64_t count =
            std::min(unit * (1 + below(random_, 256 / unit)), sectors_.size() - first);
        const Change change{.begun = ++clock_};
        EXPECT_EQ(stack_->run(DeviceOperation::discard, first * sector_bytes, {}, count * sector_bytes), 0);
        record(first, count, change);
    }

    void flush() {
        const std::uint64_t begun = ++clock_;
        EXPECT_EQ(stack_->run(DeviceOperation::flush, 0, {}), 0);
        flushes_.push_back({.begun = begun, .answered = ++clock_});
    }

    void record(std::uint64_t first, std::uint64_t count, Change change) {
        change.answered = ++clock_;
        for (std::uint64_t sector = first; sector < first + count; ++sector) {
            sectors_[sector].push_back(change);
        }
    }

    PagedFile before_;
    Random& random_;
    std::uint64_t clock_ = 0;
    std::vector<std::byte> contents_;  // of the disk before
    LoggedFile* file_ = nullptr;
    std::vector<std::vector<Change>> sectors_;
    std::vector<Flush> flushes_;
    std::uint64_t last_id_;  // others in every session, so that what an older one wrote is told from it
    std::uint64_t last_end_ = 0;
    std::unique_ptr<TranslatedStack> stack_;
};

}  // namespace reflux::test
