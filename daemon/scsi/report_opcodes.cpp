// REPORT SUPPORTED OPERATION CODES: SPC-5 clause 6.35.
#include "daemon/scsi/commands.h"
#include "daemon/scsi/sense.h"

#include <algorithm>

namespace reflux::scsi {
namespace {

// REPORTING OPTIONS.
constexpr unsigned all_commands = 0;
constexpr unsigned one_without_action = 1;
constexpr unsigned one_with_action = 2;
constexpr unsigned one_either_way = 3;

// Command timeouts descriptor: nothing is said of times.
void append_timeouts(DataIn& out) {
    const std::size_t at = out.grow(12);
    out.put(at, std::uint16_t{0x0a});
}

void append_all(const LogicalUnit& unit, bool with_timeouts, DataIn& out) {
    out.grow(4);
    for (const Command& command : command_table()) {
        if (!has_command(unit, command)) {
            continue;
        }
        const std::size_t at = out.grow(8);
        out.put8(at, static_cast<std::uint8_t>(command.opcode));
        out.put(at + 2, static_cast<std::uint16_t>(command.service_action.value_or(0)));
        out.put8(at + 5, (with_timeouts ? 0x02U : 0U) | (command.service_action ? 0x01U : 0U));
        out.put(at + 6, static_cast<std::uint16_t>(command.length));
        if (with_timeouts) {
            append_timeouts(out);
        }
    }
    out.put(0, static_cast<std::uint32_t>(out.size() - 4));
}

void append_one(const Command* command, bool with_timeouts, DataIn& out) {
    constexpr unsigned not_supported = 1;
    constexpr unsigned as_the_standard = 3;
    const std::size_t at = out.grow(4);
    out.put8(at + 1, (command != nullptr ? as_the_standard : not_supported) | (with_timeouts ? 0x80U : 0U));
    if (command != nullptr) {
        out.put(at + 2, static_cast<std::uint16_t>(command->length));
        const std::size_t usage = out.grow(command->length);
        for (std::size_t i = 0; i < command->length; ++i) {
            out.put8(usage + i, command->usage.at(i));
        }
    }
    if (with_timeouts) {
        append_timeouts(out);
    }
}

}  // namespace

Plan plan_report_opcodes(const CommandContext& context) {
    const std::span<const std::uint8_t> cdb(context.cdb);
    const unsigned option = cdb[2] & 0x07U;
    const bool with_timeouts = (cdb[2] & 0x80U) != 0;
    const auto action = get_be<std::uint16_t>(cdb, 4);
    const Plan answer{.kind = Plan::Kind::answer, .allocation = get_be<std::uint32_t>(cdb, 6)};
    const Plan refusal{.kind = Plan::Kind::refused, .sense = sense::invalid_field_in_cdb};
    if (option == all_commands) {
        append_all(context.unit, with_timeouts, context.answer);
        return answer;
    }
    const auto is_there = [&](const Command& command) { return has_command(context.unit, command); };
    const auto of_opcode = [&](const Command& command) {
        return static_cast<std::uint8_t>(command.opcode) == cdb[3] && is_there(command);
    };
    const auto table = command_table();
    const auto first = std::ranges::find_if(table, of_opcode);
    const bool has_actions = first != table.end() && first->service_action.has_value();
    if (option > one_either_way || (option == one_without_action && has_actions) ||
        (option == one_with_action && first != table.end() && !has_actions)) {
        return refusal;
    }
    const auto found = std::ranges::find_if(table, [&](const Command& command) {
        return of_opcode(command) && command.service_action.value_or(0) == (has_actions ? action : 0);
    });
    append_one(found == table.end() ? nullptr : &*found, with_timeouts, context.answer);
    return answer;
}

}  // namespace reflux::scsi
