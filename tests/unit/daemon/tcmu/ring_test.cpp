// The ring against a kernel's side in memory (fake_kernel.h).
#include "daemon/tcmu/ring.h"

#include "tests/support/seed.h"
#include "tests/unit/daemon/tcmu/fake_kernel.h"

#include <algorithm>
#include <random>
#include <utility>

namespace reflux::tcmu::test {
namespace {

scsi::Cdb cdb_of(unsigned opcode, unsigned second = 0) {
    scsi::Cdb cdb{};
    cdb[0] = static_cast<std::uint8_t>(opcode);
    cdb[1] = static_cast<std::uint8_t>(second);
    cdb[15] = 0x77;
    return cdb;
}

TEST(Ring, ACommandIsTakenAndAnswered) {
    FakeKernel fake;
    const auto ring = fake.ring();
    RingCommand command;
    EXPECT_FALSE(ring->take(command));
    ASSERT_TRUE(fake.put_command(7, cdb_of(0x88), {FakeKernel::blocks(3, 2), FakeKernel::blocks(9, 1)}));
    EXPECT_TRUE(ring->has_next());
    ASSERT_TRUE(ring->take(command));
    EXPECT_FALSE(ring->has_next());
    EXPECT_TRUE(command.is_sound);
    EXPECT_EQ(command.id, 7);
    EXPECT_EQ(command.cdb, cdb_of(0x88));
    ASSERT_EQ(command.data().size(), 2U);
    EXPECT_EQ(command.data()[0].data(), fake.block(3).data());
    EXPECT_EQ(command.data()[0].size(), 2 * FakeKernel::page);
    EXPECT_EQ(command.data()[1].data(), fake.block(9).data());
    EXPECT_FALSE(ring->take(command)) << "once";
    EXPECT_EQ(fake.kicks(), 0);

    ring->answer(command, {});
    EXPECT_EQ(fake.kicks(), 1);
    const auto done = fake.take_completions();
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].id, 7);
    EXPECT_EQ(done[0].status, 0);
    EXPECT_EQ(done[0].flags, 0);
}

TEST(Ring, OfAShortCdbNothingBehindItIsSeen) {
    FakeKernel fake;
    const auto ring = fake.ring();
    for (const auto& [opcode, last] : {std::pair{0x12U, 6}, std::pair{0x28U, 10}, std::pair{0xa8U, 12}}) {
        scsi::Cdb all;
        all.fill(0xff);
        all[0] = static_cast<std::uint8_t>(opcode);
        ASSERT_TRUE(fake.put_command(1, all));
        RingCommand command;
        ASSERT_TRUE(ring->take(command));
        EXPECT_EQ(std::ranges::count(command.cdb, 0xff), last - 1);
        ring->answer(command, {});
        fake.take_completions();
    }
}

TEST(Ring, AnErrorHasItsSenseAndAShortAnswerItsLength) {
    FakeKernel fake;
    const auto ring = fake.ring();
    RingCommand command;
    ASSERT_TRUE(fake.put_command(1, cdb_of(0x8a)));
    ASSERT_TRUE(fake.put_command(2, cdb_of(0x12)));
    ASSERT_TRUE(ring->take(command));
    ring->answer(command, {.status = scsi::status_check_condition, .sense = {5, 0x21, 0x04}});
    ASSERT_TRUE(ring->take(command));
    ring->answer(command, {.read_length = 36});
    const auto done = fake.take_completions();
    ASSERT_EQ(done.size(), 2U);
    EXPECT_EQ(done[0].status, 2);
    EXPECT_EQ(done[0].sense[0], 0x70);
    EXPECT_EQ(done[0].sense[2], 5);
    EXPECT_EQ(done[0].sense[12], 0x21);
    EXPECT_EQ(done[0].sense[13], 0x04);
    EXPECT_EQ(done[0].flags, 0);
    EXPECT_EQ(done[1].status, 0);
    EXPECT_EQ(done[1].flags, kernel::flag_read_length);
    EXPECT_EQ(done[1].read_length, 36U);
}

TEST(Ring, ReadLengthsAreToldOnlyToKernelsThatTakeThem) {
    FakeKernel fake;
    auto mailbox = fake.mailbox();
    mailbox.flags = kernel::cap_out_of_order;
    fake.set_mailbox(mailbox);
    const auto ring = fake.ring();
    RingCommand command;
    ASSERT_TRUE(fake.put_command(1, cdb_of(0x12)));
    ASSERT_TRUE(ring->take(command));
    ring->answer(command, {.read_length = 36});
    EXPECT_EQ(fake.take_completions().at(0).flags, 0);
}

TEST(Ring, AnswersGoBackInAnyOrder) {
    FakeKernel fake;
    const auto ring = fake.ring();
    std::array<RingCommand, 4> commands;
    for (std::uint16_t id = 0; id < 4; ++id) {
        ASSERT_TRUE(fake.put_command(id, cdb_of(0x88, id), {FakeKernel::blocks(id, 1)}));
        ASSERT_TRUE(ring->take(commands.at(id)));
    }
    for (const std::size_t which : {2U, 0U, 3U, 1U}) {
        EXPECT_EQ(commands.at(which).cdb, cdb_of(0x88, static_cast<unsigned>(which))) << "a copy of its own";
        EXPECT_EQ(commands.at(which).data()[0].data(), fake.block(which).data());
        ring->answer(commands.at(which), {});
        const auto done = fake.take_completions();
        ASSERT_EQ(done.size(), 1U);
        EXPECT_EQ(done[0].id, which);
    }
    EXPECT_EQ(fake.outstanding(), 0U);
}

TEST(Ring, PadsAndTaskManagementArePassed) {
    FakeKernel fake;
    const auto ring = fake.ring();
    RingCommand first;
    RingCommand second;
    ASSERT_TRUE(fake.put_other(kernel::operation_task_management, 40));
    EXPECT_FALSE(ring->take(first));
    EXPECT_EQ(fake.mailbox().tail, 40U) << "nothing before it waits";
    ASSERT_TRUE(fake.put_command(1, cdb_of(0)));
    ASSERT_TRUE(fake.put_other(kernel::operation_pad, 8));
    ASSERT_TRUE(fake.put_other(kernel::operation_task_management, 32));
    ASSERT_TRUE(fake.put_command(2, cdb_of(0)));
    ASSERT_TRUE(fake.put_other(kernel::operation_task_management, 32));
    ASSERT_TRUE(ring->take(first));
    ASSERT_TRUE(ring->take(second));
    EXPECT_EQ(second.id, 2);
    RingCommand none;
    EXPECT_FALSE(ring->take(none));
    ring->answer(second, {});
    ring->answer(first, {});
    EXPECT_EQ(fake.take_completions().size(), 2U);
    EXPECT_EQ(fake.mailbox().tail, fake.head()) << "the last one, too";
    EXPECT_EQ(fake.others(), 0U);
}

TEST(Ring, AnUnknownOperationIsSaidToBeOne) {
    FakeKernel fake;
    const auto ring = fake.ring();
    RingCommand command;
    ASSERT_TRUE(fake.put_other(5, 64));
    EXPECT_FALSE(ring->take(command));
    EXPECT_EQ(fake.kicks(), 1);
    EXPECT_TRUE(fake.take_completions().empty());
    EXPECT_EQ(fake.others(), unsigned{kernel::flag_unknown_operation});
    EXPECT_FALSE(ring->is_broken());
}

TEST(Ring, AResetForgetsWhatWasTaken) {
    FakeKernel fake;
    const auto ring = fake.ring();
    RingCommand old;
    RingCommand fresh;
    ASSERT_TRUE(fake.put_command(1, cdb_of(0)));
    ASSERT_TRUE(ring->take(old));
    ring->answer(old, {});
    fake.take_completions();
    ASSERT_TRUE(fake.put_command(2, cdb_of(0)));
    ASSERT_TRUE(ring->take(old));
    fake.reset();
    ring->answer(old, {});
    EXPECT_TRUE(fake.take_completions().empty()) << "nobody waits for it";
    ASSERT_TRUE(fake.put_command(3, cdb_of(0)));
    ASSERT_TRUE(ring->take(fresh));
    EXPECT_EQ(fresh.id, 3);
    ring->answer(old, {});
    EXPECT_TRUE(fake.take_completions().empty());
    ring->answer(fresh, {});
    EXPECT_EQ(fake.take_completions().size(), 1U);
}

TEST(Ring, AResetIsSeenWhenNothingHadBeenAnswered) {
    FakeKernel fake;
    const auto ring = fake.ring();
    RingCommand old;
    ASSERT_TRUE(fake.put_command(1, cdb_of(0)));
    ASSERT_TRUE(ring->take(old));
    fake.reset();
    RingCommand fresh;
    EXPECT_FALSE(ring->take(fresh));
    ring->answer(old, {});
    EXPECT_EQ(fake.mailbox().tail, 0U);
    ASSERT_TRUE(fake.put_command(2, cdb_of(0)));
    ASSERT_TRUE(ring->take(fresh));
    ring->answer(fresh, {});
    EXPECT_EQ(fake.take_completions().at(0).id, 2);
}

// Nothing tells of such a reset but the entries themselves: the tail was and is at 0, and the kernel gives
// the same numbers to the commands that come again, in the same places.
TEST(Ring, AResetIsSeenThoughNewCommandsLieWhereTheOldOnesWere) {
    for (const std::uint16_t fresh_ones : {1, 2, 3, 4}) {
        FakeKernel fake;
        const auto ring = fake.ring();
        std::array<RingCommand, 2> old;
        for (std::uint16_t id = 0; id < 2; ++id) {
            ASSERT_TRUE(fake.put_command(id, cdb_of(0x88, 1)));
            ASSERT_TRUE(ring->take(old.at(id)));
        }
        fake.reset();
        for (std::uint16_t id = 0; id < fresh_ones; ++id) {
            ASSERT_TRUE(fake.put_command(id, cdb_of(0x88, 2)));
        }
        ring->answer(old[0], {});
        EXPECT_TRUE(fake.take_completions().empty()) << "an old answer is none to a new command";
        for (std::uint16_t id = 0; id < fresh_ones; ++id) {
            RingCommand fresh;
            ASSERT_TRUE(ring->take(fresh)) << "lost: " << id << " of " << fresh_ones;
            EXPECT_EQ(fresh.id, id);
            EXPECT_EQ(fresh.cdb, cdb_of(0x88, 2));
            ring->answer(old[1], {});
            EXPECT_TRUE(fake.take_completions().empty());
            ring->answer(fresh, {});
            EXPECT_EQ(fake.take_completions().size(), 1U);
        }
    }
}

TEST(Ring, EntriesThatMakeNoSenseAreNotFollowed) {
    for (const std::uint32_t length : {0U, 64U, 1U << 20U}) {
        FakeKernel fake;
        const auto ring = fake.ring();
        ASSERT_TRUE(fake.put_command(1, cdb_of(0)));
        fake.put(0, length | kernel::operation_command);
        RingCommand command;
        EXPECT_FALSE(ring->take(command));
        EXPECT_TRUE(ring->is_broken());
        fake.reset();
        EXPECT_FALSE(ring->take(command));
        EXPECT_FALSE(ring->is_broken()) << "a reset mends it";
    }
}

TEST(Ring, ACommandOutsideOfTheMappingIsUnsound) {
    FakeKernel fake;
    const std::size_t end = fake.memory().size();
    const auto ring = fake.ring();
    const std::vector<std::vector<Piece>> wrong{
        {{end, 1}}, {{end - 8, 16}}, {{8, ~std::size_t{0}}}, {{~std::size_t{0}, 8}}};
    for (const auto& pieces : wrong) {
        ASSERT_TRUE(fake.put_command(1, cdb_of(0x88), pieces));
        RingCommand command;
        ASSERT_TRUE(ring->take(command));
        EXPECT_FALSE(command.is_sound);
        EXPECT_TRUE(command.data().empty());
        ring->answer(command, {});
        fake.take_completions();
    }
    const std::uint32_t at = fake.head();
    ASSERT_TRUE(fake.put_command(1, cdb_of(0x88)));
    fake.put(at + offsetof(kernel::CommandEntry, iov_count), std::uint32_t{1000});
    RingCommand command;
    ASSERT_TRUE(ring->take(command));
    EXPECT_FALSE(command.is_sound) << "more pieces than the entry holds";
    ring->answer(command, {});
    const std::uint32_t next = fake.head();
    ASSERT_TRUE(fake.put_command(1, cdb_of(0x88)));
    fake.put(next + offsetof(kernel::CommandEntry, cdb_offset), std::uint64_t{end - 15});
    ASSERT_TRUE(ring->take(command));
    EXPECT_FALSE(command.is_sound);
}

TEST(Ring, MorePiecesThanAreTakenAreCutOff) {
    FakeKernel fake(8192 - FakeKernel::ring_offset, 300);
    const auto ring = fake.ring();
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < most_pieces + 10; ++i) {
        pieces.push_back(FakeKernel::blocks(i, 1));
    }
    ASSERT_TRUE(fake.put_command(1, cdb_of(0x88), pieces));
    RingCommand command;
    ASSERT_TRUE(ring->take(command));
    EXPECT_TRUE(command.is_sound);
    EXPECT_EQ(command.data().size(), most_pieces);
}

TEST(Ring, MailboxesThatAreNone) {
    const auto made = [](auto spoil) {
        FakeKernel fake;
        auto mailbox = fake.mailbox();
        spoil(mailbox);
        fake.set_mailbox(mailbox);
        return Ring::make(fake.memory(), fake.kick_fd()).has_value();
    };
    EXPECT_TRUE(made([](kernel::Mailbox&) {}));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.version = 1; }));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.flags = 0; }));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.ring_offset = 8; }));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.ring_offset = 1U << 30U; }));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.ring_size = 1U << 30U; }));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.ring_size = 1028; }));
    EXPECT_FALSE(made([](kernel::Mailbox& mailbox) { mailbox.ring_size = 64; }));
    FakeKernel fake;
    EXPECT_FALSE(Ring::make(fake.memory().first(64), fake.kick_fd()).has_value());
}

// Commands of all sizes and other entries come, are taken and answered at random, round and round.
TEST(Ring, EachCommandIsTakenAndAnsweredOnceWhateverTheOrder) {
    const auto seed = reflux::test::new_seed();
    SCOPED_TRACE(testing::Message() << "REFLUX_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t bound) { return random() % bound; };
    FakeKernel fake(2048);
    const auto ring = fake.ring();
    std::vector<RingCommand> taken;
    std::uint16_t put = 0;
    std::uint16_t seen = 0;
    std::size_t answered = 0;
    const int steps = reflux::test::is_long() ? 2'000'000 : 100'000;
    for (int step = 0; step < steps; ++step) {
        const auto action = below(8);
        if (action < 3) {
            std::vector<Piece> pieces(below(8), FakeKernel::blocks(below(60), 1));
            put = static_cast<std::uint16_t>(
                put + (fake.put_command(put, cdb_of(0x88, put & 0xffU), pieces) ? 1 : 0));
        } else if (action == 3) {
            fake.put_other(below(2) == 0 ? kernel::operation_task_management : kernel::operation_pad,
                           8 + 8 * below(6));
        } else if (action < 6) {
            RingCommand command;
            if (ring->take(command)) {
                ASSERT_TRUE(command.is_sound);
                ASSERT_EQ(command.id, seen) << "in their order";
                ASSERT_EQ(command.cdb, cdb_of(0x88, seen & 0xffU));
                ++seen;
                taken.push_back(command);
            }
        } else if (!taken.empty()) {
            std::swap(taken[below(taken.size())], taken.back());
            ring->answer(taken.back(), {});
            taken.pop_back();
            ++answered;
            const auto done = fake.take_completions();
            ASSERT_LE(done.size(), 1U);
        }
        ASSERT_FALSE(ring->is_broken());
        ASSERT_FALSE(testing::Test::HasFailure());
    }
    EXPECT_GT(answered, static_cast<std::size_t>(steps) / 10);
}

// As above, with resets at any time: all that was put since the last one is taken in its order, and what was
// taken before it is answered in vain. Numbers begin at 0 again, as the kernel gives the lowest that is free.
TEST(Ring, NoCommandIsLostNorAnsweredForAnotherOverResets) {
    const auto seed = reflux::test::new_seed();
    SCOPED_TRACE(testing::Message() << "REFLUX_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t bound) { return random() % bound; };
    FakeKernel fake(2048);
    const auto ring = fake.ring();
    std::vector<RingCommand> taken;
    std::vector<RingCommand> stale;
    std::uint16_t put = 0;
    std::uint16_t seen = 0;
    unsigned round = 0;  // of the ring: in each command's second byte
    std::size_t in_vain = 0;
    const int steps = reflux::test::is_long() ? 2'000'000 : 100'000;
    for (int step = 0; step < steps; ++step) {
        const auto action = below(20);
        if (action < 8) {
            const bool is_put = fake.put_command(put, cdb_of(0x88, round & 0xffU));
            put = static_cast<std::uint16_t>(put + (is_put ? 1 : 0));
        } else if (action == 8) {
            fake.put_other(kernel::operation_task_management, 8 + 8 * below(6));
        } else if (action < 14) {
            RingCommand command;
            const bool is_there = ring->take(command);
            ASSERT_EQ(is_there, seen != put) << "lost, or taken twice";
            if (is_there) {
                ASSERT_EQ(command.id, seen++);
                ASSERT_EQ(command.cdb, cdb_of(0x88, round & 0xffU)) << "of before the reset";
                taken.push_back(command);
            }
        } else if (action < 18 && !taken.empty()) {
            std::swap(taken[below(taken.size())], taken.back());
            ring->answer(taken.back(), {});
            taken.pop_back();
            fake.take_completions();
        } else if (action == 18 && !stale.empty()) {
            ring->answer(stale.back(), {});
            stale.pop_back();
            ++in_vain;
            ASSERT_TRUE(fake.take_completions().empty());
        } else if (action == 19 && below(4) == 0) {
            fake.take_completions();
            fake.reset();
            ++round;
            put = seen = 0;
            stale = std::exchange(taken, {});
        }
        ASSERT_FALSE(ring->is_broken());
        ASSERT_FALSE(testing::Test::HasFailure());
    }
    EXPECT_GT(in_vain, static_cast<std::size_t>(steps) / 1000);
}

}  // namespace
}  // namespace reflux::tcmu::test
