#include "harness/vm/kernel.h"

#include "backend/base/kernel_file.h"
#include "harness/vm/debian_archive.h"
#include "harness/vm/kernel_cache.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <regex>

#include <sys/utsname.h>

namespace reflux::vm {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
    std::error_code error;
    return fs::exists(path, error);
}

// The numbers in a release, without that of its architecture.
std::vector<std::uint64_t> numbers_of(std::string_view release) {
    if (constexpr std::string_view architecture = "-amd64"; release.ends_with(architecture)) {
        release.remove_suffix(architecture.size());
    }
    std::vector<std::uint64_t> numbers;
    const char* const end = release.data() + release.size();
    for (const char* at = release.data(); at != end;) {
        std::uint64_t number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        if (next == at) {
            ++at;
            continue;
        }
        numbers.push_back(number);
        at = next;
    }
    return numbers;
}

// "6", "6.1", "6.12.117", "6.1.0-56-amd64", "7.2.13+deb14-amd64"; not "6.x".
bool is_version(const std::string& wanted) {
    static const std::regex version("[0-9]+(\\.[0-9]+)*([-+~][0-9A-Za-z.+~-]*)?");
    return std::regex_match(wanted, version);
}

std::string listed(const std::vector<std::string>& words) {
    return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
}

std::vector<std::string> cached_releases(const std::string& cache) {
    std::vector<std::string> releases;
    for (const auto& kernel : cached_kernels(cache)) {
        releases.push_back(kernel.release);
    }
    return releases;
}

// "7.2, 6.12, 6.1": what one may ask for, in few words. `releases` are newest first.
std::vector<std::string> all_series(const std::vector<std::string>& releases) {
    std::vector<std::string> series;
    for (const auto& release : releases) {
        if (auto name = series_of(release); series.empty() || series.back() != name) {
            series.push_back(std::move(name));
        }
    }
    return series;
}

Error no_index(const std::string& complaint, const std::string& cache) {
    return {.kind = ErrorKind::unsupported,
            .message = fmt::format(
                "no package index of Debian's archive could be had{}{}; check the network, or name "
                "a kernel in the cache (it has: {})",
                complaint.empty() ? "" : ": ", complaint, listed(cached_releases(cache)))};
}

struct Index {
    DebianArchive archive;
    std::vector<std::string> releases;  // not empty
    std::string complaint;              // what of it could not be refreshed
};

Result<Index> refreshed_index(const KernelCache& store, const std::string& cache, const Progress& progress) {
    REFLUX_TRY(const auto sources, host_sources());
    REFLUX_TRY(auto archive, DebianArchive::open(store.apt_folder(), sources));
    if (progress) {
        progress("reading Debian's package index");
    }
    REFLUX_TRY(auto complaint, archive.refresh());
    REFLUX_TRY(auto releases, archive.releases());
    if (releases.empty()) {
        return fail(no_index(complaint, cache));
    }
    return Index{
        .archive = std::move(archive), .releases = std::move(releases), .complaint = std::move(complaint)};
}

// What the cache has of the releases that are wanted.
struct Cached {
    std::optional<Kernel> newest;
    std::string damage;  // of the damaged ones that are newer than that, or ""
};

Cached look_up(const KernelCache& store, const std::string& wanted) {
    Cached found;
    for (const auto& release : store.releases()) {
        if (!names_release(wanted, release)) {
            continue;
        }
        auto kernel = store.checked(release);
        if (kernel) {
            found.newest = *std::move(kernel);
            found.newest->name = wanted;
            break;
        }
        found.damage += fmt::format("{}kernel {} in the cache is damaged ({})",
                                    found.damage.empty() ? "" : ", ", release, kernel.error().message);
    }
    return found;
}

// With the cache locked.
Result<Kernel> fetch_newest(const KernelCache& store, const std::string& wanted, const std::string& cache,
                            const Progress& progress) {
    REFLUX_TRY(const auto index, refreshed_index(store, cache, progress));
    const auto newest =
        std::find_if(index.releases.begin(), index.releases.end(),
                     [&](const std::string& release) { return names_release(wanted, release); });
    if (newest == index.releases.end()) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("Debian's archive has no kernel {}; it has: {}{}", wanted,
                                listed(all_series(index.releases)),
                                index.complaint.empty()
                                    ? ""
                                    : fmt::format(" (not all of it could be read: {})", index.complaint)));
    }
    auto kernel = store.checked(*newest);
    if (!kernel) {
        kernel = store.fetch(index.archive, *newest, progress);
    }
    if (kernel) {
        kernel->name = wanted;
    }
    return kernel;
}

Error no_such_kernel(const std::string& wanted, const std::string& cache) {
    return {
        .kind = ErrorKind::invalid_input,
        .message = fmt::format(
            "'{}' names no kernel; give 'running', a Debian kernel by version (6.1, 6.12.117) or release "
            "(6.1.0-56-amd64), or a build of yours as IMAGE:MODULES_ROOT with a '/' in it; in the cache: {}",
            wanted, listed(cached_releases(cache)))};
}

Result<Kernel> find_debian_kernel(const std::string& wanted, const std::string& cache,
                                  const Progress& progress) {
    const KernelCache store(cache);
    if (auto cached = look_up(store, wanted); cached.newest) {
        return *std::move(cached.newest);
    }
    REFLUX_TRY(const auto lock, store.lock(progress));
    // Another process may have fetched it while we waited.
    auto cached = look_up(store, wanted);
    if (cached.newest) {
        return *std::move(cached.newest);
    }
    auto kernel = fetch_newest(store, wanted, cache, progress);
    if (!kernel && !cached.damage.empty()) {
        return fail(kernel.error().within(cached.damage + ", and could not be fetched again"));
    }
    return kernel;
}

// `wanted` is IMAGE or IMAGE:MODULES_ROOT; a file that has a ':' in its name is an IMAGE.
Result<Kernel> built_kernel(const std::string& wanted) {
    const auto colon = exists(wanted) ? std::string::npos : wanted.rfind(':');
    Kernel kernel{.name = wanted, .image = fs::absolute(wanted.substr(0, colon)).lexically_normal().string()};
    REFLUX_TRY(kernel.release, release_of_image(kernel.image));
    const auto beside = fs::path(kernel.image).parent_path().string();
    // Beside an installed image; at the top of the build tree of arch/x86/boot/bzImage.
    std::vector<std::string> configs{fmt::format("{}/config-{}", beside, kernel.release), beside + "/config",
                                     beside + "/.config"};
    if (beside.ends_with("/boot")) {
        configs.push_back(fs::path(beside + "/../../../.config").lexically_normal().string());
    }
    if (colon != std::string::npos) {
        kernel.root = fs::absolute(wanted.substr(colon + 1)).lexically_normal().string();
        const auto modules = modules_folder(kernel.root, kernel.release);
        if (!exists(modules + "/modules.dep")) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("{} is {}, and there is no {}/modules.dep; give the INSTALL_MOD_PATH of "
                                    "that build, or run: depmod -b {} {}",
                                    kernel.image, kernel.release, modules, kernel.root, kernel.release));
        }
        configs.insert(configs.end(), {modules + "/config", modules + "/build/.config"});
    }
    kernel.config = first_existing(configs);
    return kernel;
}

}  // namespace

std::string default_cache() {
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value != nullptr ? value : "");
    };
    if (const auto chosen = variable("REFLUX_CACHE"); !chosen.empty()) {
        return fs::absolute(chosen).lexically_normal().string();
    }
    // XDG Base Directory Specification: a relative path in it is to be ignored.
    if (const auto user = variable("XDG_CACHE_HOME"); user.starts_with('/')) {
        return user + "/reflux";
    }
    const auto home = variable("HOME");
    return home.starts_with('/') ? home + "/.cache/reflux" : "/var/cache/reflux";
}

Result<Kernel> find_kernel(const std::string& wanted, const std::string& cache, const Progress& progress) {
    if (wanted.empty() || wanted == "running") {
        utsname system{};
        if (::uname(&system) != 0) {
            return fail_errno("uname");
        }
        return installed_kernel(&system.release[0], "/");
    }
    if (wanted.find('/') != std::string::npos) {
        return built_kernel(wanted);
    }
    if (!is_version(wanted)) {
        return fail(no_such_kernel(wanted, cache));
    }
    return find_debian_kernel(wanted, cache, progress);
}

Result<Kernel> fetch_kernel(const std::string& wanted, const std::string& cache, const Progress& progress) {
    if (!is_version(wanted)) {
        return fail(no_such_kernel(wanted, cache));
    }
    const KernelCache store(cache);
    REFLUX_TRY(const auto lock, store.lock(progress));
    return fetch_newest(store, wanted, cache, progress);
}

std::vector<Kernel> cached_kernels(const std::string& cache) {
    const KernelCache store(cache);
    std::vector<Kernel> kernels;
    for (const auto& release : store.releases()) {
        if (auto kernel = store.checked(release)) {
            kernels.push_back(*std::move(kernel));
        }
    }
    return kernels;
}

Result<std::vector<std::string>> available_releases(const std::string& cache) {
    const KernelCache store(cache);
    REFLUX_TRY(const auto lock, store.lock({}));
    REFLUX_TRY(auto index, refreshed_index(store, cache, {}));
    return std::move(index.releases);
}

Result<Kernel> installed_kernel(const std::string& release, const std::string& system_root) {
    const auto modules = modules_folder(system_root, release);
    const auto boot = fs::path(system_root) / "boot";
    const std::vector<std::string> images{(boot / ("vmlinuz-" + release)).string(), modules + "/vmlinuz"};
    const auto image = first_existing(images);
    const auto missing = [&](const std::string& what) {
        return fail(ErrorKind::unsupported,
                    fmt::format("the running kernel {} cannot be booted again: {}; name a release of Debian "
                                "instead, for example --vm 6.1",
                                release, what));
    };
    if (image.empty()) {
        return missing(fmt::format("there is no {}", fmt::join(images, " and no ")));
    }
    const auto found = release_of_image(image);
    if (!found) {
        return missing(found.error().message);
    }
    if (*found != release) {
        return missing(fmt::format("{} is {}", image, *found));
    }
    if (!exists(modules + "/modules.dep")) {
        return missing(fmt::format("there is no {}/modules.dep", modules));
    }
    return Kernel{.name = "running",
                  .release = release,
                  .image = image,
                  .root = system_root,
                  .config = first_existing({(boot / ("config-" + release)).string(), modules + "/config"})};
}

Result<std::string> release_of_image(const std::string& image) {
    // Offsets of boot.rst, "The Real-Mode Kernel Header". kernel_version counts from the end of the boot
    // sector.
    constexpr std::size_t magic_at = 0x202;
    constexpr std::size_t version_pointer_at = 0x20E;
    constexpr std::size_t boot_sector = 0x200;
    // A 16-bit pointer reaches no farther, and the text there is short.
    constexpr std::size_t setup_size = 0x10000 + boot_sector + 256;
    const auto opened = open_file(image, O_RDONLY);
    if (!opened) {
        return fail(ErrorKind::invalid_input, opened.error().message);
    }
    std::string setup(setup_size, '\0');
    const ssize_t size = ::pread(opened->get(), setup.data(), setup.size(), 0);
    if (size < 0) {
        return fail_errno("read " + image);
    }
    setup.resize(static_cast<std::size_t>(size));
    const auto wrong = [&](const char* what) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{} is no kernel image for x86 (bzImage): {}", image, what));
    };
    if (setup.size() < version_pointer_at + 2 || setup.compare(magic_at, 4, "HdrS") != 0) {
        return wrong("it has no 'HdrS' at byte 0x202");
    }
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(setup[at]); };
    const std::size_t pointer = byte(version_pointer_at) + (std::size_t{byte(version_pointer_at + 1)} << 8U);
    if (pointer == 0 || pointer + boot_sector >= setup.size()) {
        return wrong("its header names no version");
    }
    // "6.1.0-56-amd64 (builder@host) #1 SMP ...", ended by a NUL.
    const std::string version = &setup[pointer + boot_sector];
    auto release = version.substr(0, version.find(' '));
    if (release.empty() || release.find('/') != std::string::npos) {
        return wrong("its header names no version");
    }
    return release;
}

bool older(const std::string& a, const std::string& b) {
    const auto left = numbers_of(a);
    const auto right = numbers_of(b);
    return left != right ? left < right : a < b;
}

std::string series_of(std::string_view release) {
    const auto dot = release.find('.');
    return std::string(release.substr(0, release.find_first_not_of("0123456789", dot + 1)));
}

bool names_release(std::string_view wanted, std::string_view release) {
    if (!release.starts_with(wanted)) {
        return false;
    }
    const auto rest = release.substr(wanted.size());
    const bool digits_and_dots = wanted.find_first_not_of("0123456789.") == std::string_view::npos;
    return rest.empty() || rest.front() == '-' || rest.front() == '+' ||
           (digits_and_dots && rest.front() == '.');
}

}  // namespace reflux::vm
