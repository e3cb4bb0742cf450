// What needs rights or a kernel that the hosts of these tests often lack: tests of tests/unit and
// tests/integration in a guest, whose root has CAP_SYS_RESOURCE and may load the prototype kernel module that
// the harness compiles for the guest's kernel; and a run under a mitigation that needs both.
// REFLUX_VM_KERNEL names another kernel than 6.1.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class VmPrivilegedTest : public RefluxTest {};

// One boot for all: before the session of the scenario, in whose guest the module must not be loaded yet.
constexpr const char* tests =
    "cd " REFLUX_BUILD_DIR
    "/tests\n"
    "./unit_backend_io --gtest_filter=*TheThreadIsMarked*:*DiscardsPassThrough*\n"
    "./root_reflux_audit_test --gtest_filter=*Audit*:Exec*:Marked*\n"
    "./root_refluxd_protection_test\n"
    // Where the harness has put the module stands on its own command line in the guest, the next one to come.
    "export REFLUX_RECLAIM_KO=$(grep -o \"/[^ ]*/reflux_reclaim-[0-9a-f]*[.]ko\" "
    "/run/shared/guest-command.sh)\n"
    "./root_reclaim_module_test\n";

TEST_F(VmPrivilegedTest, MarksScopesAndFlagsAreSeenInTheKernelAndLeaveNothing) {
    const Ran ran = run_shell(
        fmt::format("exec \"$REFLUX\" run fuse-ext4-own-cgroup+rwf_nofsreclaim --json --out {} --set "
                    "workload.work=16MiB --set 'vm.setup={}' --vm {}",
                    out(), tests, vm_kernel()),
        Seconds(500));
    const auto verdict = ran.verdict();
    const auto events =
        read_file(text_of(verdict["run_dir"]) + "/events.txt").value_or("no events.txt; " + ran.errors);
    for (const char* name :
         {"LowerCallsTest.TheThreadIsMarkedAroundTheCallAlone", "MarkedTest.ExecBecomesTheProgramMarked",
          "MarkedTest.ThreadsFromBeforeTheMarkAreFound", "AuditRefluxdTest.AMarkedRefluxdPasses",
          "ReclaimModuleTest.TheFlagIsTakenByThoseWhoMay",
          "ReclaimModuleTest.ACallThatSleepsHoldsTheModuleAndIsMarkedTillItsEnd",
          "ReclaimModuleTest.ScopesAreOfTheThreadAndEndWithIt",
          "ReclaimModuleTest.AMaskIsOfTheFileUntilItsHolderCloses",
          "ReclaimModuleTest.TheMaskOfReclaimsShowsEachRemedy"}) {
        EXPECT_THAT(events, testing::ContainsRegex(fmt::format("\\[       OK \\] [A-Za-z/]*{}", name)));
    }
    EXPECT_THAT(events, AllOf(Not(HasSubstr("FAILED")), Not(HasSubstr("SKIPPED"))));
    EXPECT_EQ(text_of(verdict["outcome"]), "completes") << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("ran in the module's NOFS scope, none was refused"));
    EXPECT_TRUE(verdict["leftovers"].empty()) << verdict["leftovers"].dump();
}

}  // namespace
}  // namespace reflux::test
