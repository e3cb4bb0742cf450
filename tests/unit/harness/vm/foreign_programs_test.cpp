#include "harness/vm/foreign_programs.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ForeignProgramsTest : public ::testing::Test {
  protected:
    // A copy of a program of this machine's, which may want a C library that no machine has yet.
    std::string copy(const std::string& name, bool too_new) {
        const auto path = find_program(name);
        auto text = read_file(path.value_or("no " + name)).value_or("");
        const std::string version = "GLIBC_2.2.5";
        EXPECT_NE(text.find(version), std::string::npos);
        for (auto at = text.find(version); too_new && at != std::string::npos; at = text.find(version)) {
            text.replace(at, version.size(), "GLIBC_9.9.9");
        }
        const std::string made = folder_ / ("usr/bin/" + name);
        std::filesystem::create_directories(folder_ / "usr/bin");
        EXPECT_TRUE(replace_file(made, text));
        std::filesystem::permissions(made, std::filesystem::perms::owner_all);
        return made;
    }

    test::TemporaryFolder folder_;
};

TEST_F(ForeignProgramsTest, ThoseThatAskForANewerLibraryAreFound) {
    copy("echo", false);
    const auto newer = copy("true", true);
    std::filesystem::create_symlink(newer, folder_ / "usr/bin/link");
    folder_.write("usr/bin/script", "#!/bin/sh\n");
    EXPECT_THAT(programs_for_newer_libc(folder_.path()).value_or(std::vector<std::string>{}),
                ElementsAre(newer));
}

TEST_F(ForeignProgramsTest, AProgramRunsWithTheLibraryBeside) {
    const auto program = copy("echo", false);
    const std::string own = "/usr/lib/x86_64-linux-gnu";
    if (!std::filesystem::exists(own + "/ld-linux-x86-64.so.2")) {
        GTEST_SKIP() << "the C library of this machine lies elsewhere";
    }
    std::filesystem::create_directories(folder_ / "libc/usr/lib");
    std::filesystem::create_directory_symlink(own, folder_ / "libc/usr/lib/x86_64-linux-gnu");
    ASSERT_TRUE(run_with_libc({program}, folder_ / "libc", folder_ / "libc"));
    EXPECT_THAT(read_file(program).value_or(""), HasSubstr("#!/bin/sh"));
    const auto ran = run_command({program, "a b", "c"}, Seconds(10));
    ASSERT_TRUE(ran);
    EXPECT_EQ(ran->output, "a b c\n");
}

TEST_F(ForeignProgramsTest, APackageWithoutALoaderIsTold) {
    const auto program = copy("echo", false);
    const auto done = run_with_libc({program}, folder_ / "libc", folder_ / "libc");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(done.error().message, HasSubstr("libc6 has no"));
}

}  // namespace
}  // namespace reflux::vm
