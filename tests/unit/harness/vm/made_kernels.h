// Kernels of a test's own making: images that have a header and nothing else, and a Debian archive of such
// kernels in a folder, which apt reads as it reads the real one.
#pragma once

#include "backend/base/child.h"
#include "harness/vm/debian_archive.h"
#include "harness/vm/tool.h"
#include "tests/support/temporary_folder.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace reflux::vm {

// Release -> what boot.rst says of a bzImage: "HdrS" at 0x202, at 0x20E where the version stands, less 0x200.
inline std::string made_image(const std::string& release, std::size_t version_at = 0x400) {
    std::string image(version_at, '\0');
    image.replace(0x202, 4, "HdrS");
    image[0x20E] = static_cast<char>((version_at - 0x200) & 0xFFU);
    image[0x20F] = static_cast<char>((version_at - 0x200) >> 8U);
    image += release + " (somebody@somewhere) #1 SMP";
    return image.append(64, '\0');
}

// The smallest object file that depmod reads: an ELF header and a section for the names of sections.
inline std::string made_module() {
    const auto number = [](std::uint64_t value, int bytes) {
        std::string text;
        for (; bytes > 0; --bytes, value >>= 8U) {
            text += static_cast<char>(value & 0xFFU);
        }
        return text;
    };
    constexpr int first_section = 80;  // after the header of 64 bytes and the names
    std::string names("\0.shstrtab\0", 11);
    names.resize(first_section - 64);
    std::string module =
        "\x7F"
        "ELF" +
        number(0x010102, 12);                               // 64 bits, little endian
    module += number(1, 2) + number(62, 2) + number(1, 4);  // relocatable, x86-64
    module += number(0, 16) + number(first_section, 8) + number(0, 4);
    module += number(64, 2) + number(0, 4) + number(64, 2) + number(2, 2) + number(1, 2);
    module += names + std::string(64, '\0');
    return module + number(1, 4) + number(3, 4) + number(0, 16) + number(64, 8) + number(11, 8) +
           number(0, 8) + number(1, 8) + number(0, 8);
}

using Files = std::map<std::string, std::string>;  // path in the package -> content

// The files of a kernel as Debian's older packages have them.
inline Files older_layout(const std::string& release) {
    return {{"boot/vmlinuz-" + release, made_image(release)},
            {"boot/config-" + release, "CONFIG_FUSE_FS=m\n"},
            {fmt::format("lib/modules/{}/kernel/fs/fuse/fuse.ko", release), made_module()}};
}

class MadeArchive {
  public:
    MadeArchive() { folder_.write("debian/dists/bookworm/main/binary-amd64/Packages", ""); }

    // Builds a package and names it in the index.
    void add(const std::string& name, const Files& files, const std::string& depends = "") {
        const test::TemporaryFolder tree;
        std::string control = fmt::format(
            "Package: {}\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\n"
            "Installed-Size: 100\nDescription: made for a test\n",
            name);
        if (!depends.empty()) {
            control += fmt::format("Depends: {}\n", depends);
        }
        tree.write("DEBIAN/control", control);
        for (const auto& [path, content] : files) {
            tree.write(path, content);
        }
        std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
        const auto file = fmt::format("pool/{}_1.0-1_amd64.deb", name);
        std::filesystem::create_directories(folder_ / "debian/pool");
        ok(run_tool("dpkg", {"dpkg-deb", "--build", "--root-owner-group", tree.path(), deb(name)},
                    Seconds(30)));
        index_ += fmt::format("{}Filename: {}\nSize: {}\nSHA256: {}\n\n", control, file,
                              std::filesystem::file_size(deb(name)), ok(sha256_of(deb(name))));
    }
    [[nodiscard]] std::string deb(const std::string& name) const {
        return folder_ / fmt::format("debian/pool/{}_1.0-1_amd64.deb", name);
    }
    // Writes the index of what was added; every suite but this one is missing from the archive.
    void publish() const {
        const std::string packages = "main/binary-amd64/Packages";
        const std::string suite = "debian/dists/bookworm/";
        folder_.write(suite + packages, index_);
        folder_.write(
            suite + "Release",
            fmt::format("Origin: Debian\nSuite: stable\nCodename: bookworm\nArchitectures: amd64\n"
                        "Components: main\nDate: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n {} {} {}\n",
                        ok(sha256_of(folder_ / (suite + packages))), index_.size(), packages));
    }
    [[nodiscard]] DebianSources sources() const {
        return {.archive = "file:" + (folder_ / "debian"), .security = "", .options = "trusted=yes"};
    }

  private:
    template <class T>
    static T ok(Result<T> result) {
        EXPECT_TRUE(result) << result.error().message;
        return result.value_or(T{});
    }

    test::TemporaryFolder folder_;
    std::string index_;
};

inline bool have_apt_and_kmod() {
    return find_program("apt-get") && find_program("dpkg-deb") && find_program("depmod");
}

}  // namespace reflux::vm
