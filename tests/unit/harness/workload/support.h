// What the workload's tests share: a temporary folder, a small plan, and ways into the tree by the ledger.
#pragma once

#include "backend/base/child.h"
#include "harness/workload/generator.h"
#include "harness/workload/progress.h"
#include "tests/support/temporary_folder.h"

#include <functional>
#include <string>

namespace reflux::workload::testing {

// In memory where there is such a place: the generator's fsyncs would take most of the time of the tests.
class TemporaryFolder : public test::TemporaryFolder {
  public:
    TemporaryFolder();
};

// Three workers, 24 MiB written, small enough that directories are removed for new ones.
WorkloadPlan small_plan();

// Of names, sizes and bytes below the folder.
std::uint64_t tree_hash(const std::string& folder);

// A file that the ledger has and `wanted` picks.
struct LedgerFile {
    std::string path;  // absolute
    FileSlot* slot = nullptr;
};
LedgerFile find_file(const SharedState& state, const std::string& folder,
                     const std::function<bool(const FileSlot&)>& wanted);
bool present(const FileSlot& slot);
// An fsync covers the file as it is.
bool acknowledged(const FileSlot& slot);

// A generator in a process of its own.
Child start_generator(const SharedState& state, const std::string& folder);
// Until all workers have started and have done `steps` together; a test failure after 20 s.
void wait_for_steps(const SharedState& state, std::uint64_t steps);
// SIGKILL to every worker; then the generator's own end.
ExitStatus kill_workers(const SharedState& state, Child& generator);

}  // namespace reflux::workload::testing
