#include "tests/integration/support/frozen_filesystem.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <array>
#include <csignal>

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <gtest/gtest.h>

namespace reflux::test {
namespace {

constexpr Seconds patience(20);
constexpr Seconds longest_freeze(60);

// In the holder. Whatever fails after the freeze, it thaws.
Status hold_frozen(const std::string& mount_point, int hold, int answers) {
    // Nobody who ends the test may end this, and nobody may be left to read its answers.
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
        ::signal(number, SIG_IGN);
    }
    REFLUX_TRY(const auto fd, open_file(mount_point, O_RDONLY | O_DIRECTORY));
    if (::ioctl(fd.get(), FIFREEZE, 0) != 0) {
        return fail_errno("FIFREEZE " + mount_point);
    }
    const auto told = write_all(answers, "f", "pipe");
    const auto let_go = wait_readable(hold, told ? longest_freeze : Seconds(0));
    if (::ioctl(fd.get(), FITHAW, 0) != 0) {
        return fail_errno("FITHAW " + mount_point);
    }
    return let_go && *let_go ? write_all(answers, "t", "pipe")
                             : fail(ErrorKind::timed_out, mount_point + " was frozen for too long");
}

Status expect_letter(int fd, char wanted, const std::string& what) {
    REFLUX_TRY(const bool readable, wait_readable(fd, patience));
    char letter = 0;
    if (!readable || ::read(fd, &letter, 1) != 1 || letter != wanted) {
        return fail(ErrorKind::system, what);
    }
    return {};
}

}  // namespace

Result<FrozenFilesystem> FrozenFilesystem::freeze(const std::string& mount_point) {
    std::array<int, 2> hold{};
    std::array<int, 2> answers{};
    if (::pipe2(hold.data(), O_CLOEXEC) != 0) {
        return fail_errno("pipe2");
    }
    const UniqueFd hold_read(hold[0]);
    UniqueFd hold_write(hold[1]);
    if (::pipe2(answers.data(), O_CLOEXEC) != 0) {
        return fail_errno("pipe2");
    }
    UniqueFd answers_read(answers[0]);
    UniqueFd answers_write(answers[1]);
    REFLUX_TRY(auto starter, fork_call(
                                 [&]() -> Status {
                                     const pid_t holder = ::fork();
                                     if (holder < 0) {
                                         return fail_errno("fork");
                                     }
                                     // Without its parent the holder is nobody's child that would be killed
                                     // with the test.
                                     return holder > 0 ? Status{}
                                                       : hold_frozen(mount_point, hold[0], answers[1]);
                                 },
                                 {.inherit = {hold[0], answers[1]}}));
    answers_write.reset();
    FrozenFilesystem frozen(std::move(hold_write), std::move(answers_read));
    REFLUX_TRY(const auto started, wait_for(starter, patience));
    if (!started || !started->ok()) {
        return fail(ErrorKind::system, "the holder of the freeze was not started");
    }
    REFLUX_CHECK(expect_letter(frozen.answers_.get(), 'f', mount_point + " was not frozen"));
    return frozen;
}

FrozenFilesystem::~FrozenFilesystem() {
    const auto thawed = thaw();
    EXPECT_TRUE(thawed) << thawed.error().message;
}

Status FrozenFilesystem::thaw() {
    if (!hold_) {
        return {};
    }
    hold_.reset();
    return expect_letter(answers_.get(), 't', "it was not thawed, or was before its time");
}

}  // namespace reflux::test
