// Debian's package archive, read with an apt of its own: index, cache and configuration lie in a folder of
// ours, and nothing of the machine's apt but its settings for the way to the network (proxy, certificates) is
// used.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"

#include <string>
#include <string_view>
#include <vector>

namespace reflux::vm {

// Where packages come from, as apt's sources.list names it.
struct DebianSources {
    std::string archive;   // URI of the archive
    std::string security;  // URI of its security archive; empty: not used
    std::string options;   // how it is trusted: "signed-by=KEYRING"
};

// From $REFLUX_DEBIAN_MIRROR and $REFLUX_DEBIAN_SECURITY_MIRROR, or else from the apt configuration of this
// machine. unsupported where there is neither, where apt or Debian's keys are missing, and on other machines
// than amd64.
Result<DebianSources> host_sources();
// The archives among the lines "ORIGIN|URI" of apt-get indextargets; empty where there is none. The folder's
// name does not do: third parties call theirs debian, too.
DebianSources sources_of(std::string_view index_targets);

struct Dependency {
    std::string name;
    std::string version;  // of a "(= VERSION)"; empty: any
};

// A package as the index describes it.
struct DebianPackage {
    std::string name;
    std::string version;
    Bytes size;          // of the .deb
    Bytes installed;     // about what it takes unpacked
    std::string sha256;  // of the .deb, hexadecimal
    std::vector<Dependency> depends;
};
// `record` as apt-cache show prints it; of several the first. An error when a field is missing.
Result<DebianPackage> parse_package(std::string_view record);

// Releases among the lines of apt-cache search, newest first: plain kernels for amd64, no cloud, rt,
// unsigned, debug and meta packages.
std::vector<std::string> releases_of(std::string_view search_output);

class DebianArchive {
  public:
    // Makes `folder` what that apt needs; nothing is downloaded.
    static Result<DebianArchive> open(const std::string& folder, const DebianSources& sources);

    // Downloads the index, or what has changed of it. Returns what apt complained of, "" for nothing: a suite
    // that does not exist (any more), or a mirror that does not answer, leaves the rest, or the index of
    // before.
    [[nodiscard]] Result<std::string> refresh() const;
    // Releases in the index, newest first.
    [[nodiscard]] Result<std::vector<std::string>> releases() const;
    // The packages that make up a release: its linux-image, and of what that depends on all that bears the
    // release in its name (linux-base, linux-binary, linux-modules from 6.19 on).
    [[nodiscard]] Result<std::vector<DebianPackage>> packages_of(const std::string& release) const;
    // The packages that modules for a release are built with: its linux-headers, and of what that depends on
    // the headers that it shares with others and kbuild's programs.
    [[nodiscard]] Result<std::vector<DebianPackage>> headers_of(const std::string& release) const;
    // The newest of that name.
    [[nodiscard]] Result<DebianPackage> newest(const std::string& name) const;
    // Downloads into `folder`; returns the files in the order of `packages`, each checked (check_package).
    [[nodiscard]] Result<std::vector<std::string>> download(const std::vector<DebianPackage>& packages,
                                                            const std::string& folder) const;

  private:
    explicit DebianArchive(std::string folder) : folder_(std::move(folder)) {}
    [[nodiscard]] std::vector<std::string> command(std::vector<std::string> words) const;
    [[nodiscard]] Result<DebianPackage> show(const Dependency& wanted) const;
    // A package, and of what it depends on, and so on, all that `belongs`, by its name.
    template <class Belongs>
    Result<std::vector<DebianPackage>> with_dependencies(const std::string& name, Belongs belongs) const;

    std::string folder_;
};

// An error unless the file has the size and the SHA-256 of `package`.
Status check_package(const DebianPackage& package, const std::string& file);

}  // namespace reflux::vm
