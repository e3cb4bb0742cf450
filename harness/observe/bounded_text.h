// A text file of bounded length: its first and its last part, with a line between them that says how much was
// cut.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reflux::observe {

class BoundedText {
  public:
    // Makes the file, or empties it. The last part is held in memory until finish().
    static Result<BoundedText> create(const std::string& path, std::size_t half_bytes);

    Status append(std::string_view text);
    // Writes the last part, from the beginning of a line; append nothing afterwards.
    Status finish();

  private:
    BoundedText(UniqueFd file, std::string path, std::size_t half_bytes)
        : file_(std::move(file)), path_(std::move(path)), half_bytes_(half_bytes) {}

    UniqueFd file_;
    std::string path_;
    std::size_t half_bytes_;
    std::size_t head_bytes_ = 0;
    std::uint64_t cut_bytes_ = 0;
    std::string tail_;  // at most twice half_bytes_ while appending
};

}  // namespace reflux::observe
