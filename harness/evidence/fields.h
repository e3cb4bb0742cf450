// The keys of evidence.json: every struct lists its fields once; the same list writes and reads. A field's
// name in the file is its name in evidence.h. For json.cpp.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/evidence/incident_fields.h"

namespace reflux::evidence {

template <class Visit, Is<Expectation> T>
void fields(Visit& visit, T& it) {
    visit("outcome", it.outcome);
    visit("recursion", it.recursion);
    visit("status", it.status);
    visit("tried", it.tried);
}

template <class Visit, Is<Limits> T>
void fields(Visit& visit, T& it) {
    visit("stall_window_s", it.stall_window_s);
    visit("time_budget_s", it.time_budget_s);
    visit("memcg_limit_bytes", it.memcg_limit_bytes);
    visit("time_factor", it.time_factor);
    visit("work_bytes", it.work_bytes);
    visit("daemon_limit_bytes", it.daemon_limit_bytes);
}

template <class Visit, Is<Guest> T>
void fields(Visit& visit, T& it) {
    visit("accelerator", it.accelerator);
    visit("kernel", it.kernel);
    visit("boot_s", it.boot_s);
    visit("end", it.end);
    visit("detail", it.detail);
    visit("lost_before", it.lost_before);
}

template <class Visit, Is<Environment> T>
void fields(Visit& visit, T& it) {
    visit("kernel_release", it.kernel_release);
    visit("kernel_version", it.kernel_version);
    visit("machine", it.machine);
    visit("cgroup_version", it.cgroup_version);
    visit("memory_bytes", it.memory_bytes);
    visit("cpus", it.cpus);
}

template <class Visit, Is<Devices> T>
void fields(Visit& visit, T& it) {
    visit("lower_device", it.lower_device);
    visit("upper_device", it.upper_device);
    visit("lower_fs", it.lower_fs);
    visit("upper_fs", it.upper_fs);
    visit("front_end", it.front_end);
    visit("fuse_connection", it.fuse_connection);
    visit("served_device", it.served_device);
    visit("map", it.map);
    visit("daemon", it.daemon);
}

template <class Visit, Is<Mitigation> T>
void fields(Visit& visit, T& it) {
    visit("name", it.name);
    visit("applied", it.applied);
    visit("detail", it.detail);
}

template <class Visit, Is<TaskSample> T>
void fields(Visit& visit, T& it) {
    visit("pid", it.pid);
    visit("tid", it.tid);
    visit("name", it.name);
    visit("role", it.role);
    visit("state", it.state);
    visit("flags", it.flags);
    visit("voluntary_switches", it.voluntary_switches);
    visit("involuntary_switches", it.involuntary_switches);
    visit("cpu_ticks", it.cpu_ticks);
    visit("stack", it.stack);
}

template <class Visit, Is<TaskSnapshot> T>
void fields(Visit& visit, T& it) {
    visit("at_s", it.at_s);
    visit("tasks", it.tasks);
}

template <class Visit, Is<ProgressPoint> T>
void fields(Visit& visit, T& it) {
    visit("at_s", it.at_s);
    visit("workload_steps", it.workload_steps);
    visit("workload_bytes", it.workload_bytes);
    visit("device_completed", it.device_completed);
    visit("device_in_flight", it.device_in_flight);
    visit("daemon_completed", it.daemon_completed);
    visit("daemon_in_flight", it.daemon_in_flight);
    visit("fuse_waiting", it.fuse_waiting);
    visit("served_completed", it.served_completed);
    visit("served_in_flight", it.served_in_flight);
    visit("memcg_usage_bytes", it.memcg_usage_bytes);
    visit("memory_pressure_full_avg10", it.memory_pressure_full_avg10);
    visit("memory_free_bytes", it.memory_free_bytes);
    visit("slab_reclaimable_bytes", it.slab_reclaimable_bytes);
    visit("swap_free_bytes", it.swap_free_bytes);
}

template <class Visit, Is<Request> T>
void fields(Visit& visit, T& it) {
    visit("id", it.id);
    visit("operation", it.operation);
    visit("offset", it.offset);
    visit("length", it.length);
    visit("tid", it.tid);
    visit("age_s", it.age_s);
}

template <class Visit, Is<DaemonStatus> T>
void fields(Visit& visit, T& it) {
    visit("at_s", it.at_s);
    visit("answered", it.answered);
    visit("in_flight", it.in_flight);
}

template <class Visit, Is<TraceEvent> T>
void fields(Visit& visit, T& it) {
    visit("at_s", it.at_s);
    visit("tid", it.tid);
    visit("event", it.event);
    visit("device", it.device);
    visit("detail", it.detail);
}

template <class Visit, Is<ShrinkerCalls> T>
void fields(Visit& visit, T& it) {
    visit("function", it.function);
    visit("superblock", it.superblock);
    visit("side", it.side);
    visit("calls", it.calls);
    visit("pruned", it.pruned);
    visit("total_s", it.total_s);
    visit("ended", it.ended);
}

template <class Visit, Is<TaskWait> T>
void fields(Visit& visit, T& it) {
    visit("begin_s", it.begin_s);
    visit("duration_s", it.duration_s);
    visit("at_most", it.at_most);
    visit("stack", it.stack);
    visit("event", it.event);
    visit("device", it.device);
    visit("superblock", it.superblock);
}

template <class Visit, Is<Reclaim> T>
void fields(Visit& visit, T& it) {
    visit("tid", it.tid);
    visit("kind", it.kind);
    visit("begin_s", it.begin_s);
    visit("end_s", it.end_s);
    visit("gfp_flags", it.gfp_flags);
    visit("reclaimed_pages", it.reclaimed_pages);
    visit("inside", it.inside);
    visit("inside_count", it.inside_count);
    visit("thread", it.thread);
    visit("order", it.order);
    visit("gfp_bits", it.gfp_bits);
    visit("gfp_fs", it.gfp_fs);
    visit("gfp_io", it.gfp_io);
    visit("upper_events", it.upper_events);
    visit("shrinkers", it.shrinkers);
    visit("waits", it.waits);
    visit("wait_count", it.wait_count);
    visit("waited_s", it.waited_s);
}

template <class Visit, Is<ReclaimCount> T>
void fields(Visit& visit, T& it) {
    visit("tid", it.tid);
    visit("gfp_flags", it.gfp_flags);
    visit("count", it.count);
    visit("total_s", it.total_s);
    visit("longest_s", it.longest_s);
    visit("reclaimed_pages", it.reclaimed_pages);
    visit("waited_s", it.waited_s);
}

template <class Visit, Is<TraceOverhead> T>
void fields(Visit& visit, T& it) {
    visit("window_s", it.window_s);
    visit("blocks", it.blocks);
    visit("with_bytes_s", it.with_bytes_s);
    visit("without_bytes_s", it.without_bytes_s);
    visit("ratio", it.ratio);
    visit("ratio_low", it.ratio_low);
    visit("ratio_high", it.ratio_high);
}

template <class Visit, Is<ReclaimScan> T>
void fields(Visit& visit, T& it) {
    visit("batches", it.batches);
    visit("scanned_pages", it.scanned_pages);
    visit("reclaimed_pages", it.reclaimed_pages);
}

template <class Visit, Is<TraceSummary> T>
void fields(Visit& visit, T& it) {
    visit("available", it.available);
    visit("unavailable_reason", it.unavailable_reason);
    visit("events", it.events);
    visit("missing", it.missing);
    visit("lost_events", it.lost_events);
    visit("reclaim_count", it.reclaim_count);
    visit("counts", it.counts);
    visit("slab_shrink_count", it.slab_shrink_count);
    visit("upper_event_count", it.upper_event_count);
    visit("lower_event_count", it.lower_event_count);
    visit("throttle_count", it.throttle_count);
    visit("reclaims", it.reclaims);
    visit("throttles", it.throttles);
    visit("last_events", it.last_events);
    visit("weaker", it.weaker);
    visit("shrinkers", it.shrinkers);
    visit("overhead", it.overhead);
    visit("kinds", it.kinds);
    visit("scan", it.scan);
    visit("late", it.late);
}

template <class Visit, Is<Stall> T>
void fields(Visit& visit, T& it) {
    visit("detected_s", it.detected_s);
    visit("last_completion_s", it.last_completion_s);
    visit("snapshots", it.snapshots);
    visit("daemon", it.daemon);
}

template <class Visit, Is<CompletionRate> T>
void fields(Visit& visit, T& it) {
    visit("over_s", it.over_s);
    visit("ios", it.ios);
    visit("requests", it.requests);
}

template <class Visit, Is<ReliefRung> T>
void fields(Visit& visit, T& it) {
    visit("rung", it.rung);
    visit("begin_s", it.begin_s);
    visit("observed_s", it.observed_s);
    visit("applied", it.applied);
    visit("detail", it.detail);
    visit("completed_before", it.completed_before);
    visit("completed_after", it.completed_after);
    visit("released", it.released);
    visit("after_s", it.after_s);
    visit("freed_tids", it.freed_tids);
    visit("before", it.before);
    visit("during", it.during);
    visit("remains", it.remains);
}

template <class Visit, Is<WorkloadResult> T>
void fields(Visit& visit, T& it) {
    visit("started", it.started);
    visit("finished", it.finished);
    visit("ended", it.ended);
    visit("first_error", it.first_error);
    visit("errors", it.errors);
    visit("steps", it.steps);
    visit("bytes", it.bytes);
    visit("duration_s", it.duration_s);
}

template <class Visit, Is<Verification> T>
void fields(Visit& visit, T& it) {
    visit("done", it.done);
    visit("skipped_reason", it.skipped_reason);
    visit("files_checked", it.files_checked);
    visit("bytes_checked", it.bytes_checked);
    visit("files_wrong", it.files_wrong);
    visit("first_difference", it.first_difference);
    visit("mode", it.mode);
    visit("how", it.how);
}

template <class Visit, Is<DaemonExit> T>
void fields(Visit& visit, T& it) {
    visit("unexpected", it.unexpected);
    visit("at_s", it.at_s);
    visit("code", it.code);
    visit("signal", it.signal);
    visit("oom_killed", it.oom_killed);
    visit("last_words", it.last_words);
}

template <class Visit, Is<Fault> T>
void fields(Visit& visit, T& it) {
    visit("name", it.name);
    visit("detail", it.detail);
    visit("at_s", it.at_s);
    visit("lifted_s", it.lifted_s);
}

template <class Visit, Is<StepLatency> T>
void fields(Visit& visit, T& it) {
    visit("kind", it.kind);
    visit("count", it.count);
    visit("unfinished", it.unfinished);
    visit("p50_s", it.p50_s);
    visit("p99_s", it.p99_s);
    visit("p999_s", it.p999_s);
    visit("longest_s", it.longest_s);
}

template <class Visit, Is<WorkloadCost> T>
void fields(Visit& visit, T& it) {
    visit("worked_s", it.worked_s);
    visit("written_bytes", it.written_bytes);
    visit("read_bytes", it.read_bytes);
    visit("latencies", it.latencies);
}

template <class Visit, Is<ErrorCount> T>
void fields(Visit& visit, T& it) {
    visit("error", it.error);
    visit("count", it.count);
}

template <class Visit, Is<DaemonIo> T>
void fields(Visit& visit, T& it) {
    visit("requests", it.requests);
    visit("short_transfers", it.short_transfers);
    visit("errors", it.errors);
}

template <class Visit, Is<Cost> T>
void fields(Visit& visit, T& it) {
    visit("workload", it.workload);
    visit("daemon", it.daemon);
    visit("oom_kills", it.oom_kills);
    visit("machine_oom_kills", it.machine_oom_kills);
}

template <class Visit, Is<Meanwhile> T>
void fields(Visit& visit, T& it) {
    visit("command", it.command);
    visit("rounds", it.rounds);
    visit("failed", it.failed);
    visit("first_failure", it.first_failure);
    visit("longest_s", it.longest_s);
    visit("hanging_s", it.hanging_s);
    visit("undo_failure", it.undo_failure);
}

template <class Visit, Is<Evidence> T>
void fields(Visit& visit, T& it) {
    visit("schema", it.schema);
    visit("scenario", it.scenario);
    visit("expected", it.expected);
    visit("limits", it.limits);
    visit("environment", it.environment);
    visit("devices", it.devices);
    visit("placement", it.placement);
    visit("engine", it.engine);
    visit("mitigations", it.mitigations);
    visit("unsupported_reason", it.unsupported_reason);
    visit("harness_error", it.harness_error);
    visit("daemon_tids", it.daemon_tids);
    visit("daemon_io_tids", it.daemon_io_tids);
    visit("progress", it.progress);
    visit("stall", it.stall);
    visit("relief", it.relief);
    visit("trace", it.trace);
    visit("workload", it.workload);
    visit("verification", it.verification);
    visit("daemon_exit", it.daemon_exit);
    visit("kernel_log", it.kernel_log);
    visit("leftovers", it.leftovers);
    visit("duration_s", it.duration_s);
    visit("guest", it.guest);
    visit("faults", it.faults);
    visit("cost", it.cost);
    visit("oom_victims", it.oom_victims);
    visit("lock_reports", it.lock_reports);
    visit("allocation_stalls", it.allocation_stalls);
    visit("lockdep", it.lockdep);
    visit("io_cgroups", it.io_cgroups);
    visit("meanwhile", it.meanwhile);
    visit("hog", it.hog);
    visit("daemon_failure", it.daemon_failure);
}

}  // namespace reflux::evidence
