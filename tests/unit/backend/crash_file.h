// What a loss of power can leave of a file: a file that logs all that is done to it, and the states that the
// log allows. A sync makes durable what was written before it began; of what came later, up to the crash,
// each sector of 512 bytes has reached the disk or not, whatever the others did. Of a sector of the metadata
// even a part may have.
#pragma once

#include "tests/unit/backend/paged_file.h"

#include <functional>
#include <random>
#include <vector>

namespace reflux::test {

using Random = std::mt19937_64;

inline bool chance(Random& random, double probability) {
    return std::uniform_real_distribution<>(0, 1)(random) < probability;
}
inline std::uint64_t below(Random& random, std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random);
}

struct FileEvent {
    enum class Kind { write, discard, sync };
    Kind kind = Kind::write;
    std::uint64_t tick = 0;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes = {};  // discard: zeroes
    std::size_t covers = 0;             // sync: so many events were before its beginning
};

// The file of which others know `clock`: it moves on with every event.
class LoggedFile : public ImageFile {
  public:
    LoggedFile(const PagedFile& content, std::uint64_t& clock) : content_(content), clock_(clock) {}

    int read(std::uint64_t offset, std::span<std::byte> buffer) const override {
        return content_.read(offset, buffer);
    }
    int write(std::uint64_t offset, std::span<const std::byte> buffer) override {
        meanwhile();
        log_.push_back({.kind = FileEvent::Kind::write,
                        .tick = ++clock_,
                        .offset = offset,
                        .bytes = {buffer.begin(), buffer.end()}});
        return content_.write(offset, buffer);
    }
    int discard(std::uint64_t offset, std::uint64_t length) override {
        log_.push_back({.kind = FileEvent::Kind::discard,
                        .tick = ++clock_,
                        .offset = offset,
                        .bytes = std::vector<std::byte>(length)});
        return content_.discard(offset, length);
    }
    int sync() override {
        const std::size_t covers = log_.size();
        meanwhile();
        log_.push_back({.kind = FileEvent::Kind::sync, .tick = ++clock_, .covers = covers});
        return 0;
    }
    int size(std::uint64_t& bytes) const override { return content_.size(bytes); }
    int set_size(std::uint64_t bytes) override { return content_.set_size(bytes); }

    [[nodiscard]] const std::vector<FileEvent>& log() const { return log_; }
    // What other threads would do while a call of this one takes its time.
    std::function<void()> meanwhile = [] {};

  private:
    PagedFile content_;
    std::uint64_t& clock_;
    std::vector<FileEvent> log_;
};

class CrashStates {
  public:
    static constexpr std::size_t sector = 512;

    CrashStates(const PagedFile& before, const std::vector<FileEvent>& log, std::uint64_t metadata_end)
        : durable_(before), log_(log), metadata_end_(metadata_end) {}

    // The crash comes after so many events; never fewer than the last time.
    void advance(std::size_t events) {
        std::size_t durable_to = durable_events_;
        for (; events_ < events; ++events_) {
            if (log_[events_].kind == FileEvent::Kind::sync) {
                durable_to = std::max(durable_to, log_[events_].covers);
            }
        }
        for (; durable_events_ < durable_to; ++durable_events_) {
            durable_.write_if_data(log_[durable_events_]);
        }
    }
    // Everything before this moment had happened: later ticks had not.
    [[nodiscard]] std::uint64_t tick() const {
        return events_ < log_.size() ? log_[events_].tick : std::numeric_limits<std::uint64_t>::max();
    }
    // All events so far have reached the file: the process was killed, not the machine.
    [[nodiscard]] PagedFile all() const { return some_of(nullptr); }
    // A loss of power.
    [[nodiscard]] PagedFile some(Random& random) const { return some_of(&random); }

  private:
    struct Content : PagedFile {
        explicit Content(const PagedFile& file) : PagedFile(file) {}
        void write_if_data(const FileEvent& event) {
            if (event.kind != FileEvent::Kind::sync) {
                write(event.offset, event.bytes);
            }
        }
    };

    [[nodiscard]] PagedFile some_of(Random* random) const {
        static constexpr std::array odds{0.0, 0.1, 0.5, 0.9, 1.0};
        Content state = durable_;
        const double odd = random == nullptr ? 1 : odds[below(*random, odds.size())];
        const bool whole_writes = random == nullptr || chance(*random, 0.3);
        for (std::size_t i = durable_events_; i < events_; ++i) {
            if (whole_writes) {
                if (random == nullptr || chance(*random, odd)) {
                    state.write_if_data(log_[i]);
                }
            } else {
                write_sectors(state, log_[i], odd, *random);
            }
        }
        return state;
    }

    void write_sectors(Content& state, const FileEvent& event, double odd, Random& random) const {
        for (std::size_t at = 0; at < event.bytes.size(); at += sector) {
            auto bytes = std::span(event.bytes).subspan(at).first(std::min(sector, event.bytes.size() - at));
            if (event.offset < metadata_end_ && chance(random, 0.05)) {
                bytes = bytes.first(below(random, bytes.size()));
            }
            if (chance(random, odd)) {
                state.write(event.offset + at, bytes);
            }
        }
    }

    Content durable_;
    std::size_t durable_events_ = 0;
    std::size_t events_ = 0;
    const std::vector<FileEvent>& log_;
    std::uint64_t metadata_end_;
};

}  // namespace reflux::test
