// Loss of power at any moment: what a sync has not yet covered has reached the disk or not, in any order. And
// a proof that this test finds writers of the zone table that do it wrong.
#include "tests/support/seed.h"
#include "tests/unit/backend/crash_session.h"

#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::CrashSession;
using test::CrashStates;
using test::is_long;
using test::new_seed;
using test::PagedFile;
using test::Random;
using test::StoreFault;

PagedFile new_disk(ZoneModel model) {
    const bool managed = model == ZoneModel::host_managed;
    const auto geometry = ZonedGeometry::make({.size = kibibytes(64 * 300),
                                               .zone_size = kibibytes(64),
                                               .zone_capacity = managed ? kibibytes(48) : Bytes{0},
                                               .conventional = 2,
                                               .model = model})
                              .value();
    PagedFile file;
    EXPECT_TRUE(write_new_image(file, geometry));
    return file;
}

// The moments of a session at which it crashes, as numbers of events: some anywhere, as many right behind a
// write of metadata, and the end.
std::vector<std::size_t> moments(const CrashSession& session, Random& random, std::size_t count) {
    const auto& log = session.log();
    std::vector<std::size_t> delicate;
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (log[i].kind == test::FileEvent::Kind::write && log[i].offset < session.data_offset()) {
            delicate.push_back(i + 1);
        }
    }
    std::vector<std::size_t> chosen{log.size()};
    while (chosen.size() < count) {
        chosen.push_back(delicate[test::below(random, delicate.size())]);
        chosen.push_back(test::below(random, log.size() + 1));
    }
    std::ranges::sort(chosen);
    return chosen;
}

class Tally {
  public:
    // Opens what the crash left and holds it against the ledger.
    bool holds(const CrashSession& session, std::uint64_t tick, const PagedFile& left) {
        ++states;
        const auto opened = Image::open(std::make_unique<PagedFile>(left), "image");
        if (!opened) {
            broken.push_back(opened.error().message);
            return false;
        }
        torn += opened->findings.repairable.empty() ? 0 : 1;
        const auto found = session.ledger().broken_promises(tick, opened->zones, left);
        broken.insert(broken.end(), found.begin(), found.end());
        return found.empty();
    }
    std::vector<std::string> broken;
    int states = 0;
    int torn = 0;  // states with a damaged copy
};

// What is opened and closed again has nothing wrong, and the same zones.
void expect_recovery(const PagedFile& left, Random& random) {
    const auto before = Image::open(std::make_unique<PagedFile>(left), "image");
    ASSERT_TRUE(before);
    std::uint64_t clock = 0;
    test::LoggedFile file(left, clock);
    auto opened = Image::open(std::make_unique<test::StoreFile>(file), "image");
    auto device =
        ZonedDevice::start(std::move(*opened), std::make_unique<test::ShuffledEngine>(file, random));
    ASSERT_TRUE(device);
    EXPECT_TRUE((*device)->close());
    const auto after = Image::open(std::make_unique<test::StoreFile>(file), "image");
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_FALSE(after->image.was_unclean());
    EXPECT_EQ(after->findings.repairable, std::vector<std::string>{});
    for (std::uint64_t id = 0; id < after->zones.geometry().zone_count(); ++id) {
        ASSERT_EQ(after->zones.zone({id}), before->zones.zone({id})) << id;
    }
}

// Runs sessions, each on what a crash of the one before it left, until so many states are looked at.
Tally crash_often(ZoneModel model, int states, StoreFault fault, Random& random) {
    Tally tally;
    PagedFile disk = new_disk(model);
    while (tally.states < states && tally.broken.empty()) {
        CrashSession session(disk, random);
        session.use(fault);
        session.run(300);
        if (test::chance(random, 0.3)) {
            session.close();
        }
        CrashStates crash(session.before(), session.log(), session.data_offset());
        for (const std::size_t events : moments(session, random, 50)) {
            crash.advance(events);
            const PagedFile left = test::chance(random, 0.1) ? crash.all() : crash.some(random);
            if (!tally.holds(session, crash.tick(), left)) {
                break;
            }
            disk = left;
        }
        if (tally.broken.empty() && fault == StoreFault::none) {
            expect_recovery(disk, random);
        }
    }
    return tally;
}

class Crash : public testing::TestWithParam<ZoneModel> {};
INSTANTIATE_TEST_SUITE_P(Models, Crash, testing::Values(ZoneModel::host_managed, ZoneModel::host_aware),
                         [](const auto& row) { return std::string(to_string(row.param)); });

TEST_P(Crash, NothingPromisedIsLost) {
    const std::uint64_t seed = new_seed();
    Random random(seed);
    const Tally tally = crash_often(GetParam(), is_long() ? 5000 : 400, StoreFault::none, random);
    EXPECT_EQ(tally.broken, std::vector<std::string>{}) << "REFLUX_SEED=" << seed;
    EXPECT_GT(tally.torn, 0) << "states with a torn block are among them";
    RecordProperty("seed", std::to_string(seed));
    std::printf("seed %lu: %d states, %d of them with a torn copy\n", seed, tally.states, tally.torn);
}

TEST_P(Crash, AWrongWriterOfTheTableIsFound) {
    for (const auto fault : {StoreFault::data_not_synced, StoreFault::one_slot, StoreFault::reset_not_synced,
                             StoreFault::no_discard}) {
        Random random(1);
        const Tally tally = crash_often(GetParam(), 3000, fault, random);
        ASSERT_FALSE(tally.broken.empty())
            << "fault " << static_cast<int>(fault) << " was not found in " << tally.states << " states";
        std::printf("found in state %d: %s\n", tally.states, tally.broken.front().c_str());
    }
}

}  // namespace
}  // namespace reflux
