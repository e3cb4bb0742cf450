// What proc says of a task: stat, stack, status, and the names of kernel threads.
#include "backend/base/task_stat.h"
#include "harness/observe/task_stacks.h"
#include "tests/fuzz/support/seeds.h"
#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

// Every parser gets the whole of the input: none of them may be surprised by what the others read.
bool run(std::string_view input) {
    for (const std::string& frame : observe::parse_task_stack(input)) {
        require(!frame.empty(), "a frame has a name");
        require(frame.find_first_of("+\n ") == std::string::npos, "a frame is a function's name alone");
    }
    observe::parse_context_switches(input);
    const observe::StackMembers members{.upper = {.name = "loop1", .number = "7:1", .filesystem = "btrfs"},
                                        .lower = {.name = "loop0", .number = "7:0", .filesystem = "ext4"},
                                        .daemon_pids = {},
                                        .workload_pids = {}};
    observe::role_of_kernel_thread(input, members);
    return parse_task_stat(input).has_value();
}

}  // namespace

Target make_target() {
    Target target{
        .run = run,
        .words = {"(", ")", ") D ", "[<0>] ", "[<ffffffff81000000>] ", "+0x2b/0x80 [xfs]\n",
                  "0xffffffffffffffff", "voluntary_ctxt_switches:\t", "nonvoluntary_ctxt_switches:\t",
                  "kworker/u8:2+flush-7:1", "jbd2/loop1-8", "btrfs-transaction", "? "}};
    const auto stacks = seed_texts("tests/fixtures/proc", "/stack");
    const auto statuses = seed_texts("tests/fixtures/proc", "/status");
    for (const std::string& stat : seed_texts("tests/fixtures/proc", "/stat")) {
        const std::size_t i = target.seeds.size();
        target.seeds.push_back(stat);
        target.seeds.push_back(statuses[i % statuses.size()] + stacks[i % stacks.size()] + stat);
    }
    return target;
}

}  // namespace reflux::fuzz
