// The image file: made, opened, locked; its superblock kept. Its zone table is written by ImageTable; the
// data in it is the engine's business.
#pragma once

#include "backend/base/unique_fd.h"
#include "backend/image_reader.h"

#include <memory>
#include <string>

namespace reflux {

// Makes (or with `force` overwrites) an image with all sequential zones empty, of the type that the
// geometry's model has. The data is a hole. Refused: an existing file without force, one that is in use, one
// that is no regular file.
// `translated`: to be served through a translation, which makes its own metadata when it first is.
Status format_image(const std::string& path, const ZonedGeometry& geometry, bool force,
                    bool translated = false);
// The same in a file that is open; what was in it is gone.
Status write_new_image(ImageFile& file, const ZonedGeometry& geometry, bool translated = false);

class Image {
  public:
    struct Opened;
    // Opens for this process alone (a lock on the open file) and validates everything; changes nothing. What
    // is wrong with the image is invalid_input and names it with the path.
    static Result<Opened> open(const std::string& path);
    // The same of a file that is open; `path` is what it is called in errors.
    static Result<Opened> open(std::unique_ptr<ImageFile> file, const std::string& path);

    // For the engine's I/O: an open file of its own. A failed write-back is told once to each open file, so
    // that an error which the engine got is not hidden from the zone table's writer.
    [[nodiscard]] int fd() const { return data_fd_.get(); }
    // For metadata.
    [[nodiscard]] ImageFile& file() const { return *file_; }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const Superblock& superblock() const { return superblock_; }
    // True when the one who had it open before ended without close().
    [[nodiscard]] bool was_unclean() const { return was_unclean_; }

    // Clears the clean flag on disk; to be called before the first write.
    Status mark_in_use() { return write_superblock(false); }
    // Syncs, then marks the image clean, or not, and syncs that. The zone table must have been written.
    Status close(bool clean = true);

  private:
    Image(std::unique_ptr<ImageFile> file, std::string path, const ImageContents& contents)
        : file_(std::move(file)),
          path_(std::move(path)),
          superblock_(contents.superblock),
          was_unclean_(contents.was_unclean) {}
    Status write_superblock(bool clean);

    UniqueFd fd_;  // holds the lock
    UniqueFd data_fd_;
    std::unique_ptr<ImageFile> file_;
    std::string path_;
    Superblock superblock_;
    bool was_unclean_ = false;
};

struct Image::Opened {
    Image image;
    ZoneTable zones;  // after a power cycle: no zone is open
    TableState table;
    ImageFindings findings;  // repairable ones
};

// What fsck and report read: nothing is changed, and a file that may only be read will do. An image in use is
// refused. `with_translation`: findings of what a translated image has of its own among them.
struct InspectedImage {
    ImageFindings findings;
    Result<ImageContents> contents;  // its error: the first fatal finding, or what else stopped the reading
};
Result<InspectedImage> inspect_image(const std::string& path, bool with_translation = false);

// Writes anew what inspect_image finds repairable, with_translation, out of the intact copies; nothing else
// changes. Returns how much that was but for the translation's part. What is fatal is refused as by
// Image::open.
Result<ImageFindings> repair_image(const std::string& path);

}  // namespace reflux
