#include "tests/integration/support/reflux_run.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

namespace reflux::test {

nlohmann::json Ran::verdict() const {
    const auto parsed = nlohmann::json::parse(output, nullptr, false);
    return parsed.is_array() && parsed.size() == 1 ? parsed[0] : nlohmann::json();
}

std::string text_of(const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

nlohmann::json evidence_of(const nlohmann::json& verdict) {
    return nlohmann::json::parse(read_file(text_of(verdict["run_dir"]) + "/evidence.json").value());
}

std::string vm_kernel() {
    const char* named = std::getenv("REFLUX_VM_KERNEL");
    return named != nullptr ? named : "6.1";
}

Ran run_shell(const std::string& script, Seconds time) {
    const TemporaryFolder folder;
    ::setenv("REFLUX", REFLUX_BUILD_DIR "/reflux", 1);
    const auto out = open_file(folder / "out", O_WRONLY | O_CREAT);
    const auto err = open_file(folder / "err", O_WRONLY | O_CREAT);
    Ran ran;
    if (!out || !err) {
        return ran;
    }
    auto child = spawn({"sh", "-c", script}, {.stdout_fd = out->get(), .stderr_fd = err->get()});
    if (child) {
        const auto exit = wait_for(*child, time);
        if (exit && *exit) {
            ran.code = (*exit)->signal != 0 ? 128 + (*exit)->signal : (*exit)->code;
        } else {
            static_cast<void>(send_signal(*child, SIGTERM));
            static_cast<void>(wait_for(*child, Seconds(60)));
        }
    }
    ran.output = read_file(folder / "out").value_or("");
    ran.errors = read_file(folder / "err").value_or("");
    return ran;
}

Ran run_reflux(const std::string& arguments, Seconds time) {
    return run_shell("exec \"$REFLUX\" " + arguments, time);
}

void RefluxTest::SetUp() {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "not root: mounts and memory cgroups need it";
    }
    if (::access("/dev/fuse", R_OK | W_OK) != 0) {
        GTEST_SKIP() << "no /dev/fuse on this machine";
    }
    before_ = take_inventory();
}

void RefluxTest::TearDown() {
    if (!IsSkipped()) {
        EXPECT_EQ(left_behind(before_), "");
    }
    if (HasFailure() && std::filesystem::exists(out())) {
        keep_run_folders();
    }
}

std::string RefluxTest::events_in_guest(const std::string& command, Seconds time,
                                        const std::string& kernel) const {
    const Ran ran = run_shell(
        fmt::format("exec \"$REFLUX\" run fuse-ext4-own-cgroup --json --out {} --set workload.work=16MiB "
                    "--set 'vm.setup={}' --vm {}",
                    out(), command, kernel),
        time);
    EXPECT_EQ(ran.code, 0) << ran.output << ran.errors;
    const auto folder = text_of(ran.verdict()["run_dir"]);
    return read_file(folder + "/events.txt").value_or("no events.txt in " + folder);
}

void RefluxTest::keep_run_folders() const {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string kept =
        fmt::format(REFLUX_BUILD_DIR "/failed/{}.{}", test->test_suite_name(), test->name());
    std::error_code error;
    std::filesystem::remove_all(kept, error);
    std::filesystem::create_directories(kept, error);
    std::filesystem::copy(out(), kept, std::filesystem::copy_options::recursive, error);
    fmt::print("what it saw is kept in {}{}\n", kept, error ? ", not all of it: " + error.message() : "");
}

std::string RefluxTest::scenario(const std::string& name, const std::string& text) const {
    folder_.write(name + ".toml", text);
    return folder_ / (name + ".toml");
}

}  // namespace reflux::test
