// What is done around and with each read and write of the lower file: the remedies that belong to a call and
// not to a thread or a process. All off by default.
//
// A flag and a scope are each one row of a table, by a word that refluxd's command line takes: flags in
// call_options.cpp, scopes in a file each (call_scope.h).
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::io {

struct CallOptions {
    std::vector<std::string> flags;     // words of call_flag_list()
    std::vector<std::string> scopes;    // words of call_scope_list(); entered in this order
    std::uint64_t sync_range = 0;       // bytes: after so many written, writeback of the file; 0: never
    std::uint64_t fdatasync_every = 0;  // writes: after so many, fdatasync; 0: never
    bool mapping_nofs = false;          // the file's page cache without __GFP_FS (scope_device.h)
};

// What became of them.
struct CallState {
    std::uint64_t flagged = 0;         // system calls made with the flags
    std::uint64_t fallbacks = 0;       // of these, done again without RWF_NOWAIT
    std::uint64_t scoped = 0;          // reads and writes done inside of all scopes
    std::uint64_t scope_failures = 0;  // done although a scope could not be entered or left
    std::uint64_t bounded = 0;         // rounds of writeback that sync_range or fdatasync_every made
    std::uint64_t bound_failures = 0;  // of these, failed; the next flush tells that, too
};

struct CallWord {
    std::string_view name;
    std::string_view description;
};

// RWF_* of preadv2(2) and pwritev2(2).
struct CallFlag {
    CallWord word;
    int value = 0;
    // A refusal by EAGAIN or EOPNOTSUPP is answered by the same call without the flag; counted.
    bool falls_back = false;
    bool ring_takes_it = false;  // io_uring refuses what it does not know when a request is prepared
};
const std::vector<CallFlag>& call_flag_list();

struct CallFlags {
    int all = 0;
    int falling_back = 0;  // of these
};
// invalid_input names an unknown word and lists the known ones.
Result<CallFlags> parse_call_flags(const std::vector<std::string>& words);
// One read with `flags`, of one byte. unsupported: kernel or filesystem refuse them; the words are named.
Status try_call_flags(int fd, CallFlags flags, const std::vector<std::string>& words);

// An engine that does not make the calls itself. unsupported names what it cannot do, and who can.
Status check_for_ring(const CallOptions& options);

}  // namespace reflux::io
