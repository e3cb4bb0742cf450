// `reflux audit` and `reflux exec` where marks can be set: the tests of
// tests/integration/reflux_audit_test.cpp in a guest, whose root has the CAP_SYS_RESOURCE that the hosts of
// these tests often lack. REFLUX_VM_KERNEL names another kernel than 6.1.
#include "tests/integration/support/reflux_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class VmAuditTest : public RefluxTest {};

TEST_F(VmAuditTest, MarksAreSetKeptInheritedAndSeen) {
    const std::string tests =
        REFLUX_BUILD_DIR "/tests/root_reflux_audit_test --gtest_filter=*Audit*:Exec*:Marked*";
    const std::string events = events_in_guest(tests, Seconds(400));
    EXPECT_THAT(events, AllOf(HasSubstr("[       OK ] MarkedTest.ExecBecomesTheProgramMarked"),
                              HasSubstr("[       OK ] MarkedTest.ThreadsFromBeforeTheMarkAreFound"),
                              HasSubstr("[       OK ] AuditRefluxdTest.AMarkedRefluxdPasses"),
                              Not(HasSubstr("FAILED")), Not(HasSubstr("SKIPPED"))));
}

}  // namespace
}  // namespace reflux::test
