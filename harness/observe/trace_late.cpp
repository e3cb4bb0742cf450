// The part of a trace instance that follows threads which were born past event-fork (late_threads.h).
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/observe/trace.h"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace reflux::observe {

void TraceInstance::follow_births() {
    std::vector<LateThread> late;
    for (const auto& birth : parser_.take_births()) {
        if (birth.forked) {
            late_.know(birth.tid);
        } else {
            late.push_back({.tid = birth.tid, .name = {}, .born_s = birth.at_s, .followed_s = {}});
        }
    }
    follow_late(std::move(late));
}

void TraceInstance::follow_found(const std::vector<int>& tids) {
    std::vector<LateThread> late;
    for (const int tid : tids) {
        if (!late_.knows(tid)) {
            late.push_back({.tid = tid, .name = {}, .born_s = {}, .followed_s = {}});
        }
    }
    follow_late(std::move(late));
}

// In a child, as stop(): the kernel takes locks for it.
void TraceInstance::follow_late(std::vector<LateThread> threads) {
    if (threads.empty()) {
        return;
    }
    constexpr Seconds longest{2};
    std::vector<int> tids;
    std::ranges::transform(threads, std::back_inserter(tids), &LateThread::tid);
    const auto followed =
        call_bounded("following threads that are new", longest, [&] { return follow(tids); });
    const double now_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count() -
        run_start_s_;
    for (auto& thread : threads) {
        thread.name = trimmed(read_file(fmt::format("/proc/{}/comm", thread.tid)).value_or(""));
        if (followed) {
            thread.followed_s = now_s;
        }
        late_.add(std::move(thread));
    }
    if (!followed) {
        weaker_.push_back(fmt::format("threads {} could not be followed: {}", fmt::join(tids, ", "),
                                      followed.error().message));
    }
}

// By an event that the first reclaim turns on, whoever enters it (arm()).
void TraceInstance::look_for_reclaims() {
    constexpr Seconds longest{2};
    if (!recording_ || machine_reclaimed_.value_or(false)) {
        return;
    }
    std::optional<bool> turned_on;
    if (!armed_.empty()) {
        // The child tells by how it ends: reading takes locks, too.
        const auto told = call_bounded("looking for reclaims", longest, [this]() -> Status {
            REFLUX_TRY(const auto text, read_file(event(armed_.front()) + "/enable"));
            const auto state = was_turned_on(text);
            return state && !*state ? Status{} : Status(fail_errno(text, state ? EALREADY : EINVAL));
        });
        if (told || told.error().errnum == EALREADY) {
            turned_on = !told;
        }
    }
    if (turned_on.value_or(false)) {
        machine_reclaimed_ = true;
    } else if (!turned_on) {
        machine_reclaimed_.reset();
    }
}

}  // namespace reflux::observe
