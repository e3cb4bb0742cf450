#include "harness/vm/kernel_cache.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/scope_exit.h"
#include "harness/vm/foreign_programs.h"
#include "harness/vm/tool.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <sys/file.h>

#include <nlohmann/json.hpp>

namespace reflux::vm {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr Seconds lock_time{900};
constexpr Seconds unpack_time{300};
constexpr Seconds sync_time{300};
constexpr const char* record_name = "/packages.json";

Status outcome_of(const std::error_code& error, const std::string& what) {
    if (error) {
        return fail_errno(what, error.value());
    }
    return {};
}

Status make_folders(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    return outcome_of(error, "mkdir " + path);
}

Status remove_tree(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    return outcome_of(error, "remove " + path);
}

Status move(const std::string& from, const std::string& to) {
    std::error_code error;
    fs::rename(from, to, error);
    return outcome_of(error, fmt::format("rename {} to {}", from, to));
}

Status not_empty(const std::string& path) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    REFLUX_CHECK(outcome_of(error, path));
    if (size == 0) {
        return fail(ErrorKind::system, path + " is empty");
    }
    return {};
}

std::string dependencies_of(const std::string& root, const std::string& release) {
    return modules_folder(root, release) + "/modules.dep";
}

Status write_record(const std::string& made, const std::string& release,
                    const std::vector<DebianPackage>& packages) {
    const auto image = made + "/vmlinuz";
    std::error_code error;
    const auto size = fs::file_size(image, error);
    if (error) {
        return fail_errno(image, error.value());
    }
    REFLUX_TRY(const auto sum, sha256_of(image));
    Json record{
        {"release", release}, {"image", {{"size", size}, {"sha256", sum}}}, {"packages", Json::array()}};
    for (const auto& package : packages) {
        record["packages"].push_back({{"name", package.name},
                                      {"version", package.version},
                                      {"size", package.size.value},
                                      {"sha256", package.sha256}});
    }
    return replace_file(made + record_name, record.dump(2) + "\n");
}

// The image of a kernel in the cache, as its record describes it.
Status check_image(const std::string& folder) {
    REFLUX_TRY(const auto text, read_file(folder + record_name));
    const auto record = Json::parse(text, nullptr, false);
    DebianPackage image{.name = "vmlinuz"};
    try {
        image.size = {record.at("image").at("size").get<std::uint64_t>()};
        image.sha256 = record.at("image").at("sha256").get<std::string>();
    } catch (const Json::exception& broken) {
        return fail(ErrorKind::system, fmt::format("{}{}: {}", folder, record_name, broken.what()));
    }
    return check_package(image, folder + "/vmlinuz");
}

// The machine may hang, that is what this program is for: what has its final name is on the disk before.
Status sync_disk_of(const std::string& folder) {
    return call_bounded("syncfs " + folder, sync_time, [&]() -> Status {
        REFLUX_TRY(const auto fd, open_file(folder, O_RDONLY | O_DIRECTORY));
        return ::syncfs(fd.get()) == 0 ? Status{} : fail_errno("syncfs " + folder);
    });
}

Status unpack(const std::vector<std::string>& debs, const std::string& tree) {
    for (const auto& deb : debs) {
        REFLUX_CHECK(run_tool("dpkg", {"dpkg-deb", "-x", deb, tree}, unpack_time));
    }
    return {};
}

Status make_dependencies(const std::string& root, const std::string& release) {
    REFLUX_TRY(const auto output, run_tool("kmod", {"depmod", "-b", root, release}, unpack_time));
    // A depmod that cannot read the modules' compression says so and succeeds, with no dependencies found.
    for (const auto& line : lines_of(output)) {
        if (line.starts_with("depmod: ERROR")) {
            return fail(ErrorKind::unsupported,
                        fmt::format("{}; install a kmod that reads the modules of {}", line, release));
        }
    }
    return not_empty(dependencies_of(root, release));
}

}  // namespace

std::string first_existing(const std::vector<std::string>& paths) {
    const auto found = std::find_if(paths.begin(), paths.end(), [](const auto& path) {
        std::error_code error;
        return fs::exists(path, error);
    });
    return found != paths.end() ? *found : "";
}

std::string modules_folder(const std::string& root, const std::string& release) {
    return (fs::path(root) / "lib/modules" / release).string();
}

Status arrange_kernel(const std::string& tree, const std::string& release, const std::string& made) {
    const auto modules = first_existing({fmt::format("{}/usr/lib/modules/{}", tree, release),
                                         fmt::format("{}/lib/modules/{}", tree, release)});
    const auto image =
        first_existing({fmt::format("{}/boot/vmlinuz-{}", tree, release), modules + "/vmlinuz"});
    if (modules.empty() || image.empty()) {
        return fail(ErrorKind::system, fmt::format("the packages of {} hold no {}", release,
                                                   modules.empty() ? "modules" : "vmlinuz"));
    }
    REFLUX_CHECK(make_folders(made + "/lib/modules"));
    REFLUX_CHECK(move(image, made + "/vmlinuz"));
    const auto config =
        first_existing({fmt::format("{}/boot/config-{}", tree, release), modules + "/config"});
    if (!config.empty()) {
        REFLUX_CHECK(move(config, made + "/config"));
    }
    return move(modules, modules_folder(made, release));
}

std::vector<std::string> KernelCache::releases() const {
    auto names = list_directory(kernels_folder()).value_or(std::vector<std::string>{});
    std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
    std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return older(b, a); });
    return names;
}

Result<Kernel> KernelCache::checked(const std::string& release) const {
    const auto folder = kernels_folder() + "/" + release;
    REFLUX_CHECK(check_image(folder));
    REFLUX_CHECK(not_empty(dependencies_of(folder, release)));
    return Kernel{.name = release,
                  .release = release,
                  .image = folder + "/vmlinuz",
                  .root = folder,
                  .config = first_existing({folder + "/config"})};
}

Result<UniqueFd> KernelCache::lock(const Progress& progress) const {
    REFLUX_CHECK(make_folders(folder_));
    const auto path = folder_ + "/lock";
    REFLUX_TRY(auto fd, open_file(path, O_RDWR | O_CREAT, 0644));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
        return fd;
    }
    if (errno != EWOULDBLOCK) {
        return fail_errno("flock " + path);
    }
    if (progress) {
        progress("waiting for another reflux that fetches a kernel");
    }
    // flock(2) would wait over all that a person may want meanwhile.
    constexpr std::chrono::milliseconds look_time{50};
    const auto end = std::chrono::steady_clock::now() + lock_time;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return fail_errno("flock " + path);
        }
        if (Interruptible::is_asked()) {
            return fail({.message = "interrupted while another reflux fetches a kernel", .errnum = EINTR});
        }
        if (std::chrono::steady_clock::now() >= end) {
            return fail(ErrorKind::timed_out,
                        fmt::format("flock {} did not end within {}", path, to_string(lock_time)));
        }
        std::this_thread::sleep_for(look_time);
    }
    return fd;
}

Status KernelCache::put_in_place(const std::string& made, const std::string& place,
                                 const std::string& work) const {
    REFLUX_CHECK(sync_disk_of(made));
    std::error_code error;
    if (fs::exists(place, error)) {
        REFLUX_CHECK(move(place, work + "/damaged"));
    }
    return move(made, place);
}

Status KernelCache::bring(const DebianArchive& archive, const std::vector<DebianPackage>& packages,
                          const std::string& what, const std::string& work, const std::string& tree,
                          const Progress& progress) const {
    REFLUX_CHECK(make_folders(work));
    REFLUX_CHECK(make_folders(tree));
    const auto tell = [&](const std::string& text) {
        if (progress) {
            progress(text);
        }
    };
    Bytes size{};
    Bytes unpacked{};
    for (const auto& package : packages) {
        size += package.size;
        unpacked += package.installed;
    }
    REFLUX_CHECK(need_space(folder_, size + unpacked, what));
    tell(fmt::format("downloading {} ({})", what, human(size)));
    REFLUX_TRY(const auto debs, archive.download(packages, work));
    tell(fmt::format("unpacking {}", what));
    return unpack(debs, tree);
}

Result<Kernel> KernelCache::fetch(const DebianArchive& archive, const std::string& release,
                                  const Progress& progress) const {
    for (const auto& [tool, package] :
         {std::pair{"dpkg-deb", "dpkg"}, {"depmod", "kmod"}, {"sha256sum", "coreutils"}}) {
        REFLUX_CHECK(need_tool(tool, package));
    }
    REFLUX_TRY(const auto packages, archive.packages_of(release));
    const auto work = kernels_folder() + "/.fetch";
    REFLUX_CHECK(remove_tree(work));
    const ScopeExit clean([&] {
        // What cannot be removed now is removed by the next fetch.
        [[maybe_unused]] const auto removed = remove_tree(work);
    });
    const auto tree = work + "/tree";
    REFLUX_CHECK(bring(archive, packages, "kernel " + release, work, tree, progress));
    const auto folder = work + "/made";
    REFLUX_CHECK(arrange_kernel(tree, release, folder));
    REFLUX_CHECK(make_dependencies(folder, release));
    REFLUX_CHECK(write_record(folder, release, packages));
    REFLUX_CHECK(put_in_place(folder, kernels_folder() + "/" + release, work));
    return checked(release);
}

Status KernelCache::fetch_headers(const DebianArchive& archive, const std::string& release,
                                  const Progress& progress) const {
    REFLUX_CHECK(need_tool("dpkg-deb", "dpkg"));
    REFLUX_TRY(const auto packages, archive.headers_of(release));
    const auto work = folder_ + "/headers/.fetch";
    REFLUX_CHECK(remove_tree(work));
    const ScopeExit clean([&] { [[maybe_unused]] const auto removed = remove_tree(work); });
    const auto tree = work + "/tree";
    REFLUX_CHECK(bring(archive, packages, "headers of " + release, work, tree, progress));
    REFLUX_TRY(const auto strangers, programs_for_newer_libc(tree));
    if (!strangers.empty()) {
        REFLUX_TRY(const auto libc, archive.newest("libc6"));
        REFLUX_CHECK(bring(archive, {libc}, "a C library for its programs", work, tree + "/libc", progress));
        REFLUX_CHECK(run_with_libc(strangers, tree + "/libc", headers_folder(release) + "/libc"));
    }
    return put_in_place(tree, headers_folder(release), work);
}

}  // namespace reflux::vm
