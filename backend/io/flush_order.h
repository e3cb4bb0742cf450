// Which flush may go: one that was taken after a write covers it, so it waits for that write's completion.
// The kernel's own means do worse: IOSQE_IO_DRAIN holds back all that comes behind, reads too, and
// IOSQE_IO_LINK orders only what is submitted together. Pure; in one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace reflux::io {

class FlushOrder {
  public:
    // For at most `most` requests at once.
    explicit FlushOrder(std::size_t most) : generations_(most + 1) {}

    // A write was taken; the generation is what write_done() wants.
    std::uint64_t take_write() {
        ++at(taken_).writes;
        return taken_;
    }
    void write_done(std::uint64_t generation) { --at(generation).writes; }
    // A flush was taken; next() gives it back when it may go.
    void take_flush(std::size_t id) {
        at(taken_).flush = id;
        ++taken_;
        at(taken_).writes = 0;
    }
    // The oldest flush that has not gone, if all writes before it are done. Ask until there is none, after
    // each take_flush() and write_done().
    std::optional<std::size_t> next() {
        if (gone_ == taken_ || at(gone_).writes > 0) {
            return std::nullopt;
        }
        return at(gone_++).flush;
    }

  private:
    // The writes between two flushes, and the flush behind them.
    struct Generation {
        std::size_t writes = 0;  // not done
        std::size_t flush = 0;
    };
    Generation& at(std::uint64_t generation) { return generations_[generation % generations_.size()]; }

    std::vector<Generation> generations_;
    std::uint64_t taken_ = 0;  // flushes so far: the generation that writes now join
    std::uint64_t gone_ = 0;
};

}  // namespace reflux::io
