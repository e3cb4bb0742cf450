#include "harness/scenario/rungs.h"

#include <algorithm>

namespace reflux::scenario {

std::vector<std::string> rung_names() {
    std::vector<std::string> names;
    names.reserve(rungs.size());
    for (const RungRow& row : rungs) {
        names.emplace_back(row.name);
    }
    return names;
}

std::optional<Rung> find_rung(std::string_view name) {
    const auto* row = std::ranges::find(rungs, name, &RungRow::name);
    return row == rungs.end() ? std::nullopt : std::optional(row->rung);
}

}  // namespace reflux::scenario
