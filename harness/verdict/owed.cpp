#include "harness/verdict/owed.h"

#include "harness/verdict/wait_nodes.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::ProgressPoint;
using evidence::Request;

namespace {

std::string describe(const Request& request) {
    return fmt::format("request {} ({})", request.id, shape_of(request));
}

// At every look, from the first sample of the tasks (by which a thread's sleep is known) to the call of the
// stall, that was so. Right behind the last completion nothing may wait: what completed was answered, and the
// next is still being made.
bool at_every_look(const Evidence& evidence, bool (*was_so)(const ProgressPoint&)) {
    const auto& stall = *evidence.stall;
    const double begin_s = stall.snapshots.empty() ? stall.last_completion_s : stall.snapshots.front().at_s;
    std::size_t looks = 0;
    for (const ProgressPoint& point : evidence.progress) {
        if (point.at_s <= begin_s || point.at_s > stall.detected_s) {
            continue;
        }
        ++looks;
        if (!was_so(point)) {
            return false;
        }
    }
    return looks > 0;
}

bool is_owed(const ProgressPoint& point) {
    return waiting_of(point).value_or(point.device_in_flight) > 0;
}

// More than what the daemon held, by its own word at that look.
bool is_left(const ProgressPoint& point) {
    const auto waiting = waiting_of(point);
    return waiting && point.daemon_in_flight && *waiting > *point.daemon_in_flight;
}

// A buffered write that io_uring does not do at once is its worker's, behind all others of the file, and so
// is a flush; a read or direct I/O is under way without one.
bool is_workers(const Request& request, const Owed& owed) {
    return owed.buffered && (request.operation == "write" || request.operation == "flush");
}

// It has been killed, and has ended, while another thread of its process cannot: as the first one it stays, a
// zombie.
bool is_dead(int tid, const std::vector<Watched>& tasks) {
    return std::ranges::any_of(tasks, [tid](const Watched& it) {
        return it.last.tid == tid && (it.last.state == 'Z' || it.last.state == 'X');
    });
}

// A thread that has slept, idle, through the whole stall without being woken once takes none of the requests
// that have waited all that time; of a daemon that tells nothing it is known by this, too, that it has none
// in hand.
std::string awake_taker(const std::vector<int>& others, const std::vector<Watched>& tasks) {
    for (const int tid : others) {
        const auto task =
            std::ranges::find_if(tasks, [tid](const Watched& it) { return it.last.tid == tid; });
        if (task == tasks.end()) {
            return fmt::format("daemon thread {} was not sampled, so it might answer", tid);
        }
        if (task->classified.wait != Wait::idle || task->samples < 2 || task->switches > 0) {
            return fmt::format("{} is neither blocked likewise nor asleep throughout, so it might answer",
                               name_of(task->last));
        }
    }
    return "";
}

}  // namespace

Owed owed_requests(const Evidence& evidence) {
    Owed owed;
    owed.answered = evidence.stall->daemon.answered;
    owed.buffered = std::ranges::none_of(evidence.mitigations,
                                         [](const auto& it) { return it.name == "o_direct" && it.applied; });
    if (owed.answered) {
        owed.in_flight = evidence.stall->daemon.in_flight;
    }
    if (const ProgressPoint* point = counters_in_stall(evidence); point != nullptr) {
        owed.waiting = waiting_of(*point);
        owed.by_device = !point->fuse_waiting;
        // What a mapping holds back is not owed by the daemon.
        owed.device_in_flight = point->served_in_flight == 0U ? 0 : point->device_in_flight;
        owed.throughout = at_every_look(evidence, is_owed);
        owed.left_throughout = at_every_look(evidence, is_left);
    }
    return owed;
}

bool leaves_some(const Owed& owed) {
    return !owed.waiting || *owed.waiting > owed.in_flight.size();
}

std::vector<std::string> owed_facts(const Owed& owed) {
    std::vector<std::string> facts;
    if (!owed.in_flight.empty()) {
        facts.push_back(fmt::format("the daemon holds {}", counted(owed.in_flight.size(), "request")));
    }
    if (owed.waiting.value_or(0) > 0) {
        facts.push_back(owed.by_device ? fmt::format("the device below has {} I/O in flight", *owed.waiting)
                                       : fmt::format("the connection counts {} waiting", *owed.waiting));
    }
    if (owed.device_in_flight > 0) {
        facts.push_back(fmt::format("the device has {} I/O in flight", owed.device_in_flight));
    }
    return facts;
}

std::string shape_of(const Request& request) {
    return fmt::format("{} of {} bytes at {}, {:.1f} s old", text_or(request.operation, "I/O"),
                       request.length, request.offset, request.age_s);
}

const Request* request_of(const Owed& owed, int tid) {
    const auto found = std::ranges::find(owed.in_flight, tid, &Request::tid);
    return found == owed.in_flight.end() ? nullptr : &*found;
}

std::optional<int> ring_owner(const evidence::TaskSample& task) {
    constexpr std::string_view prefix = "iou-wrk-";
    int owner = 0;
    const std::string& name = task.name;
    if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), end, owner);
    return parsed.ec == std::errc{} && parsed.ptr == end && owner > 0 ? std::optional(owner) : std::nullopt;
}

const Watched* ring_worker(const Watched& task, const std::vector<int>& blocked,
                           const std::vector<Watched>& tasks) {
    const bool waits = task.samples >= 2 && task.switches == 0 && task.same_stack &&
                       task.classified.wait == Wait::idle &&
                       std::ranges::find(task.last.stack, "io_cqring_wait") != task.last.stack.end();
    const Watched* found = nullptr;
    for (const Watched& it : tasks) {
        if (!waits || ring_owner(it.last) != task.last.tid) {
            continue;
        }
        if (contains(blocked, it.last.tid)) {
            found = &it;
        } else if (it.classified.wait != Wait::idle) {
            return nullptr;  // it may have the request
        }
    }
    return found;
}

std::vector<int> other_takers(const Evidence& evidence, const std::vector<int>& blocked,
                              const std::vector<Watched>& tasks) {
    std::vector<int> others;
    for (const int tid : evidence.daemon_io_tids) {
        if (!contains(blocked, tid) && !is_dead(tid, tasks)) {
            others.push_back(tid);
        }
    }
    if (evidence.daemon_io_tids.empty()) {
        for (const Watched& task : tasks) {
            if (is_daemon(evidence, task.last) && !contains(blocked, task.last.tid) &&
                !is_dead(task.last.tid, tasks)) {
                others.push_back(task.last.tid);
            }
        }
    }
    return others;
}

std::string way_out(const Owed& owed, const std::vector<int>& others, const std::vector<int>& blocked,
                    const std::vector<Watched>& tasks, bool foreign) {
    for (const Request& request : owed.in_flight) {
        if (request.tid != 0 && !contains(blocked, request.tid) && !contains(others, request.tid)) {
            return fmt::format("{} is in the hands of thread {}, which is not blocked likewise",
                               describe(request), request.tid);
        }
    }
    if (others.empty()) {
        return "";
    }
    if (!owed.answered && foreign) {
        return owed.throughout ? awake_taker(others, tasks)
                               : "no request is shown to have waited through the whole stall, so what "
                                 "the daemon's idle threads left is not known";
    }
    if (!owed.answered) {
        return fmt::format("the daemon did not tell which thread holds which request, so {} might answer",
                           thread_list(others));
    }
    for (const int tid : others) {
        const auto task =
            std::ranges::find_if(tasks, [tid](const Watched& it) { return it.last.tid == tid; });
        if (task == tasks.end()) {
            return fmt::format("daemon thread {} was not sampled, so it might answer", tid);
        }
        if (ring_worker(*task, blocked, tasks) != nullptr) {
            continue;
        }
        if (const Request* held = request_of(owed, tid); held != nullptr) {
            return fmt::format("{} holds {} and is not blocked likewise", name_of(task->last),
                               describe(*held));
        }
        if (task->classified.wait != Wait::idle) {
            return fmt::format("{} is neither idle nor blocked likewise, so it might answer",
                               name_of(task->last));
        }
    }
    for (const Request& request : owed.in_flight) {
        const auto holder = std::ranges::find_if(
            tasks, [&](const Watched& it) { return request.tid != 0 && it.last.tid == request.tid; });
        const bool by_ring = holder != tasks.end() && is_workers(request, owed) &&
                             ring_worker(*holder, blocked, tasks) != nullptr;
        if (!by_ring && !contains(blocked, request.tid)) {
            return fmt::format("{} is not in the hands of a blocked thread, and {} idle", describe(request),
                               thread_list(others) + (others.size() == 1 ? " is" : " are"));
        }
    }
    if (owed.in_flight.empty()) {
        return fmt::format("no blocked thread holds a request, and {} could take one", thread_list(others));
    }
    if (!leaves_some(owed)) {
        return "";
    }
    // It may hold all that it takes at a time (refluxd's engine sync over TCMU: one), and the others stay in
    // the ring.
    return owed.left_throughout
               ? awake_taker(others, tasks)
               : fmt::format("{} could take a request: the daemon holds {}, the {} counts {} waiting",
                             thread_list(others), owed.in_flight.size(),
                             owed.by_device ? "device below" : "connection", number_or_unknown(owed.waiting));
}

}  // namespace reflux::verdict
