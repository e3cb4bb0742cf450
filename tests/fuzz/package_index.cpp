// What apt prints of Debian's package index: records, releases, sources.
#include "harness/vm/debian_archive.h"
#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

bool run(std::string_view input) {
    for (const std::string& release : vm::releases_of(input)) {
        require(release.ends_with("-amd64"), "a release is one for amd64");
        require(release.find_first_of(" /\n") == std::string::npos,
                "a release can stand in a package's name");
    }
    const vm::DebianSources sources = vm::sources_of(input);
    require((sources.archive + sources.security).find('\n') == std::string::npos, "a source is of one line");
    const auto package = vm::parse_package(input);
    if (!package) {
        return false;
    }
    for (const vm::Dependency& dependency : package->depends) {
        require(!dependency.name.empty() && dependency.name.find_first_of(" ,|(") == std::string::npos,
                "a dependency is one package's name");
    }
    return true;
}

}  // namespace

Target make_target() {
    const std::string record =
        "Package: linux-image-7.2.13+deb14-amd64\nSource: linux\nVersion: 7.2.13-1\nInstalled-Size: 15\n"
        "Depends: dracut | initramfs-tools (>= 0.120), kmod, linux-base-7.2.13+deb14-amd64 (= 7.2.13-1), "
        "plain:any\nFilename: pool/main/l/linux/x.deb\nSize: 1234\nSHA256: "
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nDescription: Linux\n a kernel\n";
    return {.run = run,
            .seeds = {record, record + "\n" + record,
                      record + "linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)\n"
                               "linux-image-6.1.0-0.deb11.52-amd64 - Linux 6.1\n"
                               "linux-image-6.12.90+deb12.1-amd64 - Linux 6.12\n"
                               "Debian|http://mirror.example/debian/\nDebian|http://mirror.example/"
                               "debian-security/\n|mirror+file:/etc/apt/mirrors/debian.list/\n"},
            .words = {"\n\n", ": ", ", ", " | ", " (= ", ")", "linux-image-", "-amd64",
                      "Package: ", "Depends: ", "Size: ", "SHA256: ", "Debian|", "/debian", ".list"}};
}

}  // namespace reflux::fuzz
