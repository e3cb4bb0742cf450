// Mitigations that no kernel has: by the prototype module (kernel/, backend/base/reflux_reclaim.h).
#include "backend/base/kernel_file.h"
#include "backend/base/reflux_reclaim.h"
#include "harness/mitigation/refluxd_status.h"
#include "harness/mitigation/rows.h"

namespace reflux::mitigation {
namespace {

// refluxd counts a call before it makes it: as many threads may stand between the two.
constexpr std::uint64_t most_threads = 64;

// By the module's counter, which only the module itself moves.
Result<std::uint64_t> counter(const Target& target, const char* name) {
    constexpr std::string_view sys = "/sys";
    return read_number(
        fmt::format("{}{}/{}", target.sys, std::string_view(REFLUX_SCOPE_COUNTERS).substr(sys.size()), name));
}

// The counters are of all that use the module, so refluxd's own count stands beside them; the mask of each
// reclaim is in the trace.
evidence::Mitigation flag_read_back(const Row& row, const Target& target) {
    const auto calls = counter(target, "rwf_calls");
    const auto refused = counter(target, "rwf_refused");
    const auto missed = counter(target, "rwf_missed");
    if (!calls || !refused || !missed) {
        return not_in_force(row, (!calls ? calls : !refused ? refused : missed).error().message);
    }
    const auto made = calls_of(target).count("flagged");
    if (*refused > 0 || *missed > 0 || *calls + most_threads < made || *calls == 0) {
        return not_in_force(
            row, fmt::format("of {} calls of refluxd the module marked {}, refused {}, missed {}", made,
                             *calls, *refused, *missed));
    }
    return in_force(row, fmt::format("{} calls of refluxd with RWF_NOFSRECLAIM; {} ran in the module's NOFS "
                                     "scope, none was refused",
                                     made, *calls));
}

evidence::Mitigation scope_read_back(const Row& row, const Target& target) {
    const auto enters = counter(target, "scope_enters");
    if (!enters) {
        return not_in_force(row, enters.error().message);
    }
    const auto calls = calls_of(target);
    const auto scoped = calls.count("scoped");
    const auto failed = calls.count("scope_failures");
    if (*enters == 0 || *enters < scoped || failed > 0) {
        return not_in_force(row, fmt::format("{} reads and writes of refluxd in the scope, {} without; the "
                                             "module counts {}",
                                             scoped, failed, *enters));
    }
    return in_force(row,
                    fmt::format("seen on the thread at refluxd's start; {} reads and writes in the scope, "
                                "none without; the module counts {}",
                                scoped, *enters));
}

evidence::Mitigation mapping_read_back(const Row& row, const Target& target) {
    const auto masked = counter(target, "mappings_masked");
    if (!masked) {
        return not_in_force(row, masked.error().message);
    }
    if (*masked == 0 || !calls_of(target).is_set("mapping_nofs")) {
        return not_in_force(row, fmt::format("the module holds {} masked page caches", *masked));
    }
    return in_force(row,
                    "the module holds the page cache of refluxd's image without __GFP_FS, read back by "
                    "refluxd");
}

Row of_module(std::string name, std::string description, std::vector<std::string> arguments,
              ReadBack read_back) {
    return {.name = std::move(name),
            .description = std::move(description),
            .place = Place::module,
            .needs = {.sys_resource = true},
            .effect = {.daemon_arguments = std::move(arguments)},
            .read_back = std::move(read_back),
            .counts = true};
}

Row of_scope(const std::string& scope, std::string description) {
    return of_module("scope_" + scope, std::move(description), {"--call-scope", scope}, scope_read_back);
}

}  // namespace

std::vector<Row> module_rows() {
    auto noio = of_scope("noio", "PF_MEMALLOC_NOIO around each read and write, by the prototype module");
    noio.excludes = {"per_call"};  // whose end takes the same flag off
    return {
        of_module("rwf_nofsreclaim", "RWF_NOFSRECLAIM on each read and write, by the prototype module",
                  {"--call-flag", "nofsreclaim"}, flag_read_back),
        of_scope("nofs", "PF_MEMALLOC_NOFS around each read and write, by the prototype module"),
        noio,
        of_scope("memalloc", "PF_MEMALLOC around each read and write: no reclaim, memory from the reserves"),
        of_module("mapping_nofs",
                  "the page cache of the daemon's image without __GFP_FS, by the prototype module (the "
                  "patch of 2019, for one file)",
                  {"--mapping-nofs"}, mapping_read_back),
    };
}

}  // namespace reflux::mitigation
