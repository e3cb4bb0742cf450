#include "backend/zone/zone_report.h"

namespace reflux {

std::optional<ReportingOption> to_reporting_option(std::uint8_t field) {
    const bool known = field <= 0x07 || field == 0x10 || field == 0x11 || field == 0x3e || field == 0x3f;
    return known ? std::optional(static_cast<ReportingOption>(field)) : std::nullopt;
}

bool is_reported(const Zone& zone, ReportingOption option) {
    switch (option) {
        case ReportingOption::all:
        case ReportingOption::not_gap:
            return true;
        case ReportingOption::empty:
            return zone.condition == ZoneCondition::empty;
        case ReportingOption::implicit_open:
            return zone.condition == ZoneCondition::implicit_open;
        case ReportingOption::explicit_open:
            return zone.condition == ZoneCondition::explicit_open;
        case ReportingOption::closed:
            return zone.condition == ZoneCondition::closed;
        case ReportingOption::full:
            return zone.condition == ZoneCondition::full;
        case ReportingOption::read_only:
            return zone.condition == ZoneCondition::read_only;
        case ReportingOption::offline:
            return zone.condition == ZoneCondition::offline;
        case ReportingOption::reset_recommended:
            return zone.reset_recommended;
        case ReportingOption::non_sequential:
            return zone.non_sequential;
        case ReportingOption::not_write_pointer:
            return zone.condition == ZoneCondition::not_write_pointer;
    }
    return false;
}

}  // namespace reflux
