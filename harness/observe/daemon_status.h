// What refluxd says of itself on its control socket. A daemon that does not answer in time is an observation
// and never an error: it comes back as answered = false, with the reason.
#pragma once

#include "backend/base/units.h"
#include "harness/evidence/evidence.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::observe {

struct DaemonThread {
    int tid = 0;
    std::string name;
    std::string role;         // "io" | "front_end" | "control"
    std::uint64_t flags = 0;  // PF_* of the kernel
    bool io_flusher = false;
};

struct DaemonReport {
    evidence::DaemonStatus status;
    std::string problem;  // why it did not answer; empty when it did
    int pid = 0;
    std::string engine;
    std::uint64_t completed = 0;  // requests since its start
    std::uint64_t errors = 0;
    std::optional<evidence::DaemonIo> io;  // nullopt: it does not tell of its I/O
    std::vector<DaemonThread> threads;
};

// What is asked: everything, or only what a poll needs (refluxd then reads nothing of /proc, see its help).
enum class Question { status, progress };

// Sends one line to the daemon's control socket and gives the line that it answers, without its newline; at
// most `deadline`, connect included.
Result<std::string> ask_line(const std::string& socket_path, std::string_view line, Seconds deadline);

// Sends the question and reads one line of JSON; at most `deadline` from call to return, connect included.
DaemonReport ask_daemon(const std::string& socket_path, Seconds deadline, double at_s,
                        Question question = Question::status);

// The answer's text; broken JSON or a field of a wrong type is answered = false with the problem named.
// Missing fields keep their defaults, unknown ones are passed over.
DaemonReport parse_daemon_report(std::string_view json, double at_s);

}  // namespace reflux::observe
