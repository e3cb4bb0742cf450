// Loss of power at every moment of a translated disk's work: the log of all writes to the image file, cut
// after an event, with any part of what no sync has covered.
#include "backend/translated_check.h"
#include "tests/support/seed.h"
#include "tests/unit/backend/translated_session.h"

#include <cstdio>

#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::CrashStates;
using test::PagedFile;
using test::Random;
using test::TranslatedSession;
using test::TranslatedStack;

PagedFile new_disk() {
    const auto geometry = ZonedGeometry::make({.size = kibibytes(64 * 16),
                                               .zone_size = kibibytes(64),
                                               .conventional = 7,
                                               .model = ZoneModel::host_managed})
                              .value();
    PagedFile file;
    EXPECT_TRUE(write_new_image(file, geometry, true));
    return file;
}

// What fsck has against the translation's metadata; of the image's own, copies may well be torn.
std::string fsck(const PagedFile& left) {
    PagedFile file = left;
    ImageFindings of_image;
    const auto contents = read_image(file, of_image);
    if (!contents) {
        return contents.error().message;
    }
    ImageFindings found;
    if (const auto read = check_translation(file, contents->superblock, contents->zones, found); !read) {
        return read.error().message;
    }
    found.fatal.insert(found.fatal.end(), found.repairable.begin(), found.repairable.end());
    return found.fatal.empty() ? "" : found.fatal.front();
}

TEST(TranslatedCrash, NothingFlushedIsLostAndNothingStaleIsShown) {
    const std::uint64_t seed = test::new_seed();
    std::printf("REFLUX_SEED=%lu\n", seed);
    Random random(seed);
    PagedFile disk = new_disk();
    int states = 0;
    std::uint64_t reclaimed = 0;
    std::uint64_t commits = 0;
    for (int round = 0; round < (test::is_long() ? 50 : 2); ++round) {
        TranslatedSession session(disk, random);
        session.run(60);
        ASSERT_FALSE(HasFailure());
        reclaimed += session.status().reclaim.chunks;
        commits += session.status().generation;
        const std::uint64_t data_offset =
            Image::open(TranslatedSession::copy_of(disk), "image")->image.superblock().data_offset.value;
        CrashStates crash(session.before(), session.log(), data_offset);
        const std::size_t chosen = test::below(random, session.log().size() + 1);
        // Every moment, or about every eighth.
        const std::uint64_t stride = test::is_long() ? 1 : 15;
        for (std::size_t events = 0; events <= session.log().size();
             events += 1 + test::below(random, stride), ++states) {
            crash.advance(events);
            const PagedFile left = test::chance(random, 0.1) ? crash.all() : crash.some(random);
            ASSERT_EQ(fsck(left), "") << "after event " << events;
            const TranslatedStack stack(TranslatedSession::copy_of(left));
            ASSERT_NE(stack.translated, nullptr) << "after event " << events << ": " << stack.error;
            ASSERT_EQ(session.broken_promise(crash.tick(), stack.contents()), "") << "after event " << events;
            if (events <= chosen) {
                disk = left;
            }
        }
    }
    EXPECT_GT(reclaimed, 0U);
    std::printf("%d states, %lu commits, %lu chunks reclaimed meanwhile\n", states, commits, reclaimed);
}

}  // namespace
}  // namespace reflux
