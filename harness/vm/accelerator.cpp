#include "harness/vm/accelerator.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/vm/initramfs.h"
#include "harness/vm/qemu.h"
#include "harness/vm/tool.h"

#include <array>
#include <filesystem>

#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>

#include <nlohmann/json.hpp>

namespace reflux::vm {
namespace {

constexpr Seconds trial_time{15};
constexpr Seconds look_time{0.1};

std::string record_of(const std::string& cache) {
    return cache + "/accelerator.json";
}

// What the finding depends on: another host kernel or QEMU is tried anew.
Result<std::string> setting() {
    REFLUX_TRY(const auto qemu, find_qemu());
    REFLUX_TRY(const auto version, run_command({qemu, "--version"}, Seconds(10)));
    utsname names{};
    ::uname(&names);
    const auto lines = lines_of(version.output);
    return fmt::format("{} {}; {}", &names.release[0], &names.version[0], lines.empty() ? "" : lines.front());
}

// Empty: the kernel said in time that it runs; else why not.
Result<std::string> try_kvm(const Kernel& kernel) {
    REFLUX_TRY(const auto program, find_qemu());
    REFLUX_TRY(const auto initramfs, make_initramfs(kernel));
    REFLUX_TRY(auto events, make_socket_pair());
    REFLUX_TRY(const auto log, make_memory_file("qemu.log"));
    SpawnOptions options;
    options.inherit = {initramfs.get(), events.theirs.get()};
    options.stdout_fd = options.stderr_fd = log.get();
    REFLUX_TRY(auto qemu, spawn(qemu_arguments({.program = program,
                                                .accelerator = "kvm",
                                                .cpus = 1,
                                                .memory = mebibytes(256),
                                                .image = kernel.image,
                                                .initramfs_fd = initramfs.get(),
                                                .parameters = {"REFLUX_MODE=trial"},
                                                .events_fd = events.theirs.get()}),
                                options));
    events.theirs.reset();
    std::string said;
    std::array<char, 256> chunk{};
    const auto end = std::chrono::steady_clock::now() + trial_time;
    bool open = true;
    bool interrupted = false;
    while (open && !tells_of_boot(said) && !interrupted && std::chrono::steady_clock::now() < end) {
        interrupted = Interruptible::is_asked();
        if (!wait_readable(events.ours.get(), look_time).value_or(false)) {
            continue;
        }
        const auto n = ::read(events.ours.get(), chunk.data(), chunk.size());
        open = n > 0;
        said.append(chunk.data(), open ? static_cast<std::size_t>(n) : 0);
    }
    REFLUX_CHECK(send_signal(qemu, SIGKILL));
    REFLUX_TRY(const auto ended, wait_for(qemu, Seconds(5)));
    static_cast<void>(ended);
    if (interrupted) {
        return fail({.message = "interrupted while a guest was tried", .errnum = EINTR});
    }
    if (tells_of_boot(said)) {
        return std::string();
    }
    if (open) {
        return fmt::format("a guest said nothing in it for {}", to_string(trial_time));
    }
    ::lseek(log.get(), 0, SEEK_SET);
    const auto words = lines_of(read_all(log.get(), "qemu.log").value_or(""));
    return "QEMU cannot use it: " + (words.empty() ? "it said nothing" : words.front());
}

}  // namespace

Result<std::string> find_qemu() {
    if (auto path = find_program("qemu-system-x86_64")) {
        return *path;
    }
    return fail(ErrorKind::unsupported, "no qemu-system-x86_64; install the package qemu-system-x86");
}

bool tells_of_boot(std::string_view said) {
    return said.find("@boot ") != std::string_view::npos;
}

namespace {

Accelerator emulation(const std::string& why) {
    return {.name = "tcg", .why = why};
}

struct Record {
    Accelerator found;
    std::string kernel;  // release that was tried
};

std::optional<Record> read_record(const std::string& cache) {
    const auto now = setting();
    const auto text = read_file(record_of(cache));
    if (!now || !text) {
        return std::nullopt;
    }
    const auto record = nlohmann::json::parse(*text, nullptr, false);
    const auto text_of = [&](const char* key) {
        return record.is_object() && record.contains(key) && record[key].is_string()
                   ? record[key].get<std::string>()
                   : std::string();
    };
    if (text_of("setting") != *now) {
        return std::nullopt;
    }
    return Record{.found = {.name = text_of("name"), .why = text_of("why")}, .kernel = text_of("kernel")};
}

void write_record(const std::string& cache, const Record& record) {
    std::error_code error;
    std::filesystem::create_directories(cache, error);
    const nlohmann::json json{{"setting", setting().value_or("")},
                              {"name", record.found.name},
                              {"why", record.found.why},
                              {"kernel", record.kernel}};
    // A cache that cannot be written costs the next run another trial, no more.
    static_cast<void>(replace_file(record_of(cache), json.dump(1) + "\n"));
}

// Rights to the device may have changed since the last trial.
std::optional<Accelerator> without_device() {
    const auto device = open_file("/dev/kvm", O_RDWR);
    return device ? std::nullopt : std::optional(emulation(device.error().message));
}

}  // namespace

std::optional<Accelerator> known_accelerator(const std::string& cache) {
    if (auto none = without_device()) {
        return none;
    }
    const auto record = read_record(cache);
    return record ? std::optional(record->found) : std::nullopt;
}

Result<Accelerator> find_accelerator(const Kernel& kernel, const std::string& cache) {
    if (auto none = without_device()) {
        return *none;
    }
    // That one kernel did not boot in KVM says nothing of another.
    if (const auto record = read_record(cache);
        record && (record->found.name == "kvm" || record->kernel == kernel.release)) {
        return record->found;
    }
    REFLUX_TRY(const auto trouble, try_kvm(kernel));
    const Record record{.found = trouble.empty()
                                     ? Accelerator{.name = "kvm", .why = "a kernel boots in /dev/kvm"}
                                     : emulation("/dev/kvm opens, but " + trouble),
                        .kernel = kernel.release};
    write_record(cache, record);
    return record.found;
}

}  // namespace reflux::vm
