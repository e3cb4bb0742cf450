// A CDB, and the parameter data that comes with it: the first byte chooses the disk, 16 are the CDB.
#include "daemon/scsi/sense.h"
#include "tests/fuzz/support/target.h"
#include "tests/unit/daemon/scsi/scsi_fixture.h"
#include "tests/unit/daemon/scsi/table_source.h"

#include <algorithm>

namespace reflux::fuzz {
namespace {

using scsi::Plan;

struct Subject {
    scsi::LogicalUnit unit;
    ZoneTable table;
};

const std::vector<Subject>& subjects() {
    static const std::vector<Subject> all = [] {
        std::vector<Subject> made;
        for (const ZonedShape& shape :
             {scsi::test::shape(ZoneModel::host_managed), scsi::test::shape(ZoneModel::host_aware),
              scsi::test::shape(ZoneModel::host_managed, 0),
              scsi::test::shape(ZoneModel::host_managed, 33)}) {
            made.push_back({.unit = scsi::test::unit_of(shape),
                            .table = ZoneTable::fresh(ZonedGeometry::make(shape).value())});
        }
        return made;
    }();
    return all;
}

void check_disk(const scsi::LogicalUnit& unit, const Plan& plan) {
    const std::uint64_t size = unit.bytes_at(unit.blocks).value;
    require(plan.offset <= size && plan.length <= size - plan.offset, "requests are on the disk");
    require(plan.offset % unit.block_size == 0 && plan.length % unit.block_size == 0, "and of whole blocks");
    if (plan.moves_data()) {
        require(plan.length > 0, "an empty transfer is done");
        require(plan.length <= unit.bytes_at(unit.max_transfer_blocks).value, "transfers are bounded");
    }
    require(!plan.all_zones || unit.zoned != scsi::Zoned::none, "zones are of zoned disks");
}

void check_plan(const Subject& subject, const Plan& plan, const scsi::DataIn& answer) {
    require((plan.kind == Plan::Kind::refused) == (plan.sense != Sense{}), "a refusal has a reason");
    require((plan.kind == Plan::Kind::answer) == (answer.size() > 0), "an answer has data");
    require(answer.size() < scsi::DataIn::most, "and all of it");
    if (plan.kind == Plan::Kind::disk) {
        check_disk(subject.unit, plan);
    }
    if (plan.kind == Plan::Kind::zone_list) {
        std::array<std::byte, 1000> out{};
        const auto room = std::span(out).first(std::min<std::uint64_t>(plan.allocation, out.size()));
        const std::size_t written =
            write_zone_list(subject.unit, plan.zones, scsi::test::TableSource(subject.table), room);
        require(written <= room.size(), "a list stays in its memory");
        require(written == room.size() || written >= 64, "it begins with its head");
    }
}

bool run(std::string_view input) {
    scsi::Cdb cdb{};
    if (input.size() < 1 + cdb.size()) {
        return false;
    }
    const Subject& subject = subjects()[static_cast<unsigned char>(input[0]) % subjects().size()];
    std::transform(input.begin() + 1, input.begin() + 1 + cdb.size(), cdb.begin(),
                   [](char c) { return static_cast<std::uint8_t>(c); });
    scsi::DataIn answer;
    const Plan plan = plan_command(subject.unit, cdb, answer);
    check_plan(subject, plan, answer);
    if (plan.kind == Plan::Kind::parameters) {
        const auto rest = std::as_bytes(std::span(input)).subspan(1 + cdb.size());
        const auto data = rest.first(std::min<std::uint64_t>(rest.size(), plan.length));
        const Plan then = plan_parameters(subject.unit, cdb, data);
        require(then.kind == Plan::Kind::done || then.kind == Plan::Kind::refused ||
                    then.kind == Plan::Kind::disk,
                "parameters come once");
        check_plan(subject, then, {});
        return then.kind != Plan::Kind::refused;
    }
    return plan.kind != Plan::Kind::refused;
}

// Each command of the table as it is plainest, once for each disk that has it.
std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < subjects().size(); ++i) {
        for (const scsi::Command& command : scsi::command_table()) {
            if (!has_command(subjects()[i].unit, command)) {
                continue;
            }
            std::string seed(1 + 16 + 32, '\0');
            seed[0] = static_cast<char>(i);
            seed[1] = static_cast<char>(command.opcode);
            seed[2] = static_cast<char>(command.service_action.value_or(0));
            const bool selects = seed[1] == 0x15 || seed[1] == 0x55;
            const bool senses = seed[1] == 0x1a || seed[1] == 0x5a;
            if (selects) {
                seed[2] = 0x10;
            } else if (senses) {
                seed[3] = 0x3f;
            }
            all.push_back(seed);
        }
    }
    return all;
}

}  // namespace

Target make_target() {
    return {.run = run,
            .seeds = seeds(),
            .words = {std::string("\0\0\0\0\0\0\x10\0", 8), std::string("\0\0\0\x18", 4), "\xff\xff\xff\xff",
                      "\x01", "\x80", "\x83", "\xb6", "\x08\x12\x04", "\x10"}};
}

}  // namespace reflux::fuzz
