#include "harness/run/fault.h"

#include "harness/observe/daemon_status.h"

#include <algorithm>
#include <array>

#include <signal.h>
#include <string.h>

#include <nlohmann/json.hpp>

namespace reflux::run {
namespace {

constexpr Seconds answer_time{5};

constexpr std::array signals{
    SignalFault{.name = "kill", .description = "the daemon is killed by SIGKILL", .inject = SIGKILL},
    SignalFault{.name = "stop",
                .description = "the daemon is stopped by SIGSTOP, and goes on by SIGCONT",
                .inject = SIGSTOP,
                .lift = SIGCONT},
};

const SignalFault* find_signal(const std::string& kind) {
    const auto* found = std::ranges::find(signals, kind, &SignalFault::name);
    return found == signals.end() ? nullptr : found;
}

}  // namespace

std::span<const SignalFault> signal_faults() {
    return signals;
}

FaultInjector::FaultInjector(const scenario::Fault& wanted, const stack::Stack& stack,
                             std::vector<evidence::Fault>& record)
    : wanted_(wanted), stack_(stack), record_(record) {
    if (wanted.kind == "none") {
        state_ = State::over;
        return;
    }
    record.push_back({.name = wanted.kind,
                      .detail = fmt::format("the pressure ended before the workload had written {}",
                                            to_string(wanted.after))});
}

// One line to the control socket; refluxd's own error is one of the scenario's.
Status FaultInjector::ask(std::string_view action) const {
    std::string line = fmt::format("fault {} {}", action, wanted_.kind);
    if (action != "clear" && !wanted_.options.empty()) {
        line += fmt::format(" {}", fmt::join(wanted_.options, " "));
    }
    const auto answer = observe::ask_line(stack_.control_socket, line, answer_time);
    if (!answer) {
        return fail(answer.error().within(line));
    }
    const auto json = nlohmann::json::parse(*answer, nullptr, false);
    if (!json.is_object() || !json.contains("faults")) {
        const bool told = json.is_object() && json.contains("error") && json["error"].is_string();
        return fail(told ? ErrorKind::invalid_input : ErrorKind::system,
                    fmt::format("{}: refluxd: {}", line, told ? json["error"].get<std::string>() : *answer));
    }
    return {};
}

Status FaultInjector::check() const {
    return state_ == State::over || find_signal(wanted_.kind) != nullptr ? Status{} : ask("check");
}

Result<std::string> FaultInjector::inject(double now_s) {
    evidence::Fault& fault = record_.back();
    if (const SignalFault* row = find_signal(wanted_.kind)) {
        REFLUX_CHECK(send_signal(stack_.daemon, row->inject));
        fault.detail =
            fmt::format("SIG{} to refluxd, pid {}", ::sigabbrev_np(row->inject), stack_.daemon.pid);
    } else {
        REFLUX_CHECK(ask("set"));
        fault.detail = fmt::format(
            "refluxd's own, {}",
            wanted_.options.empty() ? "without options" : fmt::format("{}", fmt::join(wanted_.options, " ")));
    }
    fault.at_s = now_s;
    state_ = State::on;
    return fmt::format("{}, {}", fault.name, fault.detail);
}

Result<std::string> FaultInjector::tick(Bytes written, double now_s) {
    if (state_ == State::waiting && written >= wanted_.after) {
        return inject(now_s);
    }
    if (state_ == State::on && wanted_.time > Seconds(0) &&
        now_s - *record_.back().at_s >= wanted_.time.count()) {
        lift(now_s);
        return record_.back().lifted_s ? fmt::format("{} lifted", wanted_.kind) : std::string{};
    }
    return std::string{};
}

void FaultInjector::lift(double now_s) {
    const SignalFault* row = find_signal(wanted_.kind);
    if (state_ != State::on || (row != nullptr && row->lift == 0)) {
        state_ = State::over;
        return;
    }
    // Else it stays on, and is tried again.
    if (row != nullptr ? send_signal(stack_.daemon, row->lift) : ask("clear")) {
        record_.back().lifted_s = now_s;
        state_ = State::over;
    }
}

}  // namespace reflux::run
