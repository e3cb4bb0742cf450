#include "harness/vm/initramfs.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/vm/cpio_archive.h"
#include "harness/vm/tool.h"

#include <algorithm>
#include <array>

namespace reflux::vm {

extern const std::string_view guest_init_script;  // guest/init.sh, put into the program by CMake

namespace {

constexpr Seconds tool_time{20};
// Each with what it depends on; one that is built in needs nothing.
constexpr std::array wanted_modules{"virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_blk"};

// Paths of the module files in the order in which they must be loaded.
Result<std::vector<std::string>> module_files(const Kernel& kernel) {
    std::vector<std::string> files;
    if (kernel.root.empty()) {
        return files;
    }
    for (const char* name : wanted_modules) {
        REFLUX_TRY(
            const auto shown,
            try_tool("kmod", {"modprobe", "-d", kernel.root, "-S", kernel.release, "--show-depends", name},
                     tool_time));
        if (!shown.exit.ok()) {
            continue;  // built into a kernel without modules.builtin, or the guest's init says what is
                       // missing
        }
        for (const auto& line : lines_of(shown.output)) {
            const auto words = split(line, ' ');
            if (words.size() >= 2 && words[0] == "insmod" &&
                std::find(files.begin(), files.end(), words[1]) == files.end()) {
                files.push_back(words[1]);
            }
        }
    }
    return files;
}

// A module as the kernel takes it: not every kernel decompresses by itself.
Result<std::string> plain_module(const std::string& path) {
    struct Compression {
        std::string_view suffix;
        std::string program;
        std::string package;
    };
    static const std::array<Compression, 3> compressions{
        {{".xz", "xz", "xz-utils"}, {".zst", "zstd", "zstd"}, {".gz", "gzip", "gzip"}}};
    const auto* found = std::find_if(compressions.begin(), compressions.end(),
                                     [&](const Compression& one) { return path.ends_with(one.suffix); });
    if (found == compressions.end()) {
        return read_file(path);
    }
    REFLUX_CHECK(need_tool(found->program, found->package));
    REFLUX_TRY(const auto plain, make_memory_file("module"));
    SpawnOptions options;
    options.stdout_fd = plain.get();
    REFLUX_TRY(auto child, spawn({found->program, "-dc", path}, options));
    REFLUX_TRY(const auto exit, wait_for(child, tool_time));
    if (!exit || !exit->ok()) {
        return fail(ErrorKind::system, fmt::format("{} -dc {}: {}", found->program, path,
                                                   exit ? to_string(*exit) : "did not end in time"));
    }
    ::lseek(plain.get(), 0, SEEK_SET);
    return read_all(plain.get(), path);
}

// "/lib/modules/6.1/kernel/fs/9p/9p.ko.xz" -> "9p.ko"
std::string module_name(const std::string& path) {
    const std::string file = path.substr(path.rfind('/') + 1);
    return file.substr(0, file.find(".ko") + 3);
}

}  // namespace

Result<UniqueFd> make_initramfs(const Kernel& kernel) {
    // A static one: nothing of the host's libraries is in the initramfs.
    REFLUX_CHECK(need_tool("busybox", "busybox-static"));
    const std::string path = *find_program("busybox");
    REFLUX_TRY(const auto busybox, read_file(path));
    // An interpreter is named near the beginning of an ELF file.
    if (std::string_view(busybox).substr(0, 4096).find("/ld-linux") != std::string_view::npos) {
        return fail(
            ErrorKind::unsupported,
            path + " needs shared libraries, which a guest has not yet; install the package busybox-static");
    }
    REFLUX_TRY(const auto modules, module_files(kernel));
    CpioArchive archive;
    archive.add_directory("bin");
    archive.add_directory("modules");
    archive.add_file("bin/busybox", busybox, true);
    archive.add_file("init", guest_init_script, true);
    std::string list;
    for (const auto& module : modules) {
        REFLUX_TRY(const auto content, plain_module(module));
        archive.add_file("modules/" + module_name(module), content);
        list += module_name(module) + "\n";
    }
    archive.add_file("modules/list", list);
    REFLUX_TRY(auto file, make_memory_file("initramfs"));
    REFLUX_CHECK(write_all(file.get(), archive.finish(), "initramfs"));
    return file;
}

}  // namespace reflux::vm
