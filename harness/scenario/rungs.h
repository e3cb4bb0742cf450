// The rungs of the relief ladder, by name: the one table of them. What each does to a stack stands in
// run/relief.cpp.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::scenario {

enum class Rung { wait, raise_limit, drop_caches, kill_workload, abort };

struct RungRow {
    Rung rung;
    std::string_view name;  // in relief.rungs, in evidence and in verdicts
};

// In the order in which they are climbed where a scenario does not say otherwise: from what changes nothing
// to what ends the device.
inline constexpr std::array<RungRow, 5> rungs{{{Rung::wait, "wait"},
                                               {Rung::raise_limit, "raise_limit"},
                                               {Rung::drop_caches, "drop_caches"},
                                               {Rung::kill_workload, "kill_workload"},
                                               {Rung::abort, "abort"}}};

std::vector<std::string> rung_names();
// nullopt: there is none of this name.
std::optional<Rung> find_rung(std::string_view name);

}  // namespace reflux::scenario
