#include "backend/base/kernel_file.h"
#include "harness/vm/kernel_cache.h"
#include "harness/vm/reclaim_module.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/harness/vm/made_kernels.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* release = "6.1.0-56-amd64";

class KernelHeadersTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!have_apt_and_kmod()) {
            GTEST_SKIP() << "no apt or no kmod on this machine";
        }
    }
    Status fetch() {
        made_.publish();
        REFLUX_TRY(const auto archive, DebianArchive::open(cache_.apt_folder(), made_.sources()));
        REFLUX_TRY(const auto complaint, archive.refresh());
        return cache_.fetch_headers(archive, release,
                                    [&](const std::string& what) { told_.push_back(what); });
    }

    MadeArchive made_;
    test::TemporaryFolder folder_;
    KernelCache cache_{folder_.path()};
    std::vector<std::string> told_;
};

TEST_F(KernelHeadersTest, HeadersAreUnpackedFromTheirPackagesAndNoOthers) {
    made_.add(
        "linux-headers-6.1.0-56-amd64", {{"usr/src/linux-headers-6.1.0-56-amd64/.config", "own"}},
        "linux-headers-6.1.0-56-common (= 1.0-1), linux-kbuild-6.1 (>= 0.9), linux-compiler-gcc-12-x86");
    made_.add("linux-headers-6.1.0-56-common",
              {{"usr/src/linux-headers-6.1.0-56-common/Makefile", "common"}});
    made_.add("linux-kbuild-6.1", {{"usr/lib/linux-kbuild-6.1/scripts/mod/modpost", "a script"}}, "libc6");
    const auto fetched = fetch();
    ASSERT_TRUE(fetched) << fetched.error().message;
    const auto headers = cache_.headers_folder(release);
    EXPECT_EQ(read_file(headers + "/usr/src/linux-headers-6.1.0-56-amd64/.config").value_or(""), "own");
    EXPECT_EQ(read_file(headers + "/usr/src/linux-headers-6.1.0-56-common/Makefile").value_or(""), "common");
    EXPECT_EQ(read_file(headers + "/usr/lib/linux-kbuild-6.1/scripts/mod/modpost").value_or(""), "a script");
    EXPECT_THAT(list_directory(folder_ / "headers").value_or(std::vector<std::string>{}),
                ElementsAre(release));
    EXPECT_THAT(told_,
                ElementsAre(HasSubstr("downloading headers of 6.1.0-56-amd64"), HasSubstr("unpacking")));
}

TEST_F(KernelHeadersTest, WithoutThePackagesNothingIsLeft) {
    made_.add("linux-headers-6.1.0-56-amd64", {}, "linux-headers-6.1.0-56-common (= 1.0-1)");
    EXPECT_FALSE(fetch());
    EXPECT_FALSE(std::filesystem::exists(cache_.headers_folder(release)));
}

TEST_F(KernelHeadersTest, AKernelOfTheUsersOwnNeedsItsBuild) {
    const auto module = reclaim_module_for({.name = "./bzImage", .release = "6.6.0-own"}, folder_.path(), {});
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(module.error().message, HasSubstr("no headers of kernel 6.6.0-own"));
}

TEST_F(KernelHeadersTest, WhatMakeSaysIsTold) {
    folder_.write("root/lib/modules/6.6.0-own/build/Makefile",
                  "modules:\n\t@test -s $(M)/reflux_reclaim.c && test -s $(M)/reflux_reclaim.h && test -s "
                  "$(M)/Kbuild && echo sources are there; exit 1\n");
    const auto module = reclaim_module_for({.name = "own", .release = "6.6.0-own", .root = folder_ / "root"},
                                           folder_.path(), {});
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(module.error().message, HasSubstr("sources are there"));
}

TEST_F(KernelHeadersTest, ACompiledModuleIsTakenFromTheCache) {
    folder_.write("root/lib/modules/6.6.0-own/build/Makefile",
                  "modules:\n\t@cp $(M)/reflux_reclaim.c $(M)/reflux_reclaim.ko\n");
    const Kernel kernel{.name = "own", .release = "6.6.0-own", .root = folder_ / "root"};
    const auto module = reclaim_module_for(kernel, folder_.path(), {});
    ASSERT_TRUE(module) << module.error().message;
    EXPECT_THAT(read_file(*module).value_or(""), HasSubstr("MODULE_LICENSE(\"GPL\")"));
    std::filesystem::remove_all(folder_ / "root");
    EXPECT_EQ(reclaim_module_for(kernel, folder_.path(), {}).value_or(""), *module);
}

}  // namespace
}  // namespace reflux::vm
