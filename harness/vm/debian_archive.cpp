#include "harness/vm/debian_archive.h"

#include "backend/base/kernel_file.h"
#include "harness/vm/kernel.h"
#include "harness/vm/tool.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <regex>

namespace reflux::vm {
namespace {

constexpr Seconds query_time{60};
constexpr Seconds refresh_time{180};
constexpr Seconds download_time{900};

// The index takes 100 MiB; apt-get, when the disk is full, neither goes on nor ends.
constexpr Bytes index_size = mebibytes(150);

constexpr const char* keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
// The archive's kernels of all ages: 5.10 in bullseye to the newest in sid.
constexpr std::array suites{"bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports",
                            "forky",    "sid"};
constexpr std::array security_suites{"bullseye-security", "bookworm-security", "trixie-security"};

// The same expression serves apt (POSIX, extended) and std::regex. Three numbers at least:
// linux-image-6.1-amd64 is a meta package. No word but numbers before the architecture: cloud, rt and
// unsigned are other kernels.
constexpr const char* image_packages = "^linux-image-[0-9]+\\.[0-9]+\\.[0-9]+[^- /]*(-[0-9][^- /]*)?-amd64$";
constexpr std::string_view image_prefix = "linux-image-";

// Settings of the machine that would reach into ours: its hooks (they clean and fill the machine's caches),
// its preferences, its default release. The index must be signed whatever the machine allows.
constexpr const char* configuration = R"(#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::Languages;
Acquire::Languages { "none"; };
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Default-Release "";
APT::Get::AllowUnauthenticated "false";
APT::Get::List-Cleanup "false";
APT::Sandbox::User "root";
Dir::Etc::preferences "/dev/null";
Dir::State::status "/dev/null";
)";

// The value of a field in a record, up to the end of its line; empty: not there.
std::string_view field(std::string_view record, std::string_view name) {
    while (!record.empty()) {
        const auto line = record.substr(0, record.find('\n'));
        if (line.starts_with(name) && line.substr(name.size()).starts_with(": ")) {
            return line.substr(name.size() + 2);
        }
        record.remove_prefix(std::min(line.size() + 1, record.size()));
    }
    return {};
}

// A mistyped number reads as 0, which no package has.
std::uint64_t number_of(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// "plain:any (= 2) | other": of alternatives the first; its version where that is the only one that will do.
Dependency parse_dependency(std::string_view text) {
    text = text.substr(0, text.find('|'));
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    Dependency found{.name = std::string(text.substr(0, text.find_first_of(" (:"))), .version = ""};
    if (const auto equals = text.find("(="); equals != std::string_view::npos) {
        const auto version = text.substr(equals + 2, text.find(')', equals) - equals - 2);
        const auto begin = std::min(version.find_first_not_of(' '), version.size());
        found.version = trimmed(version.substr(begin));
    }
    return found;
}

// "a | b, c-1 (= 2), d (>= 3)"
std::vector<Dependency> parse_depends(std::string_view text) {
    std::vector<Dependency> found;
    for (const auto& piece : split(text, ',')) {
        if (auto one = parse_dependency(piece); !one.name.empty()) {
            found.push_back(std::move(one));
        }
    }
    return found;
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

// "…/debian" of "…/debian/"; a list of mirrors (mirror+file:/etc/apt/mirrors/debian.list) is named as what it
// lists.
bool has_folder(std::string_view uri, std::string_view folder) {
    if (constexpr std::string_view list = ".list"; uri.ends_with(list)) {
        uri.remove_suffix(list.size());
    }
    return uri.ends_with(folder);
}

std::string first_uri(std::string_view index_targets, std::string_view folder) {
    // The origin is known once the machine has read its index; a machine that has not is taken at its word.
    for (const bool origin_known : {true, false}) {
        for (const auto& line : lines_of(index_targets)) {
            const auto bar = line.find('|');
            if (bar == std::string::npos) {
                continue;
            }
            const auto origin = line.substr(0, bar);
            auto uri = line.substr(bar + 1);
            uri.erase(uri.find_last_not_of('/') + 1);
            if ((origin_known ? origin.starts_with("Debian") : origin.empty()) && has_folder(uri, folder)) {
                return uri;
            }
        }
    }
    return {};
}

Status check_uri(const std::string& uri) {
    if (uri.find_first_of(" \t\r\n") != std::string::npos) {
        return fail(ErrorKind::invalid_input, fmt::format("'{}' is no URI of a Debian mirror", uri));
    }
    return {};
}

std::string sources_list(const DebianSources& sources) {
    std::string text;
    const auto add = [&](const std::string& uri, const std::string& suite) {
        text += fmt::format("deb [arch=amd64 {}] {} {} main\n", sources.options, uri, suite);
    };
    for (const auto* suite : suites) {
        add(sources.archive, suite);
    }
    if (!sources.security.empty()) {
        for (const auto* suite : security_suites) {
            add(sources.security, suite);
        }
    }
    return text;
}

// What apt reports as error or warning, the first of it: the rest is most often the same for the next suite.
std::string complaints(const std::string& output) {
    constexpr std::size_t most = 2;
    std::vector<std::string> found;
    for (const auto& line : lines_of(output)) {
        // A download that is not sandboxed is what we asked for.
        const bool counts = line.starts_with("E: ") ||
                            (line.starts_with("W: ") && line.find("unsandboxed") == std::string::npos);
        if (counts && found.size() < most) {
            found.push_back(trimmed(line.substr(3)));
        }
    }
    return fmt::format("{}", fmt::join(found, "; "));
}

}  // namespace

DebianSources sources_of(std::string_view index_targets) {
    return {.archive = first_uri(index_targets, "/debian"),
            .security = first_uri(index_targets, "/debian-security"),
            .options = {}};
}

Result<DebianSources> host_sources() {
    REFLUX_TRY(const auto architecture, run_tool("dpkg", {"dpkg", "--print-architecture"}, query_time));
    if (trimmed(architecture) != "amd64") {
        return fail(ErrorKind::unsupported,
                    fmt::format("Debian's kernels are taken for amd64 only, and this machine is {}; give the "
                                "path of a kernel of your own",
                                trimmed(architecture)));
    }
    REFLUX_TRY(const auto targets, run_tool("apt",
                                            {"apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)",
                                             "Created-By: Packages"},
                                            query_time));
    auto sources = sources_of(targets);
    if (const auto archive = environment("REFLUX_DEBIAN_MIRROR"); !archive.empty()) {
        sources.archive = archive;
    }
    if (const auto security = environment("REFLUX_DEBIAN_SECURITY_MIRROR"); !security.empty()) {
        sources.security = security;
    }
    if (sources.archive.empty()) {
        return fail(ErrorKind::unsupported,
                    "the apt of this machine names no Debian archive; set REFLUX_DEBIAN_MIRROR to the URI of "
                    "one (and "
                    "REFLUX_DEBIAN_SECURITY_MIRROR for the security archive), and install the package "
                    "debian-archive-keyring");
    }
    REFLUX_CHECK(check_uri(sources.archive));
    REFLUX_CHECK(check_uri(sources.security));
    if (!std::filesystem::exists(keyring)) {
        return fail(ErrorKind::unsupported,
                    fmt::format("no {}, which Debian's archive is checked with; install the package "
                                "debian-archive-keyring",
                                keyring));
    }
    sources.options = fmt::format("signed-by={}", keyring);
    return sources;
}

Result<DebianPackage> parse_package(std::string_view record) {
    record = record.substr(0, record.find("\n\n"));
    DebianPackage package{.name = std::string(field(record, "Package")),
                          .version = std::string(field(record, "Version")),
                          .size = {number_of(field(record, "Size"))},
                          .installed = kibibytes(number_of(field(record, "Installed-Size"))),
                          .sha256 = std::string(field(record, "SHA256")),
                          .depends = parse_depends(field(record, "Depends"))};
    if (package.name.empty() || package.version.empty() || package.size == Bytes{} ||
        package.sha256.empty()) {
        return fail(ErrorKind::system,
                    fmt::format("the package index has no name, version, size or SHA256 for '{}'",
                                package.name.empty() ? trimmed(record) : package.name));
    }
    return package;
}

std::vector<std::string> releases_of(std::string_view search_output) {
    static const std::regex image(image_packages);
    constexpr std::size_t longest = 200;  // std::regex recurses once a letter: a long word ends the program
    std::vector<std::string> found;
    for (const auto& line : lines_of(search_output)) {
        const auto name = line.substr(0, line.find(' '));
        if (name.size() <= longest && std::regex_match(name, image)) {
            found.push_back(name.substr(image_prefix.size()));
        }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return older(b, a); });
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

Status check_package(const DebianPackage& package, const std::string& file) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (error) {
        return fail_errno(file, error.value());
    }
    if (size != package.size.value) {
        return fail(ErrorKind::system,
                    fmt::format("{} has {} bytes, not {}", file, size, package.size.value));
    }
    REFLUX_TRY(const auto sum, sha256_of(file));
    if (sum != package.sha256) {
        return fail(ErrorKind::system,
                    fmt::format("{} has the SHA256 {}, not {}", file, sum, package.sha256));
    }
    return {};
}

Result<DebianArchive> DebianArchive::open(const std::string& folder, const DebianSources& sources) {
    REFLUX_CHECK(need_tool("apt-get", "apt"));
    for (const auto* part : {"/state/lists/partial", "/cache/archives/partial", "/empty"}) {
        std::error_code error;
        std::filesystem::create_directories(folder + part, error);
        if (error) {
            return fail_errno(fmt::format("mkdir {}{}", folder, part), error.value());
        }
    }
    REFLUX_CHECK(replace_file(folder + "/apt.conf", configuration));
    REFLUX_CHECK(replace_file(folder + "/sources.list", sources_list(sources)));
    return DebianArchive(folder);
}

std::vector<std::string> DebianArchive::command(std::vector<std::string> words) const {
    std::vector<std::string> argv{std::move(words.front()), "-c", folder_ + "/apt.conf"};
    for (const auto& [key, value] : {std::pair{"Dir::State", "/state"},
                                     {"Dir::State::lists", "/state/lists"},
                                     {"Dir::Cache", "/cache"},
                                     {"Dir::Cache::archives", "/cache/archives"},
                                     {"Dir::Etc::sourcelist", "/sources.list"},
                                     {"Dir::Etc::sourceparts", "/empty"},
                                     {"Dir::Etc::preferencesparts", "/empty"}}) {
        argv.insert(argv.end(), {"-o", fmt::format("{}={}{}", key, folder_, value)});
    }
    argv.insert(argv.end(), std::make_move_iterator(words.begin() + 1), std::make_move_iterator(words.end()));
    return argv;
}

Result<std::string> DebianArchive::refresh() const {
    REFLUX_CHECK(need_space(folder_, index_size, "the package index"));
    const auto result = try_tool("apt", command({"apt-get", "-q", "update"}), refresh_time);
    if (result) {
        return complaints(result->output);
    }
    if (result.error().kind == ErrorKind::timed_out) {
        return result.error().message;
    }
    return fail(result.error());
}

Result<std::vector<std::string>> DebianArchive::releases() const {
    REFLUX_TRY(const auto output,
               run_tool("apt", command({"apt-cache", "search", "--names-only", image_packages}), query_time));
    return releases_of(output);
}

Result<DebianPackage> DebianArchive::show(const Dependency& wanted) const {
    const auto package =
        wanted.version.empty() ? wanted.name : fmt::format("{}={}", wanted.name, wanted.version);
    REFLUX_TRY(const auto record,
               run_tool("apt", command({"apt-cache", "show", "--no-all-versions", package}), query_time));
    return parse_package(record);
}

template <class Belongs>
Result<std::vector<DebianPackage>> DebianArchive::with_dependencies(const std::string& name,
                                                                    Belongs belongs) const {
    REFLUX_TRY(auto first, newest(name));
    std::vector<DebianPackage> packages{std::move(first)};
    for (std::size_t i = 0; i < packages.size(); ++i) {
        const auto depends = packages[i].depends;
        for (const auto& dependency : depends) {
            const bool known = std::any_of(packages.begin(), packages.end(), [&](const auto& package) {
                return package.name == dependency.name;
            });
            if (!known && belongs(dependency.name)) {
                REFLUX_TRY(auto package, show(dependency));
                packages.push_back(std::move(package));
            }
        }
    }
    return packages;
}

Result<DebianPackage> DebianArchive::newest(const std::string& name) const {
    return show({.name = name, .version = ""});
}

Result<std::vector<DebianPackage>> DebianArchive::packages_of(const std::string& release) const {
    return with_dependencies(std::string(image_prefix) + release, [&](const std::string& name) {
        return name.find(release) != std::string::npos;
    });
}

Result<std::vector<DebianPackage>> DebianArchive::headers_of(const std::string& release) const {
    return with_dependencies("linux-headers-" + release, [](const std::string& name) {
        return name.starts_with("linux-headers-") || name.starts_with("linux-kbuild-");
    });
}

Result<std::vector<std::string>> DebianArchive::download(const std::vector<DebianPackage>& packages,
                                                         const std::string& folder) const {
    // apt-get download writes to its working directory.
    std::vector<std::string> words{"apt-get", "-q", "download"};
    for (const auto& package : packages) {
        words.push_back(fmt::format("{}={}", package.name, package.version));
    }
    auto argv = command(std::move(words));
    argv.insert(argv.begin(), {"env", "-C", folder});
    REFLUX_TRY(const auto result, try_tool("coreutils", argv, download_time));
    if (!result.exit.ok()) {
        return fail(
            ErrorKind::unsupported,
            fmt::format("cannot download {}: {}; check the network and the free space, then try again",
                        packages.front().name, complaints(result.output)));
    }
    REFLUX_TRY(const auto names, list_directory(folder));
    std::vector<std::string> files;
    for (const auto& package : packages) {
        const auto name = std::find_if(names.begin(), names.end(), [&](const std::string& candidate) {
            return candidate.starts_with(package.name + "_");
        });
        if (name == names.end()) {
            return fail(ErrorKind::system, fmt::format("apt-get downloaded no {}", package.name));
        }
        files.push_back(folder + "/" + *name);
        REFLUX_CHECK(check_package(package, files.back()));
    }
    return files;
}

}  // namespace reflux::vm
