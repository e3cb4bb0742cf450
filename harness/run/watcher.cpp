#include "harness/run/watcher.h"

#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"
#include "backend/base/task_stat.h"
#include "harness/observe/daemon_status.h"
#include "harness/observe/progress.h"
#include "harness/run/trace_cost.h"
#include "harness/verdict/stack.h"
#include "harness/verdict/verdict.h"
#include "harness/workload/results.h"

#include <algorithm>

#include <time.h>

namespace reflux::run {
namespace {

constexpr std::uint64_t trace_buffer_kib = 8192;    // a CPU
constexpr std::size_t trace_text_half = 8U << 20U;  // bytes kept of the beginning and of the end
constexpr Seconds daemon_deadline{0.2};
constexpr Seconds trace_stop_time{10};
constexpr Seconds tick_drain{0.25};
constexpr Seconds trace_end_time{10};  // to read it to its end: some 50 MiB of text a CPU, half a second
constexpr std::size_t most_log_lines = 200;
// Snapshots are taken when nothing has completed for these shares of the stall window.
constexpr double snapshot_interval = 0.25;

// A measurement that could not be made is missing from the evidence, not an end of the run.
template <class T>
std::optional<T> if_known(const Result<T>& result) {
    return result ? std::optional<T>(*result) : std::nullopt;
}

// The device number of the superblock that is mounted there; empty: nothing is.
std::string superblock_at(const std::vector<Mount>& all, const std::string& mount_point) {
    const auto found = std::find_if(all.rbegin(), all.rend(),
                                    [&](const Mount& mount) { return mount.mount_point == mount_point; });
    return found == all.rend() ? std::string() : found->device;
}

}  // namespace

double monotonic_s() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Status Watcher::start() {
    start_s_ = monotonic_s();
    members_.upper = {.name = plan_.stack->upper_device.name,
                      .number = plan_.stack->upper_device.number,
                      .filesystem = evidence_.devices.upper_fs};
    members_.lower = {.name = plan_.stack->lower_device.name,
                      .number = plan_.stack->lower_device.number,
                      .filesystem = evidence_.devices.lower_fs};
    if (plan_.stack->daemon.pid > 0) {
        members_.daemon_pids = observe::process_tree("/proc", plan_.stack->daemon.pid);
    }
    REFLUX_TRY(const auto counters, observe::block_counters("/sys", plan_.stack->upper_device.number));
    device_base_ = counters.completed;
    if (const auto served = observe::block_counters("/sys", plan_.stack->served_device.number)) {
        served_base_ = served->completed;
    }
    oom_kills_before_ = if_known(observe::machine_oom_kills("/proc"));
    evidence_.lockdep = ::access("/proc/sys/kernel/prove_locking", F_OK) == 0;
    REFLUX_TRY(dmesg_, open_file(plan_.folder + "/dmesg.txt", O_WRONLY | O_CREAT | O_APPEND, 0644));
    start_trace();
    tick();
    return {};
}

void Watcher::start_trace() {
    if (plan_.stack->tracefs.empty()) {
        trace_problem_ = "this kernel has no tracefs";
        return;
    }
    if (evidence_.daemon_tids.empty()) {
        trace_problem_ = "there is no daemon to trace";
        return;
    }
    auto probes = observe::define_probes(plan_.stack->tracefs, plan_.trace_probes);
    auto instance =
        observe::TraceInstance::create(plan_.stack->tracefs, plan_.trace_instance, trace_buffer_kib);
    if (!instance) {
        trace_problem_ = instance.error().message;
        return;
    }
    const auto alias = [](const stack::BlockDevice& device) {
        return observe::btrfs_bdi_name("/sys", device.name).value_or("");
    };
    const auto mounted = mounts().value_or(std::vector<Mount>{});
    instance->set_devices({.upper = plan_.stack->upper_device.number,
                           .lower = plan_.stack->lower_device.number,
                           .upper_alias = alias(plan_.stack->upper_device),
                           .lower_alias = alias(plan_.stack->lower_device),
                           .upper_superblock = superblock_at(mounted, plan_.stack->upper_mount),
                           .lower_superblock = superblock_at(mounted, plan_.stack->lower_mount)});
    instance->set_probes(std::move(probes));
    instance->set_run_start(start_s_);
    auto ready = instance->keep_text(plan_.folder + "/trace.txt", trace_text_half);
    if (ready) {
        ready = instance->start(evidence_.daemon_tids, !plan_.memcg->limits.empty());
    }
    if (!ready) {
        trace_problem_ = ready.error().message;
    }
    trace_ = std::move(*instance);
}

Status Watcher::measure_trace(EventLoop& loop) {
    if (!trace_ || !trace_problem_.empty()) {
        return {};
    }
    auto cost = measure_trace_cost({.directory = plan_.stack->upper_mount,
                                    .cgroup_procs = plan_.memcg->workload_procs,
                                    .device = plan_.stack->upper_device.number},
                                   *trace_, loop);
    // The workload is over, and so is what the trace is to show: a failure here takes nothing from it.
    if (!cost) {
        trace_cost_problem_ = cost.error().message;
        return fail(cost.error());
    }
    trace_cost_ = *cost;
    return {};
}

evidence::ProgressPoint Watcher::sample() {
    evidence::ProgressPoint point;
    point.at_s = now_s();
    const auto totals = plan_.workload->totals();
    point.workload_steps = totals.steps;
    point.workload_bytes = totals.bytes_written + totals.bytes_read;
    if (const auto counters = observe::block_counters("/sys", plan_.stack->upper_device.number)) {
        point.device_completed = counters->completed - device_base_;
        point.device_in_flight = counters->in_flight;
    }
    if (!plan_.stack->control_socket.empty()) {
        const auto report = observe::ask_daemon(plan_.stack->control_socket, daemon_deadline, point.at_s,
                                                observe::Question::progress);
        if (report.status.answered) {
            point.daemon_completed = report.completed;
            point.daemon_in_flight = report.status.in_flight.size();
            daemon_io_ = report.io;
        }
    }
    if (plan_.stack->served_device.number != plan_.stack->upper_device.number) {
        if (const auto counters = observe::block_counters("/sys", plan_.stack->served_device.number)) {
            point.served_completed = counters->completed - served_base_;
            point.served_in_flight = counters->in_flight;
        }
    }
    if (!plan_.stack->fusectl.empty() && plan_.stack->fuse_connection) {
        point.fuse_waiting = if_known(
            observe::fuse_waiting(fmt::format("{}/{}", plan_.stack->fusectl, *plan_.stack->fuse_connection)));
    }
    if (const auto memory = observe::machine_memory("/proc")) {
        point.memory_free_bytes = memory->free_bytes;
        point.slab_reclaimable_bytes = memory->slab_reclaimable_bytes;
        point.swap_free_bytes = memory->swap_free_bytes;
    }
    point.memcg_usage_bytes = if_known(observe::memory_usage(plan_.memcg->pressed));
    if (const auto pressure = observe::memory_pressure(plan_.memcg->pressed, "/proc");
        pressure && *pressure) {
        point.memory_pressure_full_avg10 = (*pressure)->full_avg10;
    }
    return point;
}

void Watcher::name_workload() {
    members_.workload_pids = {generator_pid_};
    for (std::uint32_t i = 0; i < plan_.workload->plan().workers; ++i) {
        if (const int pid = plan_.workload->worker(i).pid.load(); pid > 0) {
            members_.workload_pids.push_back(pid);
        }
    }
}

void Watcher::take_snapshot() {
    if (plan_.stack->daemon.pid > 0) {
        members_.daemon_pids = observe::process_tree("/proc", plan_.stack->daemon.pid);  // it may fork
    }
    name_workload();
    if (auto snapshot = observe::sample_stack("/proc", members_, true, now_s())) {
        snapshots_.push_back(std::move(*snapshot));
    }
}

void Watcher::tick() {
    drain(tick_drain);  // first: it takes time, and the last look of a run must be one at its end
    const auto point = sample();
    // One I/O of the device may be hundreds of requests to the daemon: while those complete, it is slow and
    // not stalled.
    const bool daemon_completes = point.daemon_completed && point.daemon_completed != daemon_completed_;
    const bool served_completes = point.served_completed && point.served_completed != last_.served_completed;
    if (evidence_.progress.empty() || point.device_completed != last_.device_completed || daemon_completes ||
        served_completes) {
        last_completion_s_ = point.at_s;
        snapshots_.clear();
        looks_ = 0;
    }
    if (point.daemon_completed) {
        daemon_completed_ = point.daemon_completed;
    }
    if (evidence_.progress.empty() || point.workload_steps != last_.workload_steps) {
        last_step_s_ = point.at_s;
    }
    last_ = point;
    evidence_.progress.push_back(point);
    const double due =
        static_cast<double>(snapshots_.size() + 1) * snapshot_interval * evidence_.limits.stall_window_s;
    if (idle_s() >= due) {
        take_snapshot();
        drain_and_follow(tick_drain);
    }
}

std::vector<int> Watcher::daemon_threads() const {
    std::vector<int> tids;
    for (const int pid : members_.daemon_pids) {
        const auto threads = read_threads(fmt::format("/proc/{}", pid));
        for (const auto& thread : threads ? *threads : std::vector<ThreadStat>{}) {
            tids.push_back(thread.tid);
        }
    }
    return tids;
}

void Watcher::drain_and_follow(Seconds longest) {
    const auto threads = daemon_threads();  // before the read, which tells of those that are born
    drain(longest);
    if (trace_) {
        trace_->follow_found(threads);
    }
}

// In a slow guest the daemon's threads make events faster than their text can be read, and who reads all of
// it does not look at anything else. What is overwritten meanwhile is counted.
void Watcher::drain(Seconds longest) {
    const double end = monotonic_s() + longest.count();
    while (drain_trace() && monotonic_s() < end) {
    }
    drain_kernel_log();
}

bool Watcher::drain_trace() {
    if (!trace_) {
        return false;
    }
    const auto drained = trace_->drain();
    if (!drained) {
        trace_problem_ = drained.error().message;
    }
    return drained.value_or(0) > 0;
}

void Watcher::drain_kernel_log() {
    const auto records = kernel_log_.drain();
    for (const auto& record : records ? *records : std::vector<observe::KernelLogRecord>{}) {
        const auto line = fmt::format("[{:.6f}] {}", record.time_s, record.text);
        if (dmesg_) {
            static_cast<void>(write_all(dmesg_.get(), line + "\n", "dmesg.txt"));
        }
        if (record.from_kernel && !evidence_.stall && observe::speaks_of_trouble(record.text) &&
            evidence_.kernel_log.size() < most_log_lines) {
            evidence_.kernel_log.push_back(line);
        }
        if (record.from_kernel) {
            // The log's clock differs from ours by milliseconds.
            incidents_.take(record.text, record.time_s - start_s_);
        }
    }
    keep_incidents();
}

// What relief does is no matter of the stack's, but what becomes of a victim is.
void Watcher::keep_incidents() {
    if (!evidence_.stall) {
        evidence_.lock_reports = incidents_.lock_reports();
        evidence_.allocation_stalls = incidents_.allocation_stalls();
    }
    if (!incidents_.victims().empty()) {
        name_workload();
        victims_.look(incidents_.victims(), members_, now_s(), evidence_.oom_victims);
    }
}

bool Watcher::stalled() const {
    const double window = evidence_.limits.stall_window_s;
    const bool has_work = last_.device_in_flight > 0 || now_s() - last_step_s_ >= window;
    return idle_s() >= window && has_work && snapshots_.size() >= 2;
}

void Watcher::keep_stall() {
    take_snapshot();
    evidence::Stall stall;
    stall.detected_s = now_s();
    stall.last_completion_s = last_completion_s_;
    stall.snapshots = snapshots_;
    if (!plan_.stack->control_socket.empty()) {
        stall.daemon =
            observe::ask_daemon(plan_.stack->control_socket, Seconds(1), now_s(), observe::Question::progress)
                .status;
    }
    evidence_.stall = std::move(stall);
    // What the relief ladder does next ends the reclaims that hang now, and fails the I/O that waits; and the
    // last event of a thread is what it waits for only where none is unread.
    drain_and_follow(trace_end_time);
    if (trace_) {
        trace_->look_for_reclaims();
        keep_trace();
    }
}

bool Watcher::settle_stall() {
    constexpr double look_again = 0.25;  // of the window
    const double window = evidence_.limits.stall_window_s;
    if (idle_s() < window * (1 + look_again * looks_)) {
        return false;
    }
    ++looks_;
    keep_stall();
    if (idle_s() >= 2 * window || now_s() > evidence_.limits.time_budget_s ||
        verdict::judge(evidence_).outcome != verdict::Outcome::inconclusive) {
        return true;
    }
    evidence_.stall.reset();
    return false;
}

void Watcher::keep_trace() {
    evidence_.trace = trace_->summary();
    evidence_.trace.overhead = trace_cost_;
    if (!trace_cost_problem_.empty()) {
        evidence_.trace.weaker.push_back("what the trace costs was not measured: " + trace_cost_problem_);
    }
}

void Watcher::keep_cost() {
    const auto now_ns = static_cast<std::uint64_t>(monotonic_s() * 1e9);
    const std::string& pressed = plan_.memcg->pressed;
    const auto machine = if_known(observe::machine_oom_kills("/proc"));
    evidence::Cost cost;
    cost.workload = workload::workload_cost(*plan_.workload, now_ns);
    cost.daemon = daemon_io_;
    // The cgroups are the run's own: they began at 0.
    cost.oom_kills = if_known(observe::cgroup_oom_kills(pressed.substr(0, pressed.rfind('/'))));
    if (machine && oom_kills_before_) {
        cost.machine_oom_kills = *machine - *oom_kills_before_;
    }
    evidence_.cost = std::move(cost);
}

std::map<int, std::uint64_t> Watcher::blocked_daemon_threads() const {
    std::map<int, std::uint64_t> blocked;
    for (const int pid : members_.daemon_pids) {
        const auto tasks = observe::sample_process("/proc", pid, "daemon", false);
        for (const auto& task : tasks ? *tasks : std::vector<evidence::TaskSample>{}) {
            if (task.state == 'D') {
                blocked[task.tid] = task.voluntary_switches + task.involuntary_switches;
            }
        }
    }
    return blocked;
}

std::string Watcher::state() const {
    std::string text =
        fmt::format("{} by the workload, {} I/Os done, {} in flight", human(Bytes{last_.workload_bytes}),
                    last_.device_completed, last_.device_in_flight);
    if (snapshots_.empty()) {
        return text;
    }
    text += fmt::format("; nothing for {:.1f} s", idle_s());
    for (const auto& task : snapshots_.back().tasks) {
        if (task.role == "daemon" && task.state == 'D') {
            const auto wait = verdict::classify_stack(task.stack).wait;
            text += fmt::format("; {} ({}) waits: {}", task.name, task.tid,
                                wait ? verdict::to_string(*wait) : "unknown");
        }
    }
    return text;
}

void Watcher::end_trace() {
    drain_and_follow(tick_drain);
    const auto stopped = trace_->stop(trace_stop_time);
    const double end = monotonic_s() + trace_end_time.count();
    bool more = true;
    while (more && monotonic_s() < end) {
        more = drain_trace();
    }
    if (!evidence_.stall) {
        keep_trace();
    }
    const auto closed = trace_->close();
    if (!stopped) {
        trace_problem_ = stopped.error().message;
    } else if (!closed) {
        trace_problem_ = closed.error().message;
    }
    trace_.reset();
}

void Watcher::finish() {
    if (trace_) {
        end_trace();
    }
    drain_kernel_log();
    // What went wrong after a stall was kept is the teardown's matter and takes nothing from the proof.
    if (!trace_problem_.empty() && !(evidence_.stall && evidence_.trace.available)) {
        evidence_.trace.available = false;
        evidence_.trace.unavailable_reason = trace_problem_;
    }
}

}  // namespace reflux::run
