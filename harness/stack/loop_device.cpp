#include "harness/stack/loop_device.h"

#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

namespace reflux::stack {
namespace {

constexpr Seconds attach_time{20};

// LOOP_CONFIGURE (5.8) sets file and parameters in one step. EBUSY: somebody else took the device.
Status configure(const std::string& device, const std::string& backing_file) {
    REFLUX_TRY(const auto backing, open_file(backing_file, O_RDWR));
    REFLUX_TRY(const auto fd, open_file(device, O_RDWR));
    loop_config config{};
    config.fd = static_cast<unsigned>(backing.get());
    config.block_size = sector_size;
    if (::ioctl(fd.get(), LOOP_CONFIGURE, &config) != 0) {
        return fail_errno("LOOP_CONFIGURE " + device);
    }
    return {};
}

}  // namespace

Result<BlockDevice> attach_loop(const std::string& backing_file, journal::Journal& journal) {
    REFLUX_TRY(const auto control, open_file("/dev/loop-control", O_RDWR));
    constexpr int attempts = 8;  // others on this machine may take the free device before we do
    for (int attempt = 1;; ++attempt) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) {
            return fail_errno("LOOP_CTL_GET_FREE");
        }
        const std::string name = fmt::format("loop{}", number);
        const std::string path = "/dev/" + name;
        REFLUX_TRY(const auto id, journal.intend(journal::Kind::loop, backing_file));
        const auto attached =
            call_bounded("attach " + path, attach_time, [&] { return configure(path, backing_file); });
        if (attached) {
            REFLUX_CHECK(journal.note(id, std::to_string(number)));
            return block_device(name);
        }
        if (attached.error().errnum != EBUSY || attempt == attempts) {
            return fail(attached.error());
        }
        REFLUX_CHECK(journal.gone(id));
    }
}

Status make_sparse_file(const std::string& path, Bytes size, journal::Journal& journal) {
    const std::string folder = path.substr(0, path.rfind('/'));
    struct statvfs filesystem {};
    if (::statvfs(folder.c_str(), &filesystem) != 0) {
        return fail_errno("statvfs " + folder);
    }
    const Bytes available{filesystem.f_bavail * filesystem.f_frsize};
    if (available < size) {
        return fail(
            ErrorKind::unsupported,
            fmt::format("{} has {} free, the lower image may grow to {}; free some room, or set TMPDIR to a "
                        "folder with more",
                        folder, human(available), human(size)));
    }
    REFLUX_CHECK(journal.intend(journal::Kind::file, path));
    REFLUX_TRY(const auto fd, open_file(path, O_RDWR | O_CREAT | O_EXCL));
    if (::ftruncate(fd.get(), static_cast<off_t>(size.value)) != 0) {
        return fail_errno("ftruncate " + path);
    }
    return {};
}

}  // namespace reflux::stack
