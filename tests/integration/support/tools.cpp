#include "tests/integration/support/tools.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <chrono>

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>

#include <gtest/gtest.h>

namespace reflux::test {

bool comes_true(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        ::poll(nullptr, 0, 10);
    }
    return true;
}

std::string run_tool(const std::vector<std::string>& argv) {
    const auto result = run_command(argv, Seconds(30));
    EXPECT_TRUE(result && result->exit && result->exit->ok())
        << argv[0] << ": " << (result ? result->output : result.error().message);
    return result ? trimmed(result->output) : "";
}

bool holds_sys_resource() {
    constexpr std::uint64_t cap_sys_resource = std::uint64_t{1} << 24U;
    const auto text = read_file("/proc/self/status").value();
    return (std::stoull(text.substr(text.find("CapEff:") + 7), nullptr, 16) & cap_sys_resource) != 0;
}

bool own_mount_namespace() {
    static const bool own =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return own;
}

void detach_mount(const std::string& path) {
    const auto detached = call_bounded("umount " + path, Seconds(20), [&]() -> Status {
        const int result = ::umount2(path.c_str(), MNT_DETACH);
        // EINVAL: nothing is mounted there
        return result == 0 || errno == EINVAL || errno == ENOENT ? Status{} : Status(fail_errno("umount"));
    });
    EXPECT_TRUE(detached) << detached.error().message;
}

}  // namespace reflux::test
