#include "daemon/ublk/plan.h"

#include "backend/base/units.h"

#include <cerrno>

namespace reflux::ublk {
namespace {

constexpr std::uint64_t to_sectors(Bytes bytes) {
    return bytes.value / sector_size;
}

Plan with_data(DeviceOperation operation, Transfer transfer, const IoDescriptor& descriptor,
               std::uint64_t largest) {
    const std::uint64_t length = descriptor.sectors * sector_size;
    if (length > largest) {  // the driver was told the limit
        return {.error = EINVAL};
    }
    return {.operation = operation,
            .transfer = transfer,
            .offset = descriptor.first_sector * sector_size,
            .length = length};
}

Plan zone_command(DeviceOperation operation, const IoDescriptor& descriptor) {
    return {.operation = operation, .offset = descriptor.first_sector * sector_size};
}

std::uint64_t write_pointer_of(const ZoneDescriptor& zone) {
    switch (zone.condition) {
        case ZoneCondition::not_write_pointer:
        case ZoneCondition::full:
            return to_sectors(zone.start + zone.length);
        case ZoneCondition::read_only:
        case ZoneCondition::offline:
            return ~std::uint64_t{0};
        default:
            return to_sectors(zone.write_pointer);
    }
}

}  // namespace

Plan plan_for(const IoDescriptor& descriptor, std::uint64_t largest) {
    switch (static_cast<IoOperation>(descriptor.operation_and_flags & 0xffU)) {
        case IoOperation::read:
            return with_data(DeviceOperation::read, Transfer::to_kernel, descriptor, largest);
        case IoOperation::write:
            return with_data(DeviceOperation::write, Transfer::from_kernel, descriptor, largest);
        case IoOperation::zone_append:
            return with_data(DeviceOperation::append, Transfer::from_kernel, descriptor, largest);
        case IoOperation::flush:
            return {.operation = DeviceOperation::flush};
        // A discarded range reads as zeroes.
        case IoOperation::discard:
        case IoOperation::write_zeroes:
            return {.operation = DeviceOperation::discard,
                    .offset = descriptor.first_sector * sector_size,
                    .length = descriptor.sectors * sector_size};
        case IoOperation::zone_open:
            return zone_command(DeviceOperation::open_zone, descriptor);
        case IoOperation::zone_close:
            return zone_command(DeviceOperation::close_zone, descriptor);
        case IoOperation::zone_finish:
            return zone_command(DeviceOperation::finish_zone, descriptor);
        case IoOperation::zone_reset:
            return zone_command(DeviceOperation::reset_zone, descriptor);
        case IoOperation::zone_reset_all:
            return {.operation = DeviceOperation::reset_zone, .all_zones = true};
        case IoOperation::report_zones:
            return {.reports_zones = true,
                    .transfer = Transfer::to_kernel,
                    .offset = descriptor.first_sector * sector_size,
                    .zones = descriptor.sectors};
        case IoOperation::write_same:
            break;
    }
    return {.error = EOPNOTSUPP};
}

std::int32_t result_of(const Plan& plan, int error, std::uint64_t largest) {
    if (error != 0) {
        return -error;
    }
    return static_cast<std::int32_t>(plan.reports_zones                ? largest
                                     : plan.transfer != Transfer::none ? plan.length
                                                                       : 0);
}

blk_zone to_blk_zone(const ZoneDescriptor& zone) {
    blk_zone result{};
    result.start = to_sectors(zone.start);
    result.len = to_sectors(zone.length);
    result.wp = write_pointer_of(zone);
    result.type = static_cast<std::uint8_t>(zone.type);
    result.cond = static_cast<std::uint8_t>(zone.condition);
    result.non_seq = zone.non_sequential ? 1 : 0;
    result.reset = zone.reset_recommended ? 1 : 0;
    result.capacity = to_sectors(zone.capacity);
    return result;
}

}  // namespace reflux::ublk
