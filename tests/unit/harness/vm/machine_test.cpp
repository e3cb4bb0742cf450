// What a guest is made of: the archive of its initramfs, and the command line of QEMU.
#include "backend/base/child.h"
#include "harness/vm/accelerator.h"
#include "harness/vm/cpio_archive.h"
#include "harness/vm/initramfs.h"
#include "harness/vm/qemu.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::Contains;

// What busybox, which reads archives of this form, unpacks from it.
std::string unpacked(const test::TemporaryFolder& folder, const std::string& archive,
                     const std::string& command) {
    folder.write("archive", archive);
    const auto result = run_command(
        {"sh", "-c", "cd \"$0\" && busybox cpio -i -d -m < archive 2>/dev/null && " + command, folder.path()},
        Seconds(10));
    return result ? result->output : result.error().message;
}

TEST(CpioArchive, IsReadByAnother) {
    if (!find_program("busybox")) {
        GTEST_SKIP() << "no busybox; install the package busybox-static";
    }
    vm::CpioArchive archive;
    archive.add_directory("bin");
    archive.add_file("bin/tool", "#!/bin/sh\n", true);
    archive.add_file("empty", "");
    archive.add_file("odd", "abc");  // not a multiple of the alignment
    const test::TemporaryFolder folder;
    EXPECT_EQ(unpacked(folder, archive.finish(), "stat -c '%n %a %F %s' bin/tool empty odd && cat odd"),
              "bin/tool 755 regular file 10\nempty 644 regular empty file 0\nodd 644 regular file 3\nabc");
}

TEST(Initramfs, HoldsInitAndBusyboxAndNoModulesForAKernelWithoutThem) {
    if (!find_program("busybox")) {
        GTEST_SKIP() << "no busybox; install the package busybox-static";
    }
    const auto file = vm::make_initramfs({});
    ASSERT_TRUE(file) << file.error().message;
    const auto result = run_command(
        {"sh", "-c", fmt::format("busybox cpio -t < /proc/{}/fd/{} 2>/dev/null", ::getpid(), file->get())},
        Seconds(10));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->output, "bin\nmodules\nbin/busybox\ninit\nmodules/list\n");
}

bool has_pair(const std::vector<std::string>& arguments, const std::string& option,
              const std::string& value) {
    const auto found = std::adjacent_find(
        arguments.begin(), arguments.end(),
        [&](const auto& a, const auto& b) { return a == option && b.find(value) != std::string::npos; });
    return found != arguments.end();
}

// The bytes of init.sh: a line break before each line.
TEST(Accelerator, KnowsAGuestThatBooted) {
    EXPECT_TRUE(vm::tells_of_boot("\n@boot kernel 6.1.0-56-amd64\n"));
    EXPECT_FALSE(vm::tells_of_boot("\n"));
    EXPECT_FALSE(vm::tells_of_boot(""));
}

TEST(QemuArguments, GiveTheHostOnlyForReadingAndEscapeCommas) {
    const auto arguments = vm::qemu_arguments({.program = "qemu",
                                               .cpus = 3,
                                               .memory = mebibytes(768),
                                               .image = "/k",
                                               .initramfs_fd = 7,
                                               .parameters = {"A=b"},
                                               .shared_folder = "/out,1",
                                               .scratch_fd = 8,
                                               .console_fd = 9,
                                               .events_fd = 11,
                                               .control_fd = 10});
    EXPECT_TRUE(
        has_pair(arguments, "-fsdev", "id=host,path=/,security_model=none,multidevs=remap,readonly=on"));
    EXPECT_TRUE(has_pair(arguments, "-fsdev", "id=shared,path=/out,,1,security_model=none"));
    EXPECT_FALSE(
        has_pair(arguments, "-fsdev", "id=shared,path=/out,,1,security_model=none,multidevs=remap,readonly"));
    EXPECT_TRUE(has_pair(arguments, "-chardev", "socket,id=console,fd=9"));
    EXPECT_TRUE(has_pair(arguments, "-chardev", "socket,id=events,fd=11"));
    EXPECT_TRUE(has_pair(arguments, "-initrd", "/proc/self/fd/7"));
    EXPECT_TRUE(has_pair(arguments, "-drive", "file=/proc/self/fd/8,format=raw"));
    EXPECT_TRUE(has_pair(arguments, "-append", "A=b"));
    EXPECT_TRUE(has_pair(arguments, "-smp", "3"));
    EXPECT_TRUE(has_pair(arguments, "-m", "768M"));
    EXPECT_THAT(arguments, Contains("-no-reboot"));
}

TEST(QemuArguments, EmulateWithThreadsOrUseKvm) {
    const auto tcg = vm::qemu_arguments({.program = "qemu", .accelerator = "tcg"});
    EXPECT_TRUE(has_pair(tcg, "-accel", "tcg,thread=multi"));
    EXPECT_TRUE(has_pair(tcg, "-append", "mitigations=off"));
    const auto kvm = vm::qemu_arguments({.program = "qemu", .accelerator = "kvm"});
    EXPECT_TRUE(has_pair(kvm, "-accel", "kvm"));
    EXPECT_TRUE(has_pair(kvm, "-cpu", "host"));
    EXPECT_FALSE(has_pair(kvm, "-append", "mitigations=off")) << "a guest in KVM runs as its kernel would";
    EXPECT_FALSE(has_pair(kvm, "-fsdev", "")) << "without a shared folder nothing of the host is shown";
}

}  // namespace
}  // namespace reflux
