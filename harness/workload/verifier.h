// The verifier: compares the tree with the ledger. To be run when the generator's processes have ended, after
// the filesystem was unmounted and mounted again (else it reads the page cache).
#pragma once

#include "backend/base/result.h"
#include "harness/workload/progress.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace reflux::workload {

enum class VerifyMode {
    complete,  // after a completed run and a clean unmount: the tree equals the ledger, nothing more, nothing
               // less
    acknowledged,  // after an abort: what an fsync acknowledged and no later change touched is there
};
const char* to_string(VerifyMode mode);
Result<VerifyMode> parse_verify_mode(std::string_view text);

struct VerifyReport {
    std::uint64_t files_checked = 0;
    std::uint64_t bytes_checked = 0;  // read and compared
    std::uint64_t files_wrong = 0;    // missing, short, long, different, unreadable, or there without reason
    std::string first_difference;  // "w00/d000001/f07.0: differs at offset 8192: …"; path below the directory
};

// An error only when the check could not be made at all (the directory cannot be read); an unreadable file is
// wrong, with its errno. In mode complete a file that is in the middle of a change is wrong. Progress and
// report are also stored in state.report().
Result<VerifyReport> verify(const SharedState& state, const std::string& directory, VerifyMode mode);

}  // namespace reflux::workload
