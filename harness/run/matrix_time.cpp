#include "harness/run/matrix_time.h"

#include "harness/verdict/words.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace reflux::run {
namespace {

struct Mean {
    Seconds sum{0};
    unsigned runs = 0;

    // A run of which it is not known how long it took says nothing.
    void add(const MatrixRun& run) {
        if (run.time.count() > 0) {
            sum += run.time;
            ++runs;
        }
    }
    [[nodiscard]] Seconds value() const { return sum / std::max(runs, 1U); }
};

struct Means {
    std::map<std::string, Mean> kernels;
    Mean all;

    explicit Means(const std::vector<Cell>& cells) {
        for (const auto& cell : cells) {
            for (const auto& run : cell.finished) {
                kernels[cell.kernel].add(run);
                all.add(run);
            }
        }
    }
    [[nodiscard]] Seconds of(const Cell& cell) const {
        Mean own;
        for (const auto& run : cell.finished) {
            own.add(run);
        }
        const auto kernel = kernels.find(cell.kernel);
        return own.runs > 0                                         ? own.value()
               : kernel != kernels.end() && kernel->second.runs > 0 ? kernel->second.value()
                                                                    : all.value();
    }
};

std::size_t missing_of(const Cell& cell) {
    return cell.complete() || cell.given_up ? 0 : cell.wanted - cell.finished.size();
}

struct Counts {
    std::size_t wanted = 0;
    std::size_t done = 0;
};

Counts counts_of(const std::vector<Cell>& cells) {
    Counts counts;
    for (const auto& cell : cells) {
        counts.wanted += cell.wanted;
        counts.done += std::min<std::size_t>(cell.finished.size(), cell.wanted);
    }
    return counts;
}

}  // namespace

std::optional<Seconds> time_left(const std::vector<Cell>& cells, unsigned at_once) {
    const Means means(cells);
    if (means.all.runs == 0) {
        return std::nullopt;
    }
    Seconds guests{0};
    Seconds host{0};
    for (const auto& cell : cells) {
        (cell.on_host() ? host : guests) += means.of(cell) * static_cast<double>(missing_of(cell));
    }
    return host + guests / std::max(at_once, 1U);
}

std::string rough(Seconds time) {
    constexpr double minute = 60;
    constexpr double hour = 3600;
    constexpr double few = 1.5;  // of a unit the next smaller one tells more
    const double seconds = time.count();
    return seconds >= few * hour     ? fmt::format("{:.1f} h", seconds / hour)
           : seconds >= few * minute ? fmt::format("{:.0f} min", seconds / minute)
                                     : fmt::format("{:.0f} s", seconds);
}

std::string progress_of(const std::vector<Cell>& cells, unsigned at_once) {
    const auto counts = counts_of(cells);
    const auto left = time_left(cells, at_once);
    return fmt::format("{} of {} done{}", counts.done, verdict::counted(counts.wanted, "run"),
                       left && left->count() > 0 ? fmt::format(", about {} left", rough(*left)) : "");
}

std::string announcement_of(const std::vector<Cell>& cells, unsigned at_once) {
    const auto counts = counts_of(cells);
    std::string text =
        fmt::format("{}, {}, {} of them done already; at once: {}", verdict::counted(cells.size(), "cell"),
                    verdict::counted(counts.wanted, "run"), counts.done, at_once);
    if (counts.done == counts.wanted) {
        return text;
    }
    const auto left = time_left(cells, at_once);
    if (!left) {
        return text + "; how long that takes the first runs will tell";
    }
    return text + fmt::format("; about {}, as the runs that are here took {} on average", rough(*left),
                              rough(Means(cells).all.value()));
}

}  // namespace reflux::run
