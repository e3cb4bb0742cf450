// The exit status of `reflux`, a contract with scripts.
#pragma once

#include "backend/base/result.h"

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

}  // namespace reflux::run
