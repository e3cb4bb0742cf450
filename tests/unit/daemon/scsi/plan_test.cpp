// Commands about blocks and zones: which request to the disk each becomes, and what is refused.
#include "daemon/scsi/plan.h"

#include "tests/unit/daemon/scsi/scsi_fixture.h"

#include <cerrno>

namespace reflux::scsi::test {
namespace {

constexpr std::uint64_t blocks = 4160;  // of host_managed()

void expect_disk(const Plan& plan, DeviceOperation operation, std::uint64_t offset, std::uint64_t length) {
    EXPECT_EQ(plan.kind, Plan::Kind::disk);
    EXPECT_EQ(plan.operation, operation);
    EXPECT_EQ(plan.offset, offset);
    EXPECT_EQ(plan.length, length);
    EXPECT_FALSE(plan.all_zones);
}

TEST(Plan, OpcodesThatThereAreNot) {
    const auto known = [](unsigned code) {
        return std::ranges::any_of(command_table(), [&](const Command& command) {
            return static_cast<unsigned>(command.opcode) == code;
        });
    };
    int unknown = 0;
    for (unsigned code = 0; code < 256; ++code) {
        if (!known(code)) {
            ++unknown;
            expect_refused(plan(host_managed(), cdb({code})).plan, sense::invalid_opcode);
        }
    }
    EXPECT_EQ(unknown, 256 - 28);
}

TEST(Plan, ServiceActionsThatThereAreNot) {
    for (unsigned action = 0; action < 32; ++action) {
        const auto out = plan(host_managed(), cdb({0x94, action}));
        const auto in = plan(host_managed(), cdb({0x95, action}));
        const auto capacity = plan(host_managed(), cdb({0x9e, action}));
        const auto maintenance = plan(host_managed(), cdb({0xa3, action}));
        if (action < 1 || action > 4) {
            expect_refused(out.plan, sense::invalid_field_in_cdb);
        }
        if (action != 0) {
            expect_refused(in.plan, sense::invalid_field_in_cdb);
        }
        if (action != 0x10) {
            expect_refused(capacity.plan, sense::invalid_field_in_cdb);
        }
        if (action != 0x0c) {
            expect_refused(maintenance.plan, sense::invalid_field_in_cdb);
        }
    }
}

TEST(Plan, ADiskWithoutZonesHasNoZoneCommands) {
    for (const unsigned action : {1U, 2U, 3U, 4U}) {
        expect_refused(plan(plain(), cdb({0x94, action})).plan, sense::invalid_opcode);
    }
    expect_refused(plan(plain(), cdb({0x95, 0})).plan, sense::invalid_opcode);
}

TEST(Plan, TestUnitReadyAndStop) {
    EXPECT_EQ(plan(plain(), cdb({0x00})).plan.kind, Plan::Kind::done);
    expect_disk(plan(plain(), cdb({0x1b})).plan, DeviceOperation::flush, 0, 0);
}

TEST(Plan, ReadsAndWritesOfEachLength) {
    const auto unit = host_managed();
    expect_disk(plan(unit, cdb({0x08, 0, 0x01, 0x02, 3, 0})).plan, DeviceOperation::read, 0x102 * 512,
                3 * 512);
    expect_disk(plan(unit, cdb({0x0a, 0, 0x01, 0x02, 3, 0})).plan, DeviceOperation::write, 0x102 * 512,
                3 * 512);
    expect_disk(plan(unit, cdb({0x28, 0, 0, 0, 1, 2, 0, 4, 5, 0})).plan, DeviceOperation::read, 0x102 * 512,
                0x405 * 512);
    expect_disk(plan(unit, cdb({0x2a, 0, 0, 0, 1, 2, 0, 0, 5, 0})).plan, DeviceOperation::write, 0x102 * 512,
                5 * 512);
    expect_disk(plan(unit, cdb({0xa8, 0, 0, 0, 1, 2, 0, 0, 0, 7, 0, 0})).plan, DeviceOperation::read,
                0x102 * 512, 7 * 512);
    expect_disk(plan(unit, cdb({0xaa, 0, 0, 0, 1, 2, 0, 0, 0, 7, 0, 0})).plan, DeviceOperation::write,
                0x102 * 512, 7 * 512);
    expect_disk(plan(unit, cdb_16(Opcode::read_16, 0x1001, 6)).plan, DeviceOperation::read, 0x1001 * 512,
                6 * 512);
    expect_disk(plan(unit, cdb_16(Opcode::write_16, 0x1001, 6)).plan, DeviceOperation::write, 0x1001 * 512,
                6 * 512);
    expect_disk(plan(plain(), cdb_16(Opcode::read_16, 3, 2)).plan, DeviceOperation::read, 3 * 4096, 2 * 4096);
}

TEST(Plan, SixBytesHave21BitsAndALengthOfZeroIs256) {
    LogicalUnit unit = plain();
    unit.blocks = 0x200000;
    expect_disk(plan(unit, cdb({0x08, 0x1f, 0xff, 0x00, 0, 0})).plan, DeviceOperation::read,
                0x1fff00ULL * 4096, 256 * 4096);
    expect_disk(plan(unit, cdb({0x08, 0xe0, 0, 0, 1, 0})).plan, DeviceOperation::read, 0, 4096);
}

TEST(Plan, OnlyFuaMakesAWriteDurable) {
    EXPECT_FALSE(plan(plain(), cdb_16(Opcode::write_16, 0, 1)).plan.durable);
    EXPECT_TRUE(plan(plain(), cdb_16(Opcode::write_16, 0, 1, 0x08)).plan.durable);
    EXPECT_TRUE(plan(plain(), cdb({0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1})).plan.durable);
    EXPECT_TRUE(plan(plain(), cdb({0xaa, 0x08, 0, 0, 0, 0, 0, 0, 0, 1})).plan.durable);
    EXPECT_FALSE(plan(plain(), cdb({0x0a, 0x08, 0, 0, 1})).plan.durable) << "part of the address";
    EXPECT_FALSE(plan(plain(), cdb_16(Opcode::read_16, 0, 1, 0x08)).plan.durable)
        << "all reads see all writes";
    EXPECT_FALSE(plan(plain(), cdb_16(Opcode::write_16, 0, 0, 0x08)).plan.durable);
}

TEST(Plan, RangesAtTheEndOfTheDisk) {
    const auto unit = host_managed();
    for (const auto opcode :
         {Opcode::read_16, Opcode::write_16, Opcode::verify_16, Opcode::synchronize_cache_16}) {
        EXPECT_NE(plan(unit, cdb_16(opcode, blocks - 1, 1)).plan.kind, Plan::Kind::refused);
        EXPECT_NE(plan(unit, cdb_16(opcode, blocks, 0)).plan.kind, Plan::Kind::refused);
        expect_refused(plan(unit, cdb_16(opcode, blocks, 1)).plan, sense::lba_out_of_range);
        expect_refused(plan(unit, cdb_16(opcode, blocks - 1, 2)).plan, sense::lba_out_of_range);
        expect_refused(plan(unit, cdb_16(opcode, blocks + 1, 0)).plan, sense::lba_out_of_range);
        expect_refused(plan(unit, cdb_16(opcode, ~std::uint64_t{0}, 2)).plan, sense::lba_out_of_range);
    }
}

TEST(Plan, NoBlocksIsDone) {
    EXPECT_EQ(plan(host_managed(), cdb_16(Opcode::read_16, 1, 0)).plan.kind, Plan::Kind::done);
    EXPECT_EQ(plan(host_managed(), cdb({0x28})).plan.kind, Plan::Kind::done);
}

TEST(Plan, TransfersAreBoundedAndUnprotected) {
    const auto unit = host_managed();
    expect_disk(plan(unit, cdb_16(Opcode::read_16, 0, 2048)).plan, DeviceOperation::read, 0, 1U << 20U);
    expect_refused(plan(unit, cdb_16(Opcode::read_16, 0, 2049)).plan, sense::invalid_field_in_cdb);
    for (const unsigned protection : {0x20U, 0x40U, 0x80U}) {
        expect_refused(plan(unit, cdb_16(Opcode::read_16, 0, 1, protection)).plan,
                       sense::invalid_field_in_cdb);
        expect_refused(plan(unit, cdb_16(Opcode::write_16, 0, 1, protection)).plan,
                       sense::invalid_field_in_cdb);
        expect_refused(plan(unit, cdb_16(Opcode::verify_16, 0, 1, protection)).plan,
                       sense::invalid_field_in_cdb);
    }
}

TEST(Plan, ReservedBitsAreNotLookedAt) {
    Cdb read = cdb_16(Opcode::read_16, 1, 1, 0x07);
    read[14] = 0x3f;
    read[15] = 0xff;
    expect_disk(plan(host_managed(), read).plan, DeviceOperation::read, 512, 512);
    Cdb reset = cdb_16(Opcode::zbc_out, 256, 0, 0xe4);
    reset[10] = reset[11] = 0xff;
    reset[14] = 0xfe;
    reset[15] = 0xff;
    expect_disk(plan(host_managed(), reset).plan, DeviceOperation::reset_zone, 256 * 512, 0);
}

TEST(Plan, VerifyComparesNothing) {
    EXPECT_EQ(plan(plain(), cdb({0x2f, 0, 0, 0, 0, 0, 0, 0, 9, 0})).plan.kind, Plan::Kind::done);
    EXPECT_EQ(plan(plain(), cdb({0xaf, 0, 0, 0, 0, 0, 0, 0, 0, 9})).plan.kind, Plan::Kind::done);
    EXPECT_EQ(plan(plain(), cdb_16(Opcode::verify_16, 0, 512)).plan.kind, Plan::Kind::done) << "no transfer";
    for (const unsigned byte_check : {0x02U, 0x04U, 0x06U}) {
        expect_refused(plan(plain(), cdb_16(Opcode::verify_16, 0, 1, byte_check)).plan,
                       sense::invalid_field_in_cdb);
    }
}

TEST(Plan, SynchronizeCacheFlushesAll) {
    expect_disk(plan(plain(), cdb({0x35})).plan, DeviceOperation::flush, 0, 0);
    expect_disk(plan(plain(), cdb({0x35, 0x02, 0, 0, 0, 8, 0, 0, 8})).plan, DeviceOperation::flush, 0, 0);
    expect_disk(plan(plain(), cdb({0x91})).plan, DeviceOperation::flush, 0, 0);
    expect_refused(plan(plain(), cdb({0x35, 0, 0xff, 0, 0, 0, 0, 0, 1})).plan, sense::lba_out_of_range);
}

struct ZoneCommand {
    unsigned action;
    DeviceOperation operation;
};
constexpr std::array zone_commands{
    ZoneCommand{1, DeviceOperation::close_zone}, ZoneCommand{2, DeviceOperation::finish_zone},
    ZoneCommand{3, DeviceOperation::open_zone}, ZoneCommand{4, DeviceOperation::reset_zone}};

TEST(Plan, ZoneCommandsNameAZoneOrAll) {
    for (const ZoneCommand& command : zone_commands) {
        const DeviceOperation operation = command.operation;
        const auto with = [&](std::uint64_t lba, unsigned count, unsigned all) {
            Cdb cdb = cdb_16(Opcode::zbc_out, lba, count, command.action);
            cdb[14] = static_cast<std::uint8_t>(all);
            return plan(host_managed(), cdb).plan;
        };
        expect_disk(with(384, 0, 0), operation, 384 * 512, 0);
        expect_disk(with(384, 1, 0), operation, 384 * 512, 0);
        expect_disk(with(385, 0, 0), operation, 385 * 512, 0);  // the disk refuses it
        expect_refused(with(384, 2, 0), sense::invalid_field_in_cdb);
        expect_refused(with(blocks, 0, 0), sense::lba_out_of_range);
        expect_refused(with(~std::uint64_t{0}, 0, 0), sense::lba_out_of_range);
        const Plan all = with(blocks + 7, 5, 1);  // ignored then
        EXPECT_EQ(all.kind, Plan::Kind::disk);
        EXPECT_EQ(all.operation, operation);
        EXPECT_TRUE(all.all_zones);
        EXPECT_EQ(all.offset, 0U);
    }
}

std::vector<std::byte> unmap_list(std::uint64_t lba, std::uint32_t count, std::size_t descriptors = 1) {
    std::vector<std::byte> list(8 + 16 * descriptors);
    const std::span<std::byte> bytes(list);
    put_be(bytes, 0, static_cast<std::uint16_t>(list.size() - 2));
    put_be(bytes, 2, static_cast<std::uint16_t>(16 * descriptors));
    for (std::size_t i = 0; i < descriptors; ++i) {
        put_be(bytes, 8 + 16 * i, lba);
        put_be(bytes, 16 + 16 * i, count);
    }
    return list;
}

TEST(Unmap, IsADiscard) {
    const Cdb unmap = cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0});
    const auto planned = plan(host_managed(), unmap).plan;
    EXPECT_EQ(planned.kind, Plan::Kind::parameters);
    EXPECT_EQ(planned.length, 24U);
    const auto taken = [&](std::span<const std::byte> list) {
        return plan_parameters(host_managed(), unmap, list);
    };
    expect_disk(taken(unmap_list(8, 16)), DeviceOperation::discard, 8 * 512, 16 * 512);
    EXPECT_EQ(taken(unmap_list(8, 0)).kind, Plan::Kind::done);
    EXPECT_EQ(taken(unmap_list(8, 16, 0)).kind, Plan::Kind::done);
    EXPECT_EQ(taken({}).kind, Plan::Kind::done);
    expect_refused(taken(unmap_list(8, 16, 2)), sense::invalid_field_in_parameters);
    expect_refused(taken(unmap_list(blocks - 1, 2)), sense::lba_out_of_range);
    const auto list = unmap_list(8, 16);
    expect_refused(taken(std::span(list).first(7)), sense::parameter_list_length);
    EXPECT_EQ(taken(std::span(list).first(23)).kind, Plan::Kind::done) << "no whole descriptor";
}

TEST(Unmap, IsThereWhereTheDiskHasDiscards) {
    expect_refused(plan(unit_of(shape(ZoneModel::host_managed, 0)), cdb({0x42})).plan, sense::invalid_opcode);
    EXPECT_EQ(plan(unit_of(shape(ZoneModel::host_aware, 0)), cdb({0x42})).plan.kind, Plan::Kind::parameters);
    expect_refused(plan(plain(), cdb({0x42, 0x01})).plan, sense::invalid_field_in_cdb);
}

TEST(Failure, TheDisksRefusalsAndErrorsHaveTheirSense) {
    using Op = DeviceOperation;
    EXPECT_EQ(sense_of_failure(Op::write, EIO, ZoneError::unaligned_write), (Sense{5, 0x21, 0x04}));
    EXPECT_EQ(sense_of_failure(Op::write, ENOSPC, ZoneError::out_of_range), (Sense{5, 0x21, 0x00}));
    EXPECT_EQ(sense_of_failure(Op::discard, EOPNOTSUPP, ZoneError::invalid_field), (Sense{5, 0x24, 0x00}));
    EXPECT_EQ(sense_of_failure(Op::discard, EOPNOTSUPP, ZoneError::none), sense::invalid_field_in_cdb);
    EXPECT_EQ(sense_of_failure(Op::read, EIO, ZoneError::none), sense::read_error);
    EXPECT_EQ(sense_of_failure(Op::write, EIO, ZoneError::none), sense::write_error);
    EXPECT_EQ(sense_of_failure(Op::flush, EIO, ZoneError::none), sense::write_error);
    EXPECT_EQ(sense_of_failure(Op::write, ENOSPC, ZoneError::none), sense::no_space);
    const SenseData data = fixed_format({5, 0x21, 0x04});
    EXPECT_EQ(data[0], std::byte{0x70});
    EXPECT_EQ(data[2], std::byte{5});
    EXPECT_EQ(data[7], std::byte{10});
    EXPECT_EQ(data[12], std::byte{0x21});
    EXPECT_EQ(data[13], std::byte{0x04});
}

}  // namespace
}  // namespace reflux::scsi::test
