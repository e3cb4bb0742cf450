#include "daemon/scsi/unit.h"

namespace reflux::scsi {

Result<LogicalUnit> zoned_unit(const ZonedGeometry& geometry) {
    const ZonedShape& shape = geometry.shape();
    const bool has_sequential = geometry.conventional_count() < geometry.zone_count();
    if (has_sequential && shape.zone_capacity != geometry.zone_size()) {
        return fail(ErrorKind::unsupported,
                    fmt::format("zones of {} with a capacity of {} cannot be told by SCSI: format the image "
                                "without --zone-capacity",
                                to_string(geometry.zone_size()), to_string(shape.zone_capacity)));
    }
    LogicalUnit unit = plain_unit(geometry.size(), shape.logical_block_size);
    if (has_sequential) {
        const bool managed = shape.model == ZoneModel::host_managed;
        unit.zoned = managed ? Zoned::host_managed : Zoned::host_aware;
        unit.max_open = shape.max_open;
        unit.unrestricted_reads = shape.unrestricted_reads;
        // Sequential-write-required zones have no discard (ZoneTable::check_discard).
        unit.can_discard = !managed || geometry.conventional_count() > 0;
    }
    return unit;
}

LogicalUnit plain_unit(Bytes size, std::uint32_t block_size) {
    return {.blocks = size.value / block_size, .block_size = block_size, .can_discard = true};
}

}  // namespace reflux::scsi
