#include "harness/observe/bounded_text.h"

#include "backend/base/kernel_file.h"

#include <algorithm>

namespace reflux::observe {

Result<BoundedText> BoundedText::create(const std::string& path, std::size_t half_bytes) {
    REFLUX_TRY(auto file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    return BoundedText(std::move(file), path, half_bytes);
}

Status BoundedText::append(std::string_view text) {
    if (head_bytes_ < half_bytes_) {
        const auto head = text.substr(0, half_bytes_ - head_bytes_);
        head_bytes_ += head.size();
        text.remove_prefix(head.size());
        REFLUX_CHECK(write_all(file_.get(), head, path_));
    }
    tail_.append(text);
    // Moved seldom, so that a long trace does not cost one move of the tail a call.
    if (tail_.size() > 2 * half_bytes_) {
        cut_bytes_ += tail_.size() - half_bytes_;
        tail_.erase(0, tail_.size() - half_bytes_);
    }
    return {};
}

Status BoundedText::finish() {
    if (tail_.size() > half_bytes_) {
        cut_bytes_ += tail_.size() - half_bytes_;
        tail_.erase(0, tail_.size() - half_bytes_);
    }
    if (cut_bytes_ > 0) {
        const auto line_end =
            std::min(tail_.find('\n'), tail_.size() - std::min<std::size_t>(tail_.size(), 1));
        const auto partial = tail_.empty() ? 0 : line_end + 1;
        cut_bytes_ += partial;
        tail_.erase(0, partial);
        REFLUX_CHECK(write_all(file_.get(), fmt::format("\n# {} bytes were cut here\n", cut_bytes_), path_));
    }
    REFLUX_CHECK(write_all(file_.get(), tail_, path_));
    tail_.clear();
    file_.reset();
    return {};
}

}  // namespace reflux::observe
