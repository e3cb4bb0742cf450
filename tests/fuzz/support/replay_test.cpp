// The target as a unit test: its seeds, and mutations of them that are the same every time.
#include "tests/fuzz/support/mutate.h"
#include "tests/fuzz/support/target.h"

#include <algorithm>
#include <iterator>

#include <gtest/gtest.h>

namespace reflux::fuzz {
namespace {

TEST(Fuzz, TakesEverySeed) {
    const Target target = make_target();
    ASSERT_FALSE(target.seeds.empty());
    for (const std::string& seed : target.seeds) {
        EXPECT_NO_THROW(EXPECT_TRUE(target.run(seed))) << seed.substr(0, 400);
    }
}

TEST(Fuzz, SurvivesMutatedSeeds) {
    const Target target = make_target();
    const Mutator mutator(target);
    std::vector<std::string> seeds;
    std::ranges::copy_if(target.seeds, std::back_inserter(seeds),
                         [&](const std::string& seed) { return seed.size() <= target.round_bytes; });
    ASSERT_FALSE(seeds.empty());
    int taken = 0;
    for (int round = 0; round < target.rounds; ++round) {
        Random random(static_cast<unsigned>(round));
        const std::string input = mutator.mutated(seeds[pick(random, seeds.size())], random);
        ASSERT_NO_THROW(taken += target.run(input) ? 1 : 0)
            << "round " << round << ": " << ::testing::PrintToString(input.substr(0, 4000));
    }
    // The mutations come through to what lies behind the parser, and not all of them.
    EXPECT_GT(taken, target.rounds / 20);
    EXPECT_EQ(taken < target.rounds, target.may_refuse);
}

}  // namespace
}  // namespace reflux::fuzz
