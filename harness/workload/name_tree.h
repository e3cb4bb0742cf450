// Empty files without number, which are made and removed again: what fills the caches of inodes and dentries,
// and what rm -rf walks. Nothing is verified of them, and no ledger is kept.
//     w00/names/n000003/      some thousand files with long names, so that the directory has blocks of its
//     own
#pragma once

#include "backend/base/result.h"

#include <cstdint>
#include <functional>
#include <string>

namespace reflux::workload {

inline constexpr const char* names_folder = "names";
inline constexpr std::uint32_t names_per_directory = 1000;

class NameTree {
  public:
    // `root`: descriptor of the directory under test, which outlives it; `folder`: the worker's.
    NameTree(int root, std::string folder, std::uint32_t names);

    // Makes all of them; `made` is called after each, and ends it by returning false.
    Status fill(const std::function<bool()>& made);
    // What the next turn() does.
    [[nodiscard]] bool removes_next() const { return next_ - oldest_ == directories_; }
    // Removes the oldest directory with all that is in it, or makes one anew in its place.
    Status turn();

  private:
    [[nodiscard]] std::string path(std::uint32_t number) const;
    Status make(std::uint32_t number, const std::function<bool()>& made) const;
    Status remove(std::uint32_t number) const;

    int root_;
    std::string folder_;
    std::uint32_t in_each_;
    std::uint32_t directories_;  // when it is full
    std::uint32_t oldest_ = 0;   // they go from here to next_ - 1
    std::uint32_t next_ = 0;
};

}  // namespace reflux::workload
