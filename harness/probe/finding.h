// The answer to one question about this machine.
#pragma once

#include "backend/base/result.h"

#include <string>

namespace reflux::probe {

struct Finding {
    std::string name;  // what was asked for: "/dev/fuse", "tracefs"
    bool available = false;
    std::string detail;  // what was found, or the reason why it is not available
    std::string hint;    // what to do about it; empty when available
};

// The answer of a question of machine.h: its error is "reason; hint". `found` is the detail when it is ok,
// `hint` the hint when the error has none.
Finding finding_of(std::string name, const Status& answer, std::string found, std::string hint = "");

}  // namespace reflux::probe
