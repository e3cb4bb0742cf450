// Compares an open file with what the ledger says of it; for the generator's read back and the verifier.
#pragma once

#include "harness/workload/content.h"
#include "harness/workload/progress.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace reflux::workload {

// What a file shall hold: `content` up to `rewritten`, the content before it from there to `size`.
struct Expected {
    Content content;
    Content old_content;
    std::uint64_t rewritten = 0;
    std::uint64_t size = 0;
};
Expected expected_of(const FileSlot& slot, std::uint64_t seed, std::uint32_t worker);

struct Comparison {
    std::uint64_t bytes = 0;  // read and compared
    std::string difference;   // empty: equal
    int errnum = 0;           // of a call that failed; 0: the data is different
};

// Holds the buffers, so that reading a file allocates nothing.
class Comparer {
  public:
    Comparer() : found_(piece), wanted_(piece) {}
    // The size and all bytes.
    Comparison compare(int fd, const Expected& expected);
    // The bytes from `offset`, at most `length`, within the file.
    Comparison compare_range(int fd, const Expected& expected, std::uint64_t offset, std::uint64_t length);

  private:
    static constexpr std::size_t piece = 262144;
    std::vector<std::byte> found_;
    std::vector<std::byte> wanted_;
};

}  // namespace reflux::workload
