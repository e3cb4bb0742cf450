#include "harness/mitigation/mitigation.h"

#include "backend/base/kernel_file.h"
#include "harness/mitigation/rows.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace reflux::mitigation {
namespace {

std::optional<Row> row_of(const std::string& name) {
    for (const auto& row : table()) {
        if (row.name == name) {
            return row;
        }
    }
    return std::nullopt;
}

// For an error.
std::string names_in_table(bool for_programs) {
    std::vector<std::string> names;
    for (const auto& row : table()) {
        if (!for_programs || row.mark_caller != nullptr) {
            names.push_back(row.name);
        }
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

bool excludes(const Row& one, const Row& other) {
    return std::ranges::find(one.excludes, other.name) != one.excludes.end();
}

Status check_beside(const std::vector<Row>& rows, const Row& added) {
    for (const auto& row : rows) {
        if (row.name == added.name) {
            return fail(ErrorKind::invalid_input, fmt::format("mitigation '{}' twice", row.name));
        }
        if (excludes(row, added) || excludes(added, row)) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("mitigations '{}' and '{}' exclude each other", row.name, added.name));
        }
    }
    return {};
}

}  // namespace

std::string_view to_string(Place place) {
    switch (place) {
        case Place::daemon:
            return "daemon";
        case Place::call:
            return "each call";
        case Place::process:
            return "process";
        case Place::cgroup:
            return "cgroup";
        case Place::bdi:
            return "bdi";
        case Place::lower_fs:
            return "lower fs";
        case Place::sysctl:
            return "sysctl";
        case Place::module:
            return "kernel module";
    }
    return "?";
}

const std::vector<Row>& table() {
    static const std::vector<Row> rows = [] {
        std::vector<Row> all;
        for (auto& list : {daemon_rows(), machine_rows(), module_rows()}) {
            std::ranges::copy(list, std::back_inserter(all));
        }
        return all;
    }();
    return rows;
}

Result<Row> find(const std::string& name) {
    if (auto row = row_of(name)) {
        return *std::move(row);
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("unknown mitigation '{}'; there are: {}", name, names_in_table(false)));
}

Result<std::vector<Row>> find_all(const std::vector<std::string>& names) {
    std::vector<Row> rows;
    for (const auto& combined : names) {
        for (const auto& name : split(combined, '+')) {
            REFLUX_TRY(auto row, find(name));
            REFLUX_CHECK(check_beside(rows, row));
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

Result<Row> find_for_programs(const std::string& name) {
    auto row = row_of(name);
    if (row && row->mark_caller != nullptr) {
        return *std::move(row);
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("{}; a program can be started with: {}",
                            row ? fmt::format("mitigation '{}' is no property of a program ({})", name,
                                              row->description)
                                : fmt::format("unknown mitigation '{}'", name),
                            names_in_table(true)));
}

std::string place_and_needs(const Row& row) {
    std::vector<std::string> needs;
    if (row.needs.sys_resource) {
        needs.emplace_back("CAP_SYS_RESOURCE");
    }
    if (!row.needs.cgroup_version.empty()) {
        needs.push_back("cgroup " + row.needs.cgroup_version);
    }
    std::ranges::copy(row.needs.files, std::back_inserter(needs));
    return fmt::format("{}{}{}", to_string(row.place), needs.empty() ? "" : "; needs ",
                       fmt::join(needs, ", "));
}

evidence::Mitigation not_in_force(const Row& row, std::string why) {
    return {.name = row.name, .applied = false, .detail = std::move(why)};
}

evidence::Mitigation in_force(const Row& row, std::string detail) {
    return {.name = row.name, .applied = true, .detail = std::move(detail)};
}

evidence::Mitigation settings_read_back(const Row& row, const Target& target) {
    const auto wanted = row.settings ? row.settings(target) : row.before(target);
    if (!wanted) {
        return not_in_force(row, wanted.error().message);
    }
    std::vector<std::string> seen;
    for (const auto& setting : *wanted) {
        const auto text = read_file(setting.path);
        if (!text) {
            return not_in_force(row, text.error().message);
        }
        if (trimmed(*text) != setting.value) {
            return not_in_force(row,
                                fmt::format("{} is {}, not {}", setting.path, trimmed(*text), setting.value));
        }
        seen.push_back(fmt::format("{} is {}{}", setting.path, setting.value,
                                   setting.until_stack ? ", until the stack stands" : ""));
    }
    return in_force(row, fmt::format("{}", fmt::join(seen, ", ")));
}

}  // namespace reflux::mitigation
