// The zones of an open image as they are at each moment, in a file of a memory filesystem: what outlives the
// process that serves the disk, and not the machine. For front ends whose disk stays when the daemon is
// killed (TCMU, ublk): it has acknowledged writes whose data is in the page cache, and which no flush has
// been asked for; the next daemon must know their write pointers. A power failure takes both, as it does a
// disk's cache.
//
// A record is a word, stored after the write that it speaks of and before the answer to it; so it may speak
// of a write that nobody was told of, and which comes again (ZonedDevice takes it).
#pragma once

#include "backend/base/mapping.h"
#include "backend/base/unique_fd.h"
#include "backend/image_format.h"

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace reflux {

// Where the files lie: the first of /run and /dev/shm that is a memory filesystem; empty: none is.
std::string zone_memory_folder();

// The file in the folder in which a killed daemon has left zones of this image that are newer than it; empty:
// there is none.
std::string kept_zones_of(const Superblock& superblock, const std::string& folder);

// The first eight bytes of an image's uuid: what the kernel can keep of it beside a device.
std::uint64_t image_identity(const Superblock& superblock);

class ZoneMemory {
  public:
    // Opens or makes the file `place`, or that of this image in the folder `place`, mapped and in memory.
    // unsupported: it is in no memory filesystem; invalid_input: a file is there that is none of ours.
    static Result<std::unique_ptr<ZoneMemory>> open(const std::string& place, const Superblock& superblock);
    ZoneMemory(const ZoneMemory&) = delete;
    ZoneMemory& operator=(const ZoneMemory&) = delete;
    ZoneMemory(ZoneMemory&&) = delete;
    ZoneMemory& operator=(ZoneMemory&&) = delete;
    ~ZoneMemory() = default;

    // The zones that a daemon which died has left, if no other one has had the image since. Their types are
    // the geometry's. Beside each the length of the last write that moved its pointer.
    struct Kept {
        std::vector<Zone> zones;
        std::vector<Bytes> last_writes;
    };
    [[nodiscard]] std::optional<Kept> kept(const Superblock& superblock) const;
    // Holds these zones from now on, for the session in which the superblock will have this sequence number.
    void begin(const ZoneTable& zones, std::uint64_t sequence);
    void put(ZoneId id, const Zone& zone, Bytes last_write);
    // At a clean end.
    void remove();

  private:
    struct Header {
        std::uint64_t magic;
        std::array<std::uint8_t, 16> uuid;
        std::uint64_t zone_count;
        std::atomic<std::uint64_t> sequence;  // 0: nothing is held
    };
    struct Record {
        std::atomic<std::uint64_t> state;
        std::atomic<std::uint64_t> last_write;
    };
    ZoneMemory(std::string path, Mapping mapping, const Superblock& superblock);
    [[nodiscard]] bool is_of(std::uint64_t sequence) const;
    [[nodiscard]] Header& header() const;
    [[nodiscard]] std::span<Record> records() const;

    std::string path_;
    Mapping mapping_;
    Superblock superblock_;  // of the image, as it was opened
};

}  // namespace reflux
