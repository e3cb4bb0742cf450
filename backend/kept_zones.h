// Zones of a disk that is served, in memory that outlives the process but not the machine: a file in tmpfs.
// A kill takes a daemon's write pointers with it and leaves the data, which are in the kernel's page cache;
// with these the next daemon goes on at the very zones of which hosts have had answers, as if it were the
// first one. After a loss of power there are none, and the image's zone table counts.
//
// A word a zone, stored whole, so that a kill at any moment leaves each zone as it was or as it is. Nothing
// is written to a disk and no page faults in: it may be done on the way of I/O. A file is of one image (its
// identity) and of one session of it (the superblock's sequence), and locked by who uses it.
#pragma once

#include "backend/base/mapping.h"
#include "backend/base/unique_fd.h"
#include "backend/image_format.h"

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace reflux {

class KeptZones {
  public:
    // The folder in which they are, and how the file of an image with this identity is called in it.
    // unsupported: none of /run and /dev/shm is a tmpfs.
    static Result<std::string> default_folder();
    static std::string file_name(std::uint64_t identity);
    // The first eight bytes of the image's.
    static std::uint64_t identity_of(const Superblock& superblock);

    // For a session that is about to begin; what an older one has left is gone. `superblock` is that of
    // before Image::mark_in_use(). invalid_input: another process uses them, for the image or a copy of it.
    static Result<KeptZones> make(const std::string& folder, const Superblock& superblock);
    // Those of the session before, which has ended without close(). invalid_input: there are none, or the
    // image was in use since.
    static Result<KeptZones> take_over(const std::string& folder, const Superblock& superblock);

    // Once the image is marked: the session has begun.
    void begin_session();
    // As they were kept; for ZoneTable::restore.
    [[nodiscard]] std::vector<Zone> zones(const ZonedGeometry& geometry) const;
    // Where ZoneTable keeps them.
    [[nodiscard]] std::span<std::atomic<std::uint64_t>> words() const;
    // At a clean end: there is nothing to take over any more.
    void remove();
    // Those of a session that nobody is going to take over. Nothing is done while somebody uses them.
    static void discard(std::uint64_t identity);

  private:
    struct Header;

    KeptZones(std::string path, UniqueFd fd, UniqueMapping memory)
        : path_(std::move(path)), fd_(std::move(fd)), memory_(std::move(memory)) {}
    static Result<KeptZones> map(std::string path, UniqueFd fd, std::size_t length);
    [[nodiscard]] Header& header() const;

    std::string path_;
    UniqueFd fd_;  // holds the lock
    UniqueMapping memory_;
};

}  // namespace reflux
