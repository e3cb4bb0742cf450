// The lists that the table is made of, one a file; for mitigation.cpp only. And what read-backs share.
#pragma once

#include "harness/mitigation/mitigation.h"

namespace reflux::mitigation {

std::vector<Row> daemon_rows();
std::vector<Row> machine_rows();
std::vector<Row> module_rows();

// Not applied, and why.
evidence::Mitigation not_in_force(const Row& row, std::string why);
evidence::Mitigation in_force(const Row& row, std::string detail);

// The files of row.settings (or row.before) hold what was written.
evidence::Mitigation settings_read_back(const Row& row, const Target& target);

}  // namespace reflux::mitigation
