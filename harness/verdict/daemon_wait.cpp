#include "harness/verdict/daemon_wait.h"

#include "harness/verdict/words.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::ReliefRung;
using evidence::TraceEvent;
using Target = DaemonWait::Target;

namespace {

// A task of the upper filesystem, or one that uses it, which itself waits without bound for I/O.
const Watched* upper_task_in_io(const std::vector<Watched>& tasks) {
    const auto found = std::ranges::find_if(tasks, [](const Watched& task) {
        return (task.last.role == "upper" || task.last.role == "workload") && task.stuck() &&
               (is_filesystem_wait(*task.classified.wait) || *task.classified.wait == Wait::fuse_request);
    });
    return found == tasks.end() ? nullptr : &*found;
}

// The abort rung, if it freed this thread after time alone, and every other rung before it, had not.
const ReliefRung* freed_by_abort(const Evidence& evidence, int tid) {
    bool waited = false;
    for (const ReliefRung& rung : evidence.relief) {
        if (rung.rung == "abort") {
            return waited && rung.applied && rung.released && contains(rung.freed_tids, tid) ? &rung
                                                                                             : nullptr;
        }
        if (rung.released || contains(rung.freed_tids, tid)) {
            return nullptr;
        }
        waited = waited || (rung.rung == "wait" && rung.applied);
    }
    return nullptr;
}

DaemonWait by_abort(const Evidence& evidence, const Watched& task, std::string_view why_no_trace) {
    const ReliefRung* abort = freed_by_abort(evidence, task.last.tid);
    if (abort == nullptr) {
        return {.fact = fmt::format("which device it waits for is not known: {}, and no abort of the "
                                    "connection was seen to free it",
                                    why_no_trace)};
    }
    return {.target = Target::served,
            .fact = fmt::format("{} inside {} for {:.1f} s; {}; freed only by aborting the connection, "
                                "{:.1f} s after it",
                                in_wait(*task.classified.wait), to_string(*task.classified.reclaim),
                                task.last_s - task.first_s, why_no_trace, abort->after_s)};
}

// That of a thread whose open reclaim's last event names a device.
DaemonWait by_event(const Evidence& evidence, const Watched& task, const OpenReclaim& open,
                    const std::vector<Watched>& tasks) {
    const TraceEvent& event = *open.last_event;
    const evidence::Devices& devices = evidence.devices;
    const bool is_served = !devices.served_device.empty() && event.device == devices.served_device;
    if (devices.upper_device.empty() || (event.device != devices.upper_device && !is_served)) {
        return {.target = event.device == devices.lower_device ? Target::lower_device : Target::unknown,
                .fact = fmt::format("its last trace event, {}, names device {}, not the upper device {}",
                                    event.event, event.device, text_or(devices.upper_device, "(unknown)"))};
    }
    if (evidence.trace.lost_events > 0) {
        return by_abort(evidence, task, "the trace lost events, so the last one in it may not be its last");
    }
    const Wait wait = *task.classified.wait;
    if (wait == Wait::folio_writeback && !is_writeback_event(event.event)) {
        return {.fact = fmt::format("it waits for folio writeback, but its last trace event is {}, so the "
                                    "folio's device is not known",
                                    event.event)};
    }
    std::string fact = fmt::format(
        "{} inside {} ({}) for {:.1f} s without a context switch; its last trace event, at {:.1f} s, is "
        "{} "
        "of {}{}",
        in_wait(wait), to_string(*task.classified.reclaim), text_or(open.reclaim->gfp_flags, "gfp unknown"),
        task.last_s - task.first_s, event.at_s, event.event, event.device,
        event.detail.empty() ? "" : " (" + event.detail + ")");
    if (wait != Wait::folio_writeback) {
        const Watched* holder = upper_task_in_io(tasks);
        if (holder == nullptr) {
            return {.fact = fmt::format("it waits for {} of the upper device, but no task of the upper "
                                        "filesystem is seen waiting for I/O",
                                        to_string(wait))};
        }
        fact += fmt::format("; {} of the upper filesystem waits for {}", name_of(holder->last),
                            to_string(*holder->classified.wait));
    }
    const bool is_upper = event.device == devices.upper_device;
    return {.target = is_upper ? Target::upper_device : Target::served, .fact = std::move(fact)};
}

}  // namespace

DaemonWait daemon_wait(const Evidence& evidence, const Watched& task, const std::vector<Watched>& tasks) {
    if (!task.stuck()) {
        return {.fact = "not in one unbounded wait (D state, same stack, no context switch)"};
    }
    const Wait wait = *task.classified.wait;
    if (!is_filesystem_wait(wait) || !task.classified.waits_in_reclaim()) {
        return {.fact = fmt::format("waits for {}, not for a filesystem inside a reclaim", to_string(wait))};
    }
    if (!evidence.trace.available) {
        return by_abort(evidence, task,
                        "the trace was not available (" +
                            text_or(evidence.trace.unavailable_reason, "no reason given") + ")");
    }
    const OpenReclaim open = open_reclaim(evidence.trace, task.last.tid);
    if (open.reclaim == nullptr || open.last_event == nullptr || open.last_event->device.empty()) {
        return by_abort(evidence, task,
                        open.reclaim == nullptr ? "the trace shows no reclaim of it that has not ended"
                                                : "the last trace event of its open reclaim names no device");
    }
    return by_event(evidence, task, open, tasks);
}

std::string_view entry_lock(const Watched& task) {
    if (!task.motionless() || (task.classified.wait && *task.classified.wait != Wait::lock)) {
        return "";
    }
    for (const std::string& function : task.last.stack) {
        const Frame* frame = find_frame(function);
        if (frame == nullptr || !frame->generic) {
            return frame != nullptr && frame->region == Region::write_path ? std::string_view(function) : "";
        }
    }
    return "";
}

}  // namespace reflux::verdict
