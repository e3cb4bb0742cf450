#include "harness/vm/reclaim_module.h"

#include "backend/base/kernel_file.h"
#include "backend/base/reflux_reclaim.h"
#include "backend/base/scope_exit.h"
#include "harness/vm/kernel_cache.h"
#include "harness/vm/tool.h"

#include <array>
#include <filesystem>

#include <sys/utsname.h>

namespace reflux::vm {

// Of harness/mitigation/kernel and backend/base, in the program: an installed reflux has no source tree.
extern const std::string_view reclaim_module_source;
extern const std::string_view reclaim_module_header;
extern const std::string_view reclaim_module_kbuild;

namespace {

namespace fs = std::filesystem;

constexpr Seconds make_time{180};
constexpr const char* architecture = "-amd64";

// What make is called with for the headers of a kernel.
struct Build {
    std::string source;  // -C
    std::string output;  // O=; empty: the same
};

bool exists(const std::string& path) {
    std::error_code error;
    return fs::exists(path, error);
}

Status make_folder(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    return error ? Status(fail_errno("mkdir " + path, error.value())) : Status{};
}

// The index may be of a time when the archive had other packages.
Status fetch_headers(const KernelCache& store, const std::string& release, const Progress& progress) {
    REFLUX_TRY(const auto sources, host_sources());
    REFLUX_TRY(const auto archive, DebianArchive::open(store.apt_folder(), sources));
    if (auto first = store.fetch_headers(archive, release, progress);
        first || is_interruption(first.error())) {
        return first;
    }
    REFLUX_TRY(const auto complaint, archive.refresh());
    auto fetched = store.fetch_headers(archive, release, progress);
    if (fetched || is_interruption(fetched.error())) {
        return fetched;
    }
    // What may pass (the network, a deadline, a disk) is not said of the kernel.
    return fail(fetched.error().kind == ErrorKind::unsupported ? ErrorKind::unsupported : ErrorKind::system,
                fmt::format("no headers of kernel {} could be had from Debian's archive: {}{}{}", release,
                            fetched.error().message, complaint.empty() ? "" : "; ", complaint));
}

// Of the packages' Makefile that joins these two the paths are of an installed system.
Build unpacked_build(const std::string& headers, const std::string& release) {
    const auto sources = headers + "/usr/src/linux-headers-";
    const auto version = release.substr(0, release.size() - std::string_view(architecture).size());
    return {.source = sources + version + "-common", .output = sources + release};
}

// With the cache locked.
Result<Build> find_build(const Kernel& kernel, const KernelCache& store, const std::string& cache,
                         const Progress& progress) {
    if (!kernel.root.empty()) {
        const auto own = modules_folder(kernel.root, kernel.release) + "/build";
        if (exists(own + "/Makefile")) {
            return Build{.source = own, .output = ""};
        }
    }
    if (!kernel.root.starts_with(cache + "/") || !kernel.release.ends_with(architecture)) {
        return fail(ErrorKind::unsupported,
                    fmt::format("there are no headers of kernel {}: no {}/build; install its linux-headers "
                                "package, or run the build's make modules_install",
                                kernel.release,
                                modules_folder(kernel.root.empty() ? "/" : kernel.root, kernel.release)));
    }
    const auto headers = store.headers_folder(kernel.release);
    if (!exists(headers)) {
        REFLUX_CHECK(fetch_headers(store, kernel.release, progress));
    }
    return unpacked_build(headers, kernel.release);
}

// Options of the kernel's compiler that this machine's has not are left out where that changes no interface;
// kbuild only warns of another compiler. Type information for tracing (BTF) would need pahole.
std::vector<std::string> compiler_settings() {
    std::vector<std::string> settings{"CC=gcc", "CONFIG_DEBUG_INFO_BTF_MODULES="};
    const auto aligned =
        try_tool("gcc", {"gcc", "-fmin-function-alignment=16", "-E", "-x", "c", "/dev/null"}, Seconds(20));
    if (!aligned || !aligned->exit.ok()) {
        settings.emplace_back("CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=");
    }
    return settings;
}

Status write_sources(const std::string& folder) {
    REFLUX_CHECK(make_folder(folder));
    REFLUX_CHECK(replace_file(folder + "/" REFLUX_RECLAIM_MODULE ".c", reclaim_module_source));
    REFLUX_CHECK(replace_file(folder + "/" REFLUX_RECLAIM_MODULE ".h", reclaim_module_header));
    return replace_file(folder + "/Kbuild", reclaim_module_kbuild);
}

Status compile(const Build& build, const std::string& folder, const std::string& release) {
    std::vector<std::string> argv{"make", "-C", build.source, "M=" + folder};
    if (!build.output.empty()) {
        argv.push_back("O=" + build.output);
    }
    for (auto& setting : compiler_settings()) {
        argv.push_back(std::move(setting));
    }
    argv.emplace_back("modules");
    auto made = run_tool("make", argv, make_time);
    if (made) {
        return {};
    }
    if (is_interruption(made.error())) {
        return fail(made.error());
    }
    return fail(
        made.error().kind == ErrorKind::timed_out ? ErrorKind::timed_out : ErrorKind::unsupported,
        fmt::format("the prototype module does not compile for {}: {}", release, made.error().message));
}

// Of everything that decides what is compiled: the sources, and the kernel to the byte where it has an image.
Result<std::string> key_of(const Kernel& kernel, const std::string& folder) {
    std::string image;
    if (!kernel.image.empty()) {
        REFLUX_TRY(image, sha256_of(kernel.image));
    }
    // A kernel of one's own keeps its release when it is built anew.
    const auto own = modules_folder(kernel.root, kernel.release) + "/build";
    for (const char* part : {"/.config", "/Module.symvers"}) {
        if (!kernel.root.empty() && exists(own + part)) {
            REFLUX_TRY(const auto sum, sha256_of(own + part));
            image += sum;
        }
    }
    const auto file = folder + "/key";
    REFLUX_CHECK(
        replace_file(file, fmt::format("{}\n{}\n{}\n{}\n{}\n", kernel.release, image, reclaim_module_source,
                                       reclaim_module_header, reclaim_module_kbuild)));
    REFLUX_TRY(const auto sum, sha256_of(file));
    return sum.substr(0, 16);
}

}  // namespace

Result<std::string> reclaim_module_for(const Kernel& kernel, const std::string& cache,
                                       const Progress& progress) {
    for (const char* tool : {"make", "gcc"}) {
        REFLUX_CHECK(need_tool(tool, tool));
    }
    const KernelCache store(cache);
    REFLUX_TRY(const auto lock, store.lock(progress));
    const auto place = store.modules_folder(kernel.release);
    const auto work = place + "/.build";
    std::error_code ignored;
    fs::remove_all(work, ignored);
    const ScopeExit clean([&] {
        fs::remove_all(work, ignored);
        fs::remove(place, ignored);  // where nothing came of it: a folder that is not empty stays
    });
    REFLUX_CHECK(write_sources(work));
    REFLUX_TRY(const auto key, key_of(kernel, work));
    const auto module = fmt::format("{}/" REFLUX_RECLAIM_MODULE "-{}.ko", place, key);
    if (exists(module)) {
        return module;
    }
    REFLUX_TRY(const auto build, find_build(kernel, store, cache, progress));
    if (progress) {
        progress("compiling the prototype module for " + kernel.release);
    }
    REFLUX_CHECK(compile(build, work, kernel.release));
    std::error_code error;
    fs::rename(work + "/" REFLUX_RECLAIM_MODULE ".ko", module, error);
    if (error) {
        return fail_errno("rename " + module, error.value());
    }
    return module;
}

Result<Kernel> running_kernel() {
    utsname system{};
    if (::uname(&system) != 0) {
        return fail_errno("uname");
    }
    return Kernel{.name = "running", .release = &system.release[0], .root = "/"};
}

}  // namespace reflux::vm
