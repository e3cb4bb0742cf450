// The table of commands: a row each, which is what plan_command() looks up and REPORT SUPPORTED OPERATION
// CODES tells.
#pragma once

#include "daemon/scsi/opcode.h"
#include "daemon/scsi/plan.h"

#include <optional>
#include <span>

namespace reflux::scsi {

struct CommandContext {
    const LogicalUnit& unit;
    const Cdb& cdb;
    DataIn& answer;
};

struct Command {
    enum class Of : std::uint8_t { every_disk, zoned_disk, disk_with_discard };
    Opcode opcode;
    std::optional<std::uint8_t> service_action;
    Of of = Of::every_disk;
    std::uint8_t length = 0;  // of the CDB
    // CDB USAGE DATA (SPC-5 clause 6.35.3): the bits that are looked at, the opcode and the service action as
    // they are.
    std::array<std::uint8_t, 16> usage{};
    Plan (*plan)(const CommandContext& context) = nullptr;
};

std::span<const Command> command_table();
bool has_command(const LogicalUnit& unit, const Command& command);

// REPORT SUPPORTED OPERATION CODES; what it refuses is a plan, too.
Plan plan_report_opcodes(const CommandContext& context);

}  // namespace reflux::scsi
