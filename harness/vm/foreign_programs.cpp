#include "harness/vm/foreign_programs.h"

#include "backend/base/kernel_file.h"
#include "backend/base/unique_fd.h"
#include "harness/vm/tool.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux::vm {
namespace {

namespace fs = std::filesystem;

constexpr Seconds look_time{20};
constexpr const char* libraries = "/usr/lib/x86_64-linux-gnu";  // in the package, and on a system of today
constexpr const char* loader = "/ld-linux-x86-64.so.2";

bool is_program(const fs::directory_entry& entry) {
    std::error_code error;
    const auto status = entry.symlink_status(error);
    if (error || !fs::is_regular_file(status) ||
        (status.permissions() & fs::perms::owner_exec) == fs::perms::none) {
        return false;
    }
    const UniqueFd fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4> magic{};
    return ::read(fd.get(), magic.data(), magic.size()) == 4 &&
           std::string_view(magic.data(), magic.size()) ==
               "\x7f"
               "ELF";
}

Result<bool> is_too_new(const std::string& program) {
    REFLUX_TRY(const auto told, try_tool("libc-bin", {"ldd", program}, look_time));
    return told.output.find("version `GLIBC_") != std::string::npos &&
           told.output.find("not found") != std::string::npos;
}

}  // namespace

Result<std::vector<std::string>> programs_for_newer_libc(const std::string& tree) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::recursive_directory_iterator at(tree, error), end; !error && at != end; at.increment(error)) {
        if (is_program(*at)) {
            REFLUX_TRY(const bool too_new, is_too_new(at->path().string()));
            if (too_new) {
                found.push_back(at->path().string());
            }
        }
    }
    if (error) {
        return fail_errno("read " + tree, error.value());
    }
    std::sort(found.begin(), found.end());
    return found;
}

Status run_with_libc(const std::vector<std::string>& programs, const std::string& libc,
                     const std::string& final_libc) {
    std::error_code error;
    if (!fs::exists(libc + libraries + loader, error)) {
        return fail(ErrorKind::unsupported,
                    fmt::format("{} of this kernel's headers is made for a newer C library, and the package "
                                "libc6 has no {}{}",
                                fs::path(programs.front()).filename().string(), libraries, loader));
    }
    const auto folder = final_libc + libraries;
    for (const auto& program : programs) {
        fs::rename(program, program + ".elf", error);
        if (error) {
            return fail_errno("rename " + program, error.value());
        }
        REFLUX_CHECK(replace_file(program, fmt::format("#!/bin/sh\n"
                                                       "exec '{0}{1}' --argv0 \"$0\" --library-path "
                                                       "'{0}':/lib/x86_64-linux-gnu:{2} \"$0.elf\" \"$@\"\n",
                                                       folder, loader, libraries)));
        if (::chmod(program.c_str(), 0755) != 0) {
            return fail_errno("chmod " + program);
        }
    }
    return {};
}

}  // namespace reflux::vm
