#include "backend/base/meminfo.h"

#include "backend/base/kernel_file.h"

#include <charconv>

namespace reflux {

std::optional<Bytes> meminfo_field(std::string_view text, std::string_view key) {
    // "MemTotal:       24683904 kB"
    for (const std::string& line : lines_of(text)) {
        const auto words = split(line, ' ');
        if (words.size() < 2 || !words[0].ends_with(':') ||
            std::string_view(words[0]).substr(0, words[0].size() - 1) != key) {
            continue;
        }
        std::uint64_t number = 0;
        const std::string& digits = words[1];
        if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec == std::errc{}) {
            return kibibytes(number);
        }
    }
    return std::nullopt;
}

}  // namespace reflux
