// The image file: opened, locked, validated; its metadata read and written. The data in it is the engine's
// business.
#pragma once

#include "backend/base/unique_fd.h"
#include "backend/image_format.h"

#include <cstdint>
#include <string>

namespace reflux {

// Makes (or with `force` overwrites) an image with all sequential zones empty, of the type
// that the geometry's model has (format version 1 keeps only that of host-aware disks). The data is a hole.
// Refused: an existing file without force, one that is in use, one that is no regular file.
Status format_image(const std::string& path, const ZonedGeometry& geometry, bool force);

class Image {
  public:
    struct Opened;
    // Opens for this process alone (a lock on the open file) and validates everything; changes nothing. What
    // is wrong with the image is invalid_input and names it with the path.
    static Result<Opened> open(const std::string& path);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const Superblock& superblock() const { return superblock_; }
    // True when the one who had it open before ended without close().
    [[nodiscard]] bool was_unclean() const { return was_unclean_; }

    // Clears the clean flag on disk; to be called before the first write.
    Status mark_in_use() { return write_superblock(false); }
    // Writes one zone table block; 0 or an errno value. No allocation. It lasts after the next sync of fd().
    [[nodiscard]] int write_table_block(std::uint64_t index, const ImageBlock& block) const;
    // Syncs, then marks the image clean and syncs that. The zone table must have been written.
    Status close();

  private:
    Image(UniqueFd fd, std::string path, const Superblock& superblock)
        : fd_(std::move(fd)), path_(std::move(path)), superblock_(superblock) {}
    Status write_superblock(bool clean);

    UniqueFd fd_;
    std::string path_;
    Superblock superblock_;
    bool was_unclean_ = false;
};

struct Image::Opened {
    Image image;
    ZoneTable zones;             // after a power cycle: no zone is open
    bool zones_changed = false;  // by that: the file's table differs
};

}  // namespace reflux
