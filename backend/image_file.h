// The lower file as the image's metadata needs it: the seam at which the crash test stands. Production does
// system calls.
#pragma once

#include "backend/base/unique_fd.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace reflux {

// All answer 0 or an errno value, and allocate nothing. Threads: any.
class ImageFile {
  public:
    virtual ~ImageFile() = default;

    // All of `buffer`; EIO where the file ends too soon.
    virtual int read(std::uint64_t offset, std::span<std::byte> buffer) const = 0;
    virtual int write(std::uint64_t offset, std::span<const std::byte> buffer) = 0;
    // fdatasync(2): what was written before it began, through any descriptor, outlasts a loss of power.
    virtual int sync() = 0;
    // The range reads as zeroes and takes no room: fallocate(2) with FALLOC_FL_PUNCH_HOLE.
    virtual int discard(std::uint64_t offset, std::uint64_t length) = 0;
    virtual int size(std::uint64_t& bytes) const = 0;
    virtual int set_size(std::uint64_t bytes) = 0;

  protected:
    ImageFile() = default;
    ImageFile(const ImageFile&) = default;
    ImageFile& operator=(const ImageFile&) = default;
    ImageFile(ImageFile&&) = default;
    ImageFile& operator=(ImageFile&&) = default;
};

// `fd` stays the caller's.
std::unique_ptr<ImageFile> make_image_file(int fd);

}  // namespace reflux
