#include "harness/observe/trace_probes.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <cctype>

namespace reflux::observe {

std::string probe_group(std::string_view run_name) {
    std::string group(run_name);
    std::replace_if(
        group.begin(), group.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return group;
}

TraceProbes define_probes(const std::string& tracefs_dir, const std::string& group) {
    TraceProbes probes{.group = group, .events = {}, .problem = {}};
    const auto file = tracefs_dir + "/kprobe_events";
    if (::access(file.c_str(), F_OK) != 0) {
        probes.problem = "this kernel has no kprobe events";
        return probes;
    }
    // struct super_block begins with a list_head, then comes dev_t s_dev (include/linux/fs.h).
    constexpr auto device_at = 2 * sizeof(void*);
    for (const auto* function : {"prune_dcache_sb", "prune_icache_sb"}) {
        const auto made = write_file(
            file, fmt::format("p:{}/{} {} sb_dev=+{}($arg1):u32\n", group, function, function, device_at));
        if (made) {
            probes.events.emplace_back(function);
        } else {
            probes.problem = made.error().message;
        }
    }
    return probes;
}

}  // namespace reflux::observe
