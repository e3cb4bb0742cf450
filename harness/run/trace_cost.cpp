#include "harness/run/trace_cost.h"

#include "harness/observe/progress.h"
#include "harness/run/overhead_meter.h"
#include "harness/run/watcher.h"

#include <array>
#include <csignal>

#include <fcntl.h>

namespace reflux::run {
namespace {

constexpr double window_s = 0.2;
constexpr std::size_t blocks = 4;
constexpr Seconds longest{60};  // far beyond what the blocks take
constexpr Seconds end_time{10};
constexpr std::size_t write_size = 65536;
constexpr std::uint64_t file_size = 16U << 20U;

// Writes until it is killed.
Status write_steadily(const std::string& directory) {
    const UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600));
    if (!file) {
        return fail_errno("open an unnamed file for direct writes in " + directory);
    }
    alignas(4096) static std::array<std::byte, write_size> data{};
    for (std::uint64_t offset = 0;; offset = (offset + write_size) % file_size) {
        if (::pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(offset)) < 0) {
            return fail_errno("pwrite in " + directory);
        }
    }
}

class Measurement {
  public:
    Measurement(const TraceCostPlan& plan, const Child& writer, observe::TraceInstance& trace,
                EventLoop& loop)
        : plan_(plan), writer_(writer), trace_(trace), loop_(loop) {}

    Result<std::optional<evidence::TraceOverhead>> run() {
        REFLUX_TRY(const std::uint64_t base, bytes());
        // The first pass allocates the file's blocks.
        for (std::uint64_t now = base; now < base + file_size;) {
            if (!wait()) {
                return std::nullopt;
            }
            REFLUX_TRY(now, bytes());
        }
        REFLUX_CHECK(begin());
        while (meter_.blocks() < blocks) {
            if (!wait()) {
                return std::nullopt;
            }
            REFLUX_CHECK(trace_.drain());
            REFLUX_TRY(const std::uint64_t now, bytes());
            if (const auto on = meter_.next(monotonic_s(), now)) {
                REFLUX_CHECK(trace_.set_recording(*on));
                REFLUX_CHECK(begin());
            }
        }
        return meter_.result();
    }

  private:
    // False: there is nothing to measure any more.
    bool wait() {
        return loop_.next(Seconds(window_s)) == Event::tick && monotonic_s() - start_s_ < longest.count() &&
               !wait_readable(writer_.pidfd.get(), Seconds(0)).value_or(true);
    }
    [[nodiscard]] Result<std::uint64_t> bytes() const {
        return observe::block_counters("/sys", plan_.device).map([](const auto& all) { return all.bytes; });
    }
    // Counted anew: what was done while the kernel switched events belongs to no window.
    Status begin() {
        REFLUX_TRY(const std::uint64_t now, bytes());
        meter_.begin(monotonic_s(), now);
        return {};
    }

    const TraceCostPlan& plan_;
    const Child& writer_;
    observe::TraceInstance& trace_;
    EventLoop& loop_;
    OverheadMeter meter_{window_s};
    double start_s_ = monotonic_s();
};

}  // namespace

Result<std::optional<evidence::TraceOverhead>> measure_trace_cost(const TraceCostPlan& plan,
                                                                  observe::TraceInstance& trace,
                                                                  EventLoop& loop) {
    SpawnOptions options;
    options.cgroup_procs = {plan.cgroup_procs};
    REFLUX_TRY(Child writer, fork_call([&] { return write_steadily(plan.directory); }, options));
    auto measured = Measurement(plan, writer, trace, loop).run();
    const auto restored = trace.set_recording(true);
    REFLUX_CHECK(send_signal(writer, SIGKILL));
    REFLUX_TRY(const auto ended, wait_for(writer, end_time));
    if (!ended) {
        return fail(ErrorKind::timed_out,
                    "what wrote to measure the cost of the trace did not end when it was killed");
    }
    if (ended->signal != SIGKILL) {
        return fail(
            ErrorKind::system,
            fmt::format("what wrote to measure the cost of the trace ended early: {}", to_string(*ended)));
    }
    REFLUX_CHECK(restored);
    return measured;
}

}  // namespace reflux::run
