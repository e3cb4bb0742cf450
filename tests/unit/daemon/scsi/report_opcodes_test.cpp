#include "tests/unit/daemon/scsi/scsi_fixture.h"

namespace reflux::scsi::test {
namespace {

Planned ask(const LogicalUnit& unit, unsigned option, unsigned opcode = 0, unsigned action = 0) {
    return plan(unit, cdb({0xa3, 0x0c, option, opcode, 0, action, 0, 0, 0x10, 0, 0, 0}));
}

constexpr unsigned with_timeouts = 0x80;

TEST(ReportOpcodes, AllOfThemAreListed) {
    for (const LogicalUnit& unit : {host_managed(), plain()}) {
        for (const unsigned times : {0U, with_timeouts}) {
            const auto all = ask(unit, times);
            EXPECT_EQ(all.plan.kind, Plan::Kind::answer);
            EXPECT_EQ(all.plan.allocation, 0x1000U);
            const auto expected = static_cast<std::size_t>(std::ranges::count_if(
                command_table(), [&](const Command& command) { return has_command(unit, command); }));
            const std::size_t size = times != 0 ? 20 : 8;
            EXPECT_EQ(all.number<std::uint32_t>(0), expected * size);
            ASSERT_EQ(all.data.size(), 4 + expected * size) << "nothing was cut off";
            EXPECT_EQ(all.at(4 + 5), times != 0 ? 2U : 0U);
            EXPECT_EQ(all.number<std::uint16_t>(4 + 6), 6) << "TEST UNIT READY";
        }
    }
}

TEST(ReportOpcodes, OneOfThem) {
    const auto write = ask(host_managed(), 1, 0x8a);
    EXPECT_EQ(write.at(1), 3U);
    EXPECT_EQ(write.number<std::uint16_t>(2), 16);
    EXPECT_EQ(write.data.size(), 20U);
    EXPECT_EQ(write.at(4), 0x8aU);
    EXPECT_EQ(write.at(5), 0xe8U);
    const auto reset = ask(host_managed(), 2, 0x94, 4);
    EXPECT_EQ(reset.at(1), 3U);
    EXPECT_EQ(reset.at(5), 0x04U);
    EXPECT_EQ(ask(host_managed(), 3, 0x94, 4).at(1), 3U);
    EXPECT_EQ(ask(host_managed(), 3, 0x28).at(1), 3U);
    EXPECT_EQ(ask(host_managed(), with_timeouts | 1U, 0x28).at(1), 0x83U);
    EXPECT_EQ(ask(host_managed(), with_timeouts | 1U, 0x28).data.size(), 4U + 10 + 12);
}

TEST(ReportOpcodes, WhatThereIsNot) {
    for (const auto& answer : {ask(host_managed(), 1, 0x93), ask(host_managed(), 2, 0x94, 0x10),
                               ask(host_managed(), 3, 0x94, 0x10), ask(plain(), 2, 0x95)}) {
        EXPECT_EQ(answer.plan.kind, Plan::Kind::answer);
        EXPECT_EQ(answer.at(1), 1U);
        EXPECT_EQ(answer.data.size(), 4U);
    }
}

TEST(ReportOpcodes, OptionsMustFitTheCommand) {
    expect_refused(ask(host_managed(), 1, 0x94, 4).plan, sense::invalid_field_in_cdb);
    expect_refused(ask(host_managed(), 2, 0x28).plan, sense::invalid_field_in_cdb);
    for (const unsigned option : {4U, 5U, 6U, 7U}) {
        expect_refused(ask(host_managed(), option, 0x28).plan, sense::invalid_field_in_cdb);
    }
}

TEST(CommandTable, RowsAreWhole) {
    for (const Command& command : command_table()) {
        EXPECT_NE(command.plan, nullptr);
        EXPECT_EQ(command.usage[0], static_cast<unsigned>(command.opcode));
        EXPECT_TRUE(command.length == 6 || command.length == 10 || command.length == 12 ||
                    command.length == 16);
        if (command.service_action) {
            EXPECT_EQ(command.usage[1], *command.service_action);
        }
        for (std::size_t i = command.length; i < command.usage.size(); ++i) {
            EXPECT_EQ(command.usage.at(i), 0) << "behind the CDB";
        }
    }
}

}  // namespace
}  // namespace reflux::scsi::test
