#include "daemon/scsi/plan.h"

#include "daemon/scsi/commands.h"
#include "daemon/scsi/inquiry.h"
#include "daemon/scsi/mode.h"
#include "daemon/scsi/sense.h"

#include <algorithm>

namespace reflux::scsi {
namespace {

using Context = CommandContext;

Plan refuse(Sense sense) {
    return {.kind = Plan::Kind::refused, .sense = sense};
}
Plan answer_up_to(std::uint64_t allocation) {
    return {.kind = Plan::Kind::answer, .allocation = allocation};
}
Plan flush() {
    return {.kind = Plan::Kind::disk, .operation = DeviceOperation::flush};
}

template <std::unsigned_integral T>
T field(const Context& context, std::size_t offset) {
    return get_be<T>(std::span<const std::uint8_t>(context.cdb), offset);
}

Plan plan_nothing(const Context& /*context*/) {
    return {};
}

Plan plan_request_sense(const Context& context) {
    const bool descriptor_format = (context.cdb[1] & 0x01U) != 0;
    if (descriptor_format) {
        context.answer.grow(8);
        context.answer.put8(0, 0x72);
    } else {
        const SenseData data = fixed_format(sense::none);
        context.answer.grow(data.size());
        for (std::size_t i = 0; i < data.size(); ++i) {
            context.answer.put8(i, std::to_integer<unsigned>(data.at(i)));
        }
    }
    return answer_up_to(context.cdb[4]);
}

Plan plan_inquiry(const Context& context) {
    const bool vital = (context.cdb[1] & 0x01U) != 0;
    const std::uint8_t page = context.cdb[2];
    if (!vital && page == 0) {
        write_standard_inquiry(context.unit, context.answer);
    } else if (!vital || !write_vpd_page(context.unit, page, context.answer)) {
        return refuse(sense::invalid_field_in_cdb);
    }
    return answer_up_to(field<std::uint16_t>(context, 3));
}

Plan plan_mode_sense(const Context& context) {
    const Sense refusal = write_mode_sense(context.cdb, context.answer);
    const bool is_six = context.cdb[0] == static_cast<std::uint8_t>(Opcode::mode_sense_6);
    return refusal != sense::none ? refuse(refusal)
                                  : answer_up_to(is_six ? context.cdb[4] : field<std::uint16_t>(context, 7));
}

Plan plan_mode_select(const Context& context) {
    const bool page_format = (context.cdb[1] & 0x10U) != 0;
    const bool save = (context.cdb[1] & 0x01U) != 0;
    if (!page_format || save) {
        return refuse(sense::invalid_field_in_cdb);
    }
    return {.kind = Plan::Kind::parameters, .length = mode_select_length(context.cdb)};
}

Plan plan_read_capacity_10(const Context& context) {
    const std::uint64_t last = context.unit.blocks - 1;
    context.answer.grow(8);
    context.answer.put(0, static_cast<std::uint32_t>(std::min<std::uint64_t>(last, 0xffffffff)));
    context.answer.put(4, context.unit.block_size);
    return answer_up_to(DataIn::most);
}

// SBC-4 clause 5.17.2, ZBC-2 clause 5.14 for RC BASIS.
Plan plan_read_capacity_16(const Context& context) {
    constexpr unsigned rc_basis_of_all_zones = 0x10;
    constexpr unsigned lbpme_lbprz = 0xc0;
    context.answer.grow(32);
    context.answer.put(0, context.unit.blocks - 1);
    context.answer.put(8, context.unit.block_size);
    context.answer.put8(12, context.unit.zoned == Zoned::host_managed ? rc_basis_of_all_zones : 0);
    context.answer.put8(14, context.unit.can_discard ? lbpme_lbprz : 0);
    return answer_up_to(field<std::uint32_t>(context, 10));
}

// One logical unit, of number 0.
Plan plan_report_luns(const Context& context) {
    constexpr std::uint8_t most_known_report = 0x02;
    if (context.cdb[2] > most_known_report) {
        return refuse(sense::invalid_field_in_cdb);
    }
    constexpr std::uint8_t well_known_only = 0x01;
    const bool lists_it = context.cdb[2] != well_known_only;
    context.answer.grow(lists_it ? 16 : 8);
    context.answer.put(0, std::uint32_t{lists_it ? 8U : 0U});
    return answer_up_to(field<std::uint32_t>(context, 6));
}

bool is_six_bytes(const Context& context) {
    return context.cdb[0] >> 5U == 0;
}

// RDPROTECT, WRPROTECT, VRPROTECT: the disk has no protection information.
bool wants_protection(const Context& context) {
    return !is_six_bytes(context) && (context.cdb[1] & 0xe0U) != 0;
}

Plan plan_transfer(const Context& context, DeviceOperation operation) {
    const BlockRange range = block_range(context.cdb);
    if (wants_protection(context) || range.count > context.unit.max_transfer_blocks) {
        return refuse(sense::invalid_field_in_cdb);
    }
    if (!context.unit.contains(range.lba, range.count)) {
        return refuse(sense::lba_out_of_range);
    }
    if (range.count == 0) {
        return {};
    }
    return {.kind = Plan::Kind::disk,
            .operation = operation,
            .offset = context.unit.bytes_at(range.lba).value,
            .length = context.unit.bytes_at(range.count).value};
}

Plan plan_read(const Context& context) {
    return plan_transfer(context, DeviceOperation::read);
}

Plan plan_write(const Context& context) {
    Plan plan = plan_transfer(context, DeviceOperation::write);
    const bool force_unit_access = !is_six_bytes(context) && (context.cdb[1] & 0x08U) != 0;
    plan.durable = force_unit_access && plan.kind == Plan::Kind::disk;
    return plan;
}

// Without BYTCHK nothing is compared: the blocks are there.
Plan plan_verify(const Context& context) {
    const BlockRange range = block_range(context.cdb);
    const unsigned byte_check = context.cdb[1] & 0x06U;
    if (wants_protection(context) || byte_check != 0) {
        return refuse(sense::invalid_field_in_cdb);
    }
    return context.unit.contains(range.lba, range.count) ? Plan{} : refuse(sense::lba_out_of_range);
}

Plan plan_synchronize(const Context& context) {
    const BlockRange range = block_range(context.cdb);
    return context.unit.contains(range.lba, range.count) ? flush() : refuse(sense::lba_out_of_range);
}

Plan plan_unmap(const Context& context) {
    const bool anchor = (context.cdb[1] & 0x01U) != 0;
    if (anchor) {
        return refuse(sense::invalid_field_in_cdb);
    }
    return {.kind = Plan::Kind::parameters, .length = field<std::uint16_t>(context, 7)};
}

Plan plan_zone_command(const Context& context, DeviceOperation operation) {
    const auto lba = field<std::uint64_t>(context, 2);
    const auto count = field<std::uint16_t>(context, 12);  // ZONE COUNT; 0 is 1
    const bool all = (context.cdb[14] & 0x01U) != 0;       // ZONE ID and ZONE COUNT are ignored then
    if (!all && count > 1) {
        return refuse(sense::invalid_field_in_cdb);
    }
    if (!all && !context.unit.contains(lba, 1)) {
        return refuse(sense::lba_out_of_range);
    }
    return {.kind = Plan::Kind::disk,
            .operation = operation,
            .offset = all ? 0 : context.unit.bytes_at(lba).value,
            .all_zones = all};
}

template <DeviceOperation operation>
Plan plan_zone(const Context& context) {
    return plan_zone_command(context, operation);
}

Plan plan_report_zones(const Context& context) {
    const auto request = parse_zone_list_request(context.cdb);
    if (!request) {
        return refuse(sense::invalid_field_in_cdb);
    }
    if (!context.unit.contains(request->first_lba, 1)) {
        return refuse(sense::lba_out_of_range);
    }
    return {.kind = Plan::Kind::zone_list, .allocation = request->allocation, .zones = *request};
}

constexpr std::uint8_t ff = 0xff;
namespace action = service_action;
using Of = Command::Of;

constexpr std::array<Command, 31> table{{
    {Opcode::test_unit_ready, {}, Of::every_disk, 6, {0x00, 0, 0, 0, 0, 0}, plan_nothing},
    {Opcode::request_sense, {}, Of::every_disk, 6, {0x03, 0x01, 0, 0, ff, 0}, plan_request_sense},
    {Opcode::read_6, {}, Of::every_disk, 6, {0x08, 0x1f, ff, ff, ff, 0}, plan_read},
    {Opcode::write_6, {}, Of::every_disk, 6, {0x0a, 0x1f, ff, ff, ff, 0}, plan_write},
    {Opcode::inquiry, {}, Of::every_disk, 6, {0x12, 0x01, ff, ff, ff, 0}, plan_inquiry},
    {Opcode::mode_select_6, {}, Of::every_disk, 6, {0x15, 0x11, 0, 0, ff, 0}, plan_mode_select},
    {Opcode::mode_sense_6, {}, Of::every_disk, 6, {0x1a, 0, ff, ff, ff, 0}, plan_mode_sense},
    {Opcode::start_stop_unit,
     {},
     Of::every_disk,
     6,
     {0x1b, 0, 0, 0, 0, 0},
     [](const Context&) { return flush(); }},
    {Opcode::read_capacity_10, {}, Of::every_disk, 10, {0x25}, plan_read_capacity_10},
    {Opcode::read_10, {}, Of::every_disk, 10, {0x28, 0xe0, ff, ff, ff, ff, 0, ff, ff, 0}, plan_read},
    {Opcode::write_10, {}, Of::every_disk, 10, {0x2a, 0xe8, ff, ff, ff, ff, 0, ff, ff, 0}, plan_write},
    {Opcode::verify_10, {}, Of::every_disk, 10, {0x2f, 0xe6, ff, ff, ff, ff, 0, ff, ff, 0}, plan_verify},
    {Opcode::synchronize_cache_10,
     {},
     Of::every_disk,
     10,
     {0x35, 0, ff, ff, ff, ff, 0, ff, ff, 0},
     plan_synchronize},
    {Opcode::unmap, {}, Of::disk_with_discard, 10, {0x42, 0x01, 0, 0, 0, 0, 0, ff, ff, 0}, plan_unmap},
    {Opcode::mode_select_10,
     {},
     Of::every_disk,
     10,
     {0x55, 0x11, 0, 0, 0, 0, 0, ff, ff, 0},
     plan_mode_select},
    {Opcode::mode_sense_10, {}, Of::every_disk, 10, {0x5a, 0, ff, ff, 0, 0, 0, ff, ff, 0}, plan_mode_sense},
    {Opcode::read_16,
     {},
     Of::every_disk,
     16,
     {0x88, 0xe0, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_read},
    {Opcode::write_16,
     {},
     Of::every_disk,
     16,
     {0x8a, 0xe8, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_write},
    {Opcode::verify_16,
     {},
     Of::every_disk,
     16,
     {0x8f, 0xe6, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_verify},
    {Opcode::synchronize_cache_16,
     {},
     Of::every_disk,
     16,
     {0x91, 0, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_synchronize},
    {Opcode::zbc_out,
     action::close_zone,
     Of::zoned_disk,
     16,
     {0x94, 0x01, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, ff, ff, 0x01, 0},
     plan_zone<DeviceOperation::close_zone>},
    {Opcode::zbc_out,
     action::finish_zone,
     Of::zoned_disk,
     16,
     {0x94, 0x02, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, ff, ff, 0x01, 0},
     plan_zone<DeviceOperation::finish_zone>},
    {Opcode::zbc_out,
     action::open_zone,
     Of::zoned_disk,
     16,
     {0x94, 0x03, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, ff, ff, 0x01, 0},
     plan_zone<DeviceOperation::open_zone>},
    {Opcode::zbc_out,
     action::reset_write_pointer,
     Of::zoned_disk,
     16,
     {0x94, 0x04, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, ff, ff, 0x01, 0},
     plan_zone<DeviceOperation::reset_zone>},
    {Opcode::zbc_in,
     action::report_zones,
     Of::zoned_disk,
     16,
     {0x95, 0x00, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0xbf, 0},
     plan_report_zones},
    {Opcode::service_action_in_16,
     action::read_capacity_16,
     Of::every_disk,
     16,
     {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, ff, ff, ff, ff, 0, 0},
     plan_read_capacity_16},
    {Opcode::report_luns,
     {},
     Of::every_disk,
     12,
     {0xa0, 0, ff, 0, 0, 0, ff, ff, ff, ff, 0, 0},
     plan_report_luns},
    {Opcode::maintenance_in,
     action::report_supported_operation_codes,
     Of::every_disk,
     12,
     {0xa3, 0x0c, 0x87, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_report_opcodes},
    {Opcode::read_12, {}, Of::every_disk, 12, {0xa8, 0xe0, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0}, plan_read},
    {Opcode::write_12,
     {},
     Of::every_disk,
     12,
     {0xaa, 0xe8, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_write},
    {Opcode::verify_12,
     {},
     Of::every_disk,
     12,
     {0xaf, 0xe6, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0},
     plan_verify},
}};

}  // namespace

std::span<const Command> command_table() {
    return table;
}

bool has_command(const LogicalUnit& unit, const Command& command) {
    switch (command.of) {
        case Of::zoned_disk:
            return unit.zoned != Zoned::none;
        case Of::disk_with_discard:
            return unit.can_discard;
        case Of::every_disk:
            return true;
    }
    return false;
}

Plan plan_command(const LogicalUnit& unit, const Cdb& cdb, DataIn& answer) {
    answer.clear();
    Sense refusal = sense::invalid_opcode;
    for (const Command& command : table) {
        if (static_cast<std::uint8_t>(command.opcode) != cdb[0] || !has_command(unit, command)) {
            continue;
        }
        if (!command.service_action || *command.service_action == (cdb[1] & 0x1fU)) {
            return command.plan({.unit = unit, .cdb = cdb, .answer = answer});
        }
        refusal = sense::invalid_field_in_cdb;  // the code is known, the service action is not
    }
    return refuse(refusal);
}

namespace {

// UNMAP parameter list: SBC-4 clause 5.35.2.
Plan plan_unmap_list(const LogicalUnit& unit, std::span<const std::byte> data) {
    constexpr std::size_t header = 8;
    constexpr std::size_t descriptor = 16;
    if (data.empty()) {
        return {};
    }
    if (data.size() < header) {
        return refuse(sense::parameter_list_length);
    }
    const std::size_t announced = get_be<std::uint16_t>(data, 2);
    const std::size_t descriptors = std::min(announced, data.size() - header) / descriptor;
    if (descriptors == 0) {
        return {};
    }
    if (descriptors > 1) {  // MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT
        return refuse(sense::invalid_field_in_parameters);
    }
    const auto lba = get_be<std::uint64_t>(data, header);
    const auto count = get_be<std::uint32_t>(data, header + 8);
    if (!unit.contains(lba, count)) {
        return refuse(sense::lba_out_of_range);
    }
    if (count == 0) {
        return {};
    }
    return {.kind = Plan::Kind::disk,
            .operation = DeviceOperation::discard,
            .offset = unit.bytes_at(lba).value,
            .length = unit.bytes_at(count).value};
}

}  // namespace

bool tells_serial(const Cdb& cdb) {
    const bool vital = (cdb[1] & 0x01U) != 0;
    return cdb[0] == static_cast<std::uint8_t>(Opcode::inquiry) && vital &&
           (cdb[2] == 0x80 || cdb[2] == 0x83);
}

Plan plan_parameters(const LogicalUnit& unit, const Cdb& cdb, std::span<const std::byte> data) {
    if (cdb[0] == static_cast<std::uint8_t>(Opcode::unmap)) {
        return plan_unmap_list(unit, data);
    }
    const Sense refusal = check_mode_select(cdb, data);
    return refusal != sense::none ? refuse(refusal) : Plan{};
}

}  // namespace reflux::scsi
