#include "backend/zone_memory.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace reflux {
namespace {

constexpr std::size_t header_size = 64;

// Written bytes, condition and flags in one word, for the process may be killed between two stores.
constexpr unsigned condition_shift = 56;
constexpr std::uint64_t written_mask = (std::uint64_t{1} << condition_shift) - 1;
constexpr std::uint64_t non_sequential_bit = std::uint64_t{1} << 60U;
constexpr std::uint64_t reset_recommended_bit = std::uint64_t{1} << 61U;

std::uint64_t word_of(const Zone& zone) {
    return (zone.written.value & written_mask) |
           static_cast<std::uint64_t>(zone.condition) << condition_shift |
           (zone.non_sequential ? non_sequential_bit : 0) |
           (zone.reset_recommended ? reset_recommended_bit : 0);
}

Zone zone_of(std::uint64_t word, ZoneType type) {
    return {.written = {word & written_mask},
            .type = type,
            .condition = static_cast<ZoneCondition>(word >> condition_shift & 0xfU),
            .non_sequential = (word & non_sequential_bit) != 0,
            .reset_recommended = (word & reset_recommended_bit) != 0};
}

constexpr std::uint64_t file_magic = 0x31454e5a584c4652;  // "RFLXZNE1"

std::string file_name(const Superblock& superblock) {
    std::string name = "refluxd-";
    for (const std::uint8_t byte : superblock.uuid) {
        name += fmt::format("{:02x}", byte);
    }
    return name + ".zones";
}

bool is_in_memory(const struct statfs& status) {
    return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

Status check_in_memory(int fd, const std::string& path) {
    struct statfs status {};
    if (::fstatfs(fd, &status) != 0) {
        return fail_errno("statfs " + path);
    }
    if (!is_in_memory(status)) {
        return fail(ErrorKind::unsupported, path + " would lie in no memory filesystem");
    }
    return {};
}

// The begin of the file: the zones of which image, held for which session; sequence 0 holds nothing.
struct Holding {
    std::uint64_t magic = 0;
    std::array<std::uint8_t, 16> uuid{};
    std::uint64_t zone_count = 0;
    std::uint64_t sequence = 0;

    // It holds zones that this image had when its superblock had this sequence number, or was about to get
    // the next one.
    [[nodiscard]] bool is_of(const Superblock& superblock, std::uint64_t now) const {
        return magic == file_magic && sequence != 0 && (sequence == now || sequence == now + 1) &&
               uuid == superblock.uuid && zone_count == superblock.geometry.zone_count();
    }
};

// An existing file is one of ours, or an empty one that a process left which was killed at this.
Status check_is_ours(int fd, const std::string& path) {
    std::uint64_t found = 0;
    const ssize_t n = ::pread(fd, &found, sizeof(found), 0);
    if (n < 0) {
        return fail_errno("read " + path);
    }
    return found == file_magic || found == 0
               ? Status{}
               : fail(ErrorKind::invalid_input,
                      path + " holds something else than zones: name another file for --zone-memory");
}

// A new one that cannot be used does not stay.
Result<UniqueFd> open_zone_file(const std::string& path) {
    auto made = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (made) {
        if (auto usable = check_in_memory(made->get(), path); !usable) {
            ::unlink(path.c_str());
            return fail(usable.error());
        }
        return made;
    }
    REFLUX_TRY(auto found, open_file(path, O_RDWR | O_NOFOLLOW));
    REFLUX_CHECK(check_in_memory(found.get(), path));
    REFLUX_CHECK(check_is_ours(found.get(), path));
    return found;
}

}  // namespace

std::string zone_memory_folder() {
    for (const char* const folder : {"/run", "/dev/shm"}) {
        struct statfs status {};
        if (::statfs(folder, &status) == 0 && is_in_memory(status)) {
            return folder;
        }
    }
    return "";
}

std::string kept_zones_of(const Superblock& superblock, const std::string& folder) {
    std::string path = folder + "/" + file_name(superblock);
    const auto fd = open_file(path, O_RDONLY | O_NOFOLLOW);
    Holding holding;
    const bool is_read = fd && ::pread(fd->get(), &holding, sizeof(holding), 0) == sizeof(holding);
    return is_read && holding.is_of(superblock, superblock.sequence) ? std::move(path) : std::string();
}

std::uint64_t image_identity(const Superblock& superblock) {
    std::uint64_t identity = 0;
    for (std::size_t i = 0; i < sizeof(identity); ++i) {
        identity = identity << 8U | superblock.uuid.at(i);
    }
    return identity;
}

Result<std::unique_ptr<ZoneMemory>> ZoneMemory::open(const std::string& place, const Superblock& superblock) {
    struct stat status {};
    const bool is_folder = ::stat(place.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    std::string path = is_folder ? place + "/" + file_name(superblock) : place;
    REFLUX_TRY(const auto fd, open_zone_file(path));
    const std::size_t size = header_size + superblock.geometry.zone_count() * sizeof(Record);
    // All of it now: a store into memory that cannot be had would end the process.
    if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size)); error != 0) {
        return fail_errno(fmt::format("allocate {} bytes for {}", size, path), error);
    }
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (address == MAP_FAILED) {
        return fail_errno("mmap " + path);
    }
    // A memory filesystem may be swapped out; where a limit forbids this, it is so.
    static_cast<void>(::mlock(address, size));
    return std::unique_ptr<ZoneMemory>(
        new ZoneMemory(std::move(path), Mapping({.address = address, .length = size}), superblock));
}

ZoneMemory::ZoneMemory(std::string path, Mapping mapping, const Superblock& superblock)
    : path_(std::move(path)), mapping_(std::move(mapping)), superblock_(superblock) {
    static_assert(sizeof(Header) <= header_size && sizeof(Header) == sizeof(Holding) &&
                  std::atomic<std::uint64_t>::is_always_lock_free);
}

ZoneMemory::Header& ZoneMemory::header() const {
    return *reinterpret_cast<Header*>(bytes_of(mapping_).data());
}

std::span<ZoneMemory::Record> ZoneMemory::records() const {
    auto* const first = reinterpret_cast<Record*>(bytes_of(mapping_).subspan(header_size).data());
    return {first, superblock_.geometry.zone_count()};
}

bool ZoneMemory::is_of(std::uint64_t sequence) const {
    return Holding{.magic = header().magic,
                   .uuid = header().uuid,
                   .zone_count = header().zone_count,
                   .sequence = header().sequence.load()}
        .is_of(superblock_, sequence);
}

// A session holds the sequence number of its own superblock before that is written: it may have died before.
std::optional<ZoneMemory::Kept> ZoneMemory::kept(const Superblock& superblock) const {
    if (!is_of(superblock.sequence)) {
        return std::nullopt;
    }
    Kept kept;
    kept.zones.reserve(superblock_.geometry.zone_count());
    kept.last_writes.reserve(superblock_.geometry.zone_count());
    for (const Record& record : records()) {
        kept.zones.push_back(zone_of(record.state.load(), superblock_.geometry.type_of({kept.zones.size()})));
        kept.last_writes.push_back({record.last_write.load()});
    }
    return kept;
}

void ZoneMemory::begin(const ZoneTable& zones, std::uint64_t sequence) {
    if (!is_of(sequence - 1)) {  // what kept() would not have taken
        header().sequence.store(0);
        header().magic = file_magic;
        for (Record& record : records()) {
            record.last_write.store(0);
        }
    }
    for (std::uint64_t id = 0; id < superblock_.geometry.zone_count(); ++id) {
        const Zone zone = zones.zone({id});
        Record& record = records()[id];
        if (record.state.load() != word_of(zone)) {
            record.state.store(word_of(zone));
        }
    }
    header().uuid = superblock_.uuid;
    header().zone_count = superblock_.geometry.zone_count();
    header().sequence.store(sequence);
}

void ZoneMemory::put(ZoneId id, const Zone& zone, Bytes last_write) {
    Record& record = records()[id.value];
    // The length first: with an old pointer it says nothing that a check would take.
    record.last_write.store(last_write.value, std::memory_order_release);
    record.state.store(word_of(zone), std::memory_order_release);
}

void ZoneMemory::remove() {
    header().sequence.store(0);
    ::unlink(path_.c_str());
}

}  // namespace reflux
