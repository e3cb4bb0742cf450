#include "backend/kept_zones.h"

#include "backend/zone/zone_word.h"

#include <array>

#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace reflux {

// What stands before the words. The session's sequence is that of the superblock which marks the image in
// use for it; `next` is set while the image changes from one session to the other, else 0.
struct KeptZones::Header {
    static constexpr std::size_t size = 64;
    std::uint64_t magic = 0;
    std::array<std::uint8_t, 16> uuid{};
    std::uint64_t zone_count = 0;
    std::uint64_t sequence = 0;
    std::uint64_t next = 0;
};

namespace {

constexpr std::uint64_t magic = 0x3154504b584c4652;  // "RFLXKPT1"

std::size_t length_for(std::uint64_t zone_count) {
    return 64 + zone_count * sizeof(std::uint64_t);
}

}  // namespace

Result<std::string> KeptZones::default_folder() {
    for (const char* folder : {"/run", "/dev/shm"}) {
        struct statfs status {};
        if (::statfs(folder, &status) == 0 && status.f_type == TMPFS_MAGIC) {
            return std::string(folder);
        }
    }
    return fail(ErrorKind::unsupported,
                "neither /run nor /dev/shm is a tmpfs: there is no place for what outlives a killed daemon; "
                "mount -t tmpfs tmpfs /dev/shm");
}

std::string KeptZones::file_name(std::uint64_t identity) {
    return fmt::format("refluxd-{:016x}.zones", identity);
}

std::uint64_t KeptZones::identity_of(const Superblock& superblock) {
    std::uint64_t identity = 0;
    for (std::size_t i = 0; i < sizeof(identity); ++i) {
        identity = identity << 8U | superblock.uuid.at(i);
    }
    return identity;
}

KeptZones::Header& KeptZones::header() const {
    static_assert(sizeof(Header) <= Header::size && std::atomic<std::uint64_t>::is_always_lock_free);
    return *static_cast<Header*>(memory_.get().address);
}

std::span<std::atomic<std::uint64_t>> KeptZones::words() const {
    auto* const first = static_cast<std::byte*>(memory_.get().address) + Header::size;
    return {reinterpret_cast<std::atomic<std::uint64_t>*>(first), header().zone_count};
}

Result<KeptZones> KeptZones::map(std::string path, UniqueFd fd, std::size_t length) {
    void* const address =
        ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (address == MAP_FAILED) {
        return fail_errno("mmap " + path);
    }
    // tmpfs may be swapped out; where a limit forbids this, it is so.
    static_cast<void>(::mlock(address, length));
    UniqueMapping memory({.address = address, .length = length});
    return KeptZones(std::move(path), std::move(fd), std::move(memory));
}

Result<KeptZones> KeptZones::make(const std::string& folder, const Superblock& superblock) {
    const std::string path = folder + "/" + file_name(identity_of(superblock));
    REFLUX_TRY(auto fd, open_file(path, O_RDWR | O_CREAT));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(ErrorKind::invalid_input,
                    path + " is in use: another refluxd serves this image or a copy of it");
    }
    const std::size_t length = length_for(superblock.geometry.zone_count());
    // fallocate, for a store to a page that tmpfs has no room for would be SIGBUS.
    if (::ftruncate(fd.get(), 0) != 0 || ::fallocate(fd.get(), 0, 0, static_cast<off_t>(length)) != 0) {
        return fail_errno("make " + path);
    }
    REFLUX_TRY(auto kept, map(path, std::move(fd), length));
    kept.header() = {.magic = magic,
                     .uuid = superblock.uuid,
                     .zone_count = superblock.geometry.zone_count(),
                     .next = superblock.sequence + 1};
    return kept;
}

Result<KeptZones> KeptZones::take_over(const std::string& folder, const Superblock& superblock) {
    const std::string path = folder + "/" + file_name(identity_of(superblock));
    const auto refuse = [&path](std::string_view why) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{} {}; only of an image whose daemon was killed, and that was not served "
                                "since, can another daemon take over the device",
                                path, why));
    };
    auto opened = open_file(path, O_RDWR);
    if (!opened) {
        return refuse(opened.error().errnum == ENOENT ? "is not there" : opened.error().message);
    }
    UniqueFd fd = std::move(*opened);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail({.kind = ErrorKind::invalid_input,
                     .message = path + " is in use: the daemon before is still there",
                     .errnum = EWOULDBLOCK});
    }
    struct stat status {};
    const std::size_t length = length_for(superblock.geometry.zone_count());
    if (::fstat(fd.get(), &status) != 0 || static_cast<std::size_t>(status.st_size) != length) {
        return refuse("is not of this image");
    }
    REFLUX_TRY(auto kept, map(path, std::move(fd), length));
    Header& header = kept.header();
    if (header.magic != magic || header.uuid != superblock.uuid ||
        header.zone_count != superblock.geometry.zone_count()) {
        return refuse("is not of this image");
    }
    const bool is_next = header.next != 0 && superblock.sequence == header.next;
    if (superblock.clean || (superblock.sequence != header.sequence && !is_next)) {
        return refuse("is of before the image was in use again");
    }
    header.next = superblock.sequence + 1;
    return kept;
}

void KeptZones::begin_session() {
    header().sequence = header().next;
    header().next = 0;
}

std::vector<Zone> KeptZones::zones(const ZonedGeometry& geometry) const {
    std::vector<Zone> zones;
    zones.reserve(words().size());
    for (const auto& word : words()) {
        zones.push_back(zone_of_word(word.load(std::memory_order_relaxed), geometry.type_of({zones.size()})));
    }
    return zones;
}

void KeptZones::remove() {
    ::unlink(path_.c_str());
}

void KeptZones::discard(std::uint64_t identity) {
    const auto folder = default_folder();
    const std::string path = folder.value_or("") + "/" + file_name(identity);
    const auto fd = open_file(path, O_RDWR);
    if (fd && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) {
        ::unlink(path.c_str());
    }
}

}  // namespace reflux
