// The exit status of `reflux`, a contract with scripts.
#pragma once

#include "backend/base/result.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include <fmt/format.h>

namespace reflux::run {

enum class ExitCode {
    met = 0,             // every run matched its expectation
    differs = 1,         // a verdict differs
    usage = 2,           // wrong command line or invalid scenario
    unsupported = 3,     // this machine cannot run it
    harness_failed = 4,  // the harness failed, or left something behind
};

inline ExitCode exit_code_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid_input:
            return ExitCode::usage;
        case ErrorKind::unsupported:
            return ExitCode::unsupported;
        case ErrorKind::system:
        case ErrorKind::timed_out:
            break;
    }
    return ExitCode::harness_failed;
}

// Says the error on stderr.
inline ExitCode complain(const Error& error) {
    fmt::print(stderr, "reflux: {}\n", error.message);
    return exit_code_of(error.kind);
}

// Of one run, by its verdict.
inline ExitCode exit_code_of(std::string_view outcome, bool met, bool left_behind) {
    if (outcome == "harness_error" || left_behind) {
        return ExitCode::harness_failed;
    }
    if (met) {
        return ExitCode::met;
    }
    return outcome == "unsupported" ? ExitCode::unsupported : ExitCode::differs;
}

// Of two runs: a harness that failed outweighs a verdict that differs, and that one a run that was not made.
inline ExitCode graver(ExitCode a, ExitCode b) {
    constexpr std::array order{ExitCode::met, ExitCode::unsupported, ExitCode::usage, ExitCode::differs,
                               ExitCode::harness_failed};
    return std::find(order.begin(), order.end(), a) > std::find(order.begin(), order.end(), b) ? a : b;
}

}  // namespace reflux::run
