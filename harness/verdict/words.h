// Small pieces of the sentences that a verdict is made of.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/frames.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::verdict {

inline constexpr double mebibyte = 1048576.0;  // bytes, of figures with a fraction

std::string join(const std::vector<std::string>& parts, std::string_view separator);
// "1 request", "3 requests".
std::string counted(std::uint64_t count, std::string_view noun);
// "thread 7", "threads 7, 8, 9"; a long list is cut with "and N more".
std::string thread_list(const std::vector<int>& tids);
// "5.2 s", "19.5 ms", "37 us"
std::string time_words(double seconds);
// "refluxd[4243]"
std::string name_of(const evidence::TaskSample& task);
// "in folio writeback", "waiting for a metadata buffer"
std::string in_wait(Wait wait);
std::string number_or_unknown(const std::optional<std::uint64_t>& number);
std::string text_or(const std::string& text, std::string_view otherwise);
// What a gfp mask, as the kernel prints it, lets reclaim do: "may call into filesystems",
// "may not call into filesystems (GFP_NOFS)", "may not start I/O (GFP_NOIO)"; empty: cannot be told.
std::string reach_of(std::string_view gfp_flags);

}  // namespace reflux::verdict
