// The prototype kernel module in a guest: tests/integration/reclaim_module_test.cpp with the module that the
// harness compiles for the guest's kernel, and a run under a mitigation that needs it. REFLUX_VM_KERNEL names
// another kernel than 6.1.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class VmReclaimModuleTest : public RefluxTest {};

// One boot for both: before the session of the scenario, in whose guest the module must not be loaded yet.
TEST_F(VmReclaimModuleTest, EachRemedyIsSeenInTheKernelAndLeavesNothing) {
    // Where the harness has put the module stands on its own command line in the guest, the next one to come.
    const std::string tests =
        "REFLUX_RECLAIM_KO=$(grep -o \"/[^ ]*/reflux_reclaim-[0-9a-f]*[.]ko\" "
        "/run/shared/guest-command.sh) " REFLUX_BUILD_DIR "/tests/root_reclaim_module_test";
    const Ran ran = run_shell(
        fmt::format("exec \"$REFLUX\" run fuse-ext4-own-cgroup+rwf_nofsreclaim --json --out {} --set "
                    "workload.work=16MiB --set 'vm.setup={}' --vm {}",
                    out(), tests, vm_kernel()),
        Seconds(400));
    const auto verdict = ran.verdict();
    const auto events =
        read_file(text_of(verdict["run_dir"]) + "/events.txt").value_or("no events.txt; " + ran.errors);
    for (const char* name :
         {"TheFlagIsTakenByThoseWhoMay", "ACallThatSleepsHoldsTheModuleAndIsMarkedTillItsEnd",
          "ScopesAreOfTheThreadAndEndWithIt", "AMaskIsOfTheFileUntilItsHolderCloses",
          "TheMaskOfReclaimsShowsEachRemedy"}) {
        EXPECT_THAT(events, HasSubstr(fmt::format("[       OK ] ReclaimModuleTest.{}", name)));
    }
    EXPECT_THAT(events, AllOf(Not(HasSubstr("FAILED")), Not(HasSubstr("SKIPPED"))));
    EXPECT_EQ(text_of(verdict["outcome"]), "completes") << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("ran in the module's NOFS scope, none was refused"));
    EXPECT_TRUE(verdict["leftovers"].empty()) << verdict["leftovers"].dump();
}

}  // namespace
}  // namespace reflux::test
