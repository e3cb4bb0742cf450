#include "harness/scenario/near.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace reflux::scenario {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

std::vector<std::string> near_words(std::string_view word, const std::vector<std::string>& words) {
    const std::size_t most = std::max<std::size_t>(2, word.size() / 3);
    std::vector<std::pair<std::size_t, std::string>> near;
    for (const std::string& candidate : words) {
        // A part of a long name is near too: "own-cgroup" for "fuse-ext4-own-cgroup".
        const bool part = word.size() >= 3 && candidate.find(word) != std::string::npos;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance <= most || part) {
            near.emplace_back(distance, candidate);
        }
    }
    std::sort(near.begin(), near.end());
    // Only what is about as near as the nearest: further ones are noise beside it.
    std::vector<std::string> nearest;
    for (const auto& [distance, candidate] : near) {
        if (nearest.size() < 3 && distance <= near.front().first + 1) {
            nearest.push_back(candidate);
        }
    }
    return nearest;
}

std::string did_you_mean(const std::vector<std::string>& words) {
    if (words.empty()) {
        return "";
    }
    return fmt::format("; did you mean '{}'?", fmt::join(words, "' or '"));
}

}  // namespace reflux::scenario
