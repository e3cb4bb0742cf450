#include "harness/verdict/words.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace reflux::verdict {

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const std::string& part : parts) {
        if (!text.empty()) {
            text += separator;
        }
        text += part;
    }
    return text;
}

std::string counted(std::uint64_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string thread_list(const std::vector<int>& tids) {
    constexpr std::size_t shown = 8;
    std::vector<std::string> numbers;
    for (std::size_t i = 0; i < std::min(tids.size(), shown); ++i) {
        numbers.push_back(std::to_string(tids[i]));
    }
    const std::string more =
        tids.size() > shown ? fmt::format(" and {} more", tids.size() - shown) : std::string();
    return fmt::format("thread{} {}{}", tids.size() == 1 ? "" : "s", join(numbers, ", "), more);
}

std::string time_words(double seconds) {
    constexpr double milli = 1e-3;
    constexpr double micro = 1e-6;
    return seconds >= 1       ? fmt::format("{:.1f} s", seconds)
           : seconds >= milli ? fmt::format("{:.1f} ms", seconds / milli)
                              : fmt::format("{:.0f} us", seconds / micro);
}

std::string name_of(const evidence::TaskSample& task) {
    return fmt::format("{}[{}]", task.name.empty() ? "task" : task.name, task.tid);
}

std::string in_wait(Wait wait) {
    const bool state = is_bounded(wait) || wait == Wait::folio_writeback || wait == Wait::memcg_oom;
    return fmt::format("{} {}", state ? "in" : "waiting for", to_string(wait));
}

std::string number_or_unknown(const std::optional<std::uint64_t>& number) {
    return number ? std::to_string(*number) : "(unknown)";
}

std::string text_or(const std::string& text, std::string_view otherwise) {
    return text.empty() ? std::string(otherwise) : text;
}

std::string reach_of(std::string_view gfp_flags) {
    // The names that the kernel prints for a whole set of flags; each of the first group contains __GFP_FS.
    constexpr auto with_fs = std::to_array<std::string_view>(
        {"GFP_KERNEL", "GFP_KERNEL_ACCOUNT", "GFP_USER", "GFP_HIGHUSER", "GFP_HIGHUSER_MOVABLE",
         "GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT", "__GFP_FS"});
    bool noio = false;
    bool nofs = false;
    bool io = false;
    for (std::size_t begin = 0; begin <= gfp_flags.size();) {
        const std::size_t end = std::min(gfp_flags.find('|', begin), gfp_flags.size());
        const std::string_view name = gfp_flags.substr(begin, end - begin);
        if (std::ranges::find(with_fs, name) != with_fs.end()) {
            return "may call into filesystems";
        }
        noio = noio || name == "GFP_NOIO";
        nofs = nofs || name == "GFP_NOFS";
        io = io || name == "__GFP_IO";
        begin = end + 1;
    }
    if (nofs || (noio && io)) {
        return "may not call into filesystems (GFP_NOFS)";
    }
    return noio ? "may not start I/O or call into filesystems (GFP_NOIO)" : "";
}

}  // namespace reflux::verdict
