#include "harness/run/meanwhile.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <signal.h>

namespace reflux::run {
namespace {

constexpr Seconds undo_time{20};
constexpr Seconds kill_time{1};

std::vector<std::string> shell(const std::string& text) {
    return {"sh", "-c", text};
}

}  // namespace

std::string filled_command(std::string text, const stack::Stack& stack, const pressure::Memcg& memcg) {
    const std::array words{std::pair{std::string_view("{upper}"), stack.upper_mount},
                           std::pair{std::string_view("{lower}"), stack.lower_mount},
                           std::pair{std::string_view("{upper_device}"), stack.upper_device.name},
                           std::pair{std::string_view("{lower_device}"), stack.lower_device.name},
                           std::pair{std::string_view("{served_device}"), stack.served_device.name},
                           std::pair{std::string_view("{daemon}"), std::to_string(stack.daemon.pid)},
                           std::pair{std::string_view("{workload_cgroup}"), memcg.workload}};
    for (const auto& [word, value] : words) {
        for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + value.size())) {
            text.replace(at, word.size(), value);
        }
    }
    return text;
}

Meanwhile::Meanwhile(const scenario::Meanwhile& wanted, const stack::Stack& stack,
                     const pressure::Memcg& memcg, std::string log,
                     std::optional<evidence::Meanwhile>& record)
    : wanted_(wanted),
      log_(std::move(log)),
      record_(record),
      ended_s_(std::numeric_limits<double>::lowest()),
      over_(wanted.command.empty()),
      undone_(true) {
    if (over_) {
        return;
    }
    wanted_.command = filled_command(wanted.command, stack, memcg);
    wanted_.undo = filled_command(wanted.undo, stack, memcg);
    options_.cgroup_procs = {memcg.helper_procs};
    record_ = evidence::Meanwhile{.command = wanted_.command};
}

void Meanwhile::take_end(double now_s) {
    const auto exit = round_.pid > 0 ? reap(round_) : Result<std::optional<ExitStatus>>(std::nullopt);
    if (!exit || !*exit) {
        return;
    }
    round_ = {};
    ended_s_ = now_s;
    ++record_->rounds;
    record_->longest_s = std::max(record_->longest_s, now_s - began_s_);
    if (!(*exit)->ok() && record_->failed++ == 0) {
        record_->first_failure = fmt::format("round {}: {}", record_->rounds, to_string(**exit));
    }
}

Status Meanwhile::tick(double now_s) {
    if (over_) {
        return {};
    }
    take_end(now_s);
    if (round_.pid > 0 || now_s - ended_s_ < wanted_.every.count()) {
        return {};
    }
    REFLUX_TRY(const auto log, open_file(log_, O_WRONLY | O_CREAT | O_APPEND, 0644));
    options_.stdout_fd = log.get();
    options_.stderr_fd = log.get();
    began_s_ = now_s;
    undone_ = false;
    REFLUX_TRY(round_, spawn(shell(wanted_.command), options_));
    return {};
}

void Meanwhile::stop(double now_s) {
    if (over_) {
        return;
    }
    over_ = true;
    take_end(now_s);
    if (round_.pid > 0) {
        record_->hanging_s = now_s - began_s_;
    }
}

void Meanwhile::undo() {
    over_ = true;
    if (std::exchange(undone_, true)) {
        return;
    }
    if (round_.pid > 0) {
        ::kill(-round_.pid, SIGKILL);  // a group of its own, sh and what it runs
        if (const auto ended = wait_for(round_, kill_time); !ended || !*ended) {
            record_->undo_failure = fmt::format("pid {} did not end when it was killed", round_.pid);
        }
    }
    options_.stdout_fd = -1;
    options_.stderr_fd = -1;
    if (wanted_.undo.empty()) {
        return;
    }
    const auto done = run_command(shell(wanted_.undo), undo_time, options_);
    auto& failure = record_->undo_failure;
    failure += failure.empty() ? "" : "; ";
    if (!done) {
        failure += done.error().message;
    } else if (!done->exit || !done->exit->ok()) {
        failure +=
            fmt::format("{}: {}{}", wanted_.undo, done->exit ? to_string(*done->exit) : "did not end in time",
                        done->output.empty() ? "" : ": " + trimmed(done->output));
    }
}

}  // namespace reflux::run
