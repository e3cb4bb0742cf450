#include "harness/journal/journal.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"
#include "harness/journal/undo_devices.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class JournalTest : public testing::Test {
  protected:
    // What another process, `reflux clean`, reads of the journal.
    [[nodiscard]] std::vector<std::string> reread() const {
        std::vector<std::string> texts;
        const auto journal = Journal::open(root_ + "/run");
        for (const auto& object : journal ? journal->objects() : std::vector<Object>{}) {
            texts.push_back(to_string(object));
        }
        return texts;
    }

    test::TemporaryFolder folder_;
    std::string root_ = folder_ / "state";
};

TEST_F(JournalTest, IsReadBackAsWritten) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal) << journal.error().message;
    const auto mount = journal->intend(Kind::mount, "/a b/upper");
    const auto loop = journal->intend(Kind::loop, "/image");
    ASSERT_TRUE(mount && loop);
    ASSERT_TRUE(journal->note(*loop, "7"));
    EXPECT_THAT(reread(), ElementsAre("mount /a b/upper", "loop /image (7)"));
    ASSERT_TRUE(journal->gone(*mount));
    EXPECT_THAT(reread(), ElementsAre("loop /image (7)"));
    EXPECT_TRUE(journal->owner_alive());
    EXPECT_THAT(Journal::folders(root_), ElementsAre(root_ + "/run"));
    std::filesystem::create_directory(root_ + "/killed-in-its-last-step");
    std::filesystem::create_directory(root_ + "/.killed-in-its-first-step");
    EXPECT_THAT(Journal::folders(root_), ElementsAre(root_ + "/run"));
}

// Folders stand for cgroups here: both go by rmdir.
TEST_F(JournalTest, ATreeOfCgroupsGoesWithWhatWasNotWrittenDown) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal) << journal.error().message;
    const std::string tree = folder_ / "io";
    ASSERT_TRUE(journal->intend(Kind::cgroup_tree, tree));
    std::filesystem::create_directories(tree + "/812");
    std::filesystem::create_directories(tree + "/813");
    EXPECT_THAT(undo(*journal, Mode::orderly).leftovers, testing::IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(tree));
    // Never made, or gone already.
    ASSERT_TRUE(journal->intend(Kind::cgroup_tree, tree));
    EXPECT_THAT(undo(*journal, Mode::escape).leftovers, testing::IsEmpty());
}

TEST_F(JournalTest, ATornLastLineIsLeftOut) {
    {
        auto journal = Journal::create(root_, "run");
        ASSERT_TRUE(journal);
        ASSERT_TRUE(journal->intend(Kind::file, "/one"));
    }
    std::ofstream(root_ + "/run/journal", std::ios::app) << "make 2 fi";
    EXPECT_THAT(reread(), ElementsAre("file /one"));
    // What is appended after it stands on a line of its own.
    auto again = Journal::open(root_ + "/run");
    ASSERT_TRUE(again && again->intend(Kind::file, "/two"));
    EXPECT_THAT(reread(), ElementsAre("file /one", "file /two"));
}

TEST_F(JournalTest, AnOwnerThatIsGoneIsKnown) {
    { ASSERT_TRUE(Journal::create(root_, "run")); }
    std::ofstream(root_ + "/run/journal") << "owner 1 999999999999\n";
    const auto journal = Journal::open(root_ + "/run");
    ASSERT_TRUE(journal);
    EXPECT_FALSE(journal->owner_alive()) << "process 1 runs, but was not started then";
}

TEST_F(JournalTest, RefusesToGoWhileObjectsAreLeft) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    const auto id = journal->intend(Kind::file, folder_ / "left");
    EXPECT_FALSE(journal->remove());
    ASSERT_TRUE(journal->gone(*id));
    EXPECT_TRUE(journal->remove());
    EXPECT_TRUE(std::filesystem::is_empty(root_)) << "the run's folder goes, a root that was chosen stays";
}

TEST_F(JournalTest, UndoTakesFilesAndFoldersDownLastMadeFirst) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->intend(Kind::directory, folder_ / "d"));
    std::filesystem::create_directory(folder_ / "d");
    ASSERT_TRUE(journal->intend(Kind::file, folder_ / "d/f"));
    std::ofstream(folder_ / "d/f") << "x";
    ASSERT_TRUE(journal->intend(Kind::file, folder_ / "never-made"));
    const auto report = undo(*journal, Mode::orderly);
    EXPECT_THAT(report.leftovers, ElementsAre());
    EXPECT_FALSE(report.escaped);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "d"));
    EXPECT_TRUE(journal->objects().empty());
}

TEST_F(JournalTest, UndoNeverRemovesWhatItDidNotMake) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->intend(Kind::directory, folder_ / "d"));
    std::filesystem::create_directory(folder_ / "d");
    std::ofstream(folder_ / "d/somebody-elses") << "x";
    const auto report = undo(*journal, Mode::orderly);
    ASSERT_EQ(report.leftovers.size(), 1U);
    EXPECT_THAT(report.leftovers[0], HasSubstr(folder_ / "d"));
    EXPECT_TRUE(std::filesystem::exists(folder_ / "d/somebody-elses"));
    EXPECT_EQ(journal->objects().size(), 1U) << "it stays in the journal";
}

TEST_F(JournalTest, UndoRemovesATraceInstanceAndPassesTheErrorOfItsHelperOn) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->intend(Kind::trace_instance, folder_ / "gone-before"));
    ASSERT_TRUE(journal->intend(Kind::trace_instance, folder_ / "empty"));
    ASSERT_TRUE(journal->intend(Kind::trace_instance, folder_ / "full"));
    std::filesystem::create_directory(folder_ / "empty");
    folder_.write("full/file", "");
    const auto report = undo(*journal, Mode::orderly);
    ASSERT_EQ(report.leftovers.size(), 1U);
    EXPECT_THAT(report.leftovers[0], HasSubstr("rmdir " + folder_ / "full"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "empty"));
    EXPECT_THAT(reread(), ElementsAre("trace_instance " + folder_ / "full"));
}

TEST_F(JournalTest, UndoOfProbesThatWereNeverMadeIsNoError) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    folder_.write("tracefs/kprobe_events", "");
    std::filesystem::create_directories(folder_ / "tracefs/events");
    ASSERT_TRUE(journal->intend(Kind::trace_probes, folder_ / "tracefs/events/reflux_1"));
    EXPECT_THAT(undo(*journal, Mode::orderly).leftovers, ElementsAre());
    EXPECT_THAT(reread(), ElementsAre());
    EXPECT_EQ(std::filesystem::file_size(folder_ / "tracefs/kprobe_events"), 0U) << "nothing was written";
}

TEST_F(JournalTest, UndoOfProbesPassesTheKernelsErrorOn) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->intend(Kind::mount, folder_ / "tracefs"));
    ASSERT_TRUE(journal->intend(Kind::trace_probes, folder_ / "tracefs/events/reflux_1"));
    folder_.write("tracefs/events/reflux_1/prune_icache_sb/enable", "");  // and no kprobe_events
    const auto report = undo(*journal, Mode::orderly);
    ASSERT_EQ(report.leftovers.size(), 2U) << "the mount is kept for them";
    EXPECT_THAT(report.leftovers[0], HasSubstr("kprobe_events"));
    EXPECT_THAT(reread(), ElementsAre("mount " + folder_ / "tracefs",
                                      "trace_probes " + folder_ / "tracefs/events/reflux_1"));
}

TEST_F(JournalTest, UndoKeepsTheMountOfATraceInstanceThatStays) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->intend(Kind::mount, folder_ / "other"));
    ASSERT_TRUE(journal->intend(Kind::mount, folder_ / "tracefs"));
    ASSERT_TRUE(journal->intend(Kind::trace_instance, folder_ / "tracefs/instances/run"));
    folder_.write("tracefs/instances/run/file", "");
    EXPECT_EQ(undo(*journal, Mode::orderly).leftovers.size(), 2U);
    EXPECT_THAT(reread(), ElementsAre("mount " + folder_ / "tracefs",
                                      "trace_instance " + folder_ / "tracefs/instances/run"));
    std::filesystem::remove(folder_ / "tracefs/instances/run/file");
    EXPECT_THAT(undo(*journal, Mode::orderly).leftovers, ElementsAre());
    EXPECT_THAT(reread(), ElementsAre());
}

TEST_F(JournalTest, UndoPutsASettingBack) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    folder_.write("max_ratio", "1");
    folder_.write("untouched", "7");
    const auto id = journal->intend(Kind::setting, folder_ / "max_ratio");
    ASSERT_TRUE(id && journal->note(*id, "100"));
    ASSERT_TRUE(journal->intend(Kind::setting, folder_ / "untouched")) << "the harness was killed here";
    const auto gone = journal->intend(Kind::setting, folder_ / "gone-with-its-module");
    ASSERT_TRUE(gone && journal->note(*gone, "0"));
    auto again = Journal::open(root_ + "/run");
    ASSERT_TRUE(again);
    EXPECT_THAT(undo(*again, Mode::escape).leftovers, ElementsAre());
    EXPECT_EQ(reflux::read_file(folder_ / "max_ratio").value_or(""), "100");
    EXPECT_EQ(reflux::read_file(folder_ / "untouched").value_or(""), "7");
    EXPECT_THAT(reread(), ElementsAre());
}

TEST_F(JournalTest, AModuleThatIsNotLoadedIsGone) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->intend(Kind::kernel_module, "reflux_no_such_module"));
    EXPECT_THAT(reread(), ElementsAre("kernel_module reflux_no_such_module"));
    EXPECT_THAT(undo(*journal, Mode::orderly).leftovers, ElementsAre());
    EXPECT_THAT(reread(), ElementsAre());
}

TEST_F(JournalTest, AForeignDeviceThatStaysIsToldAndAnotherOfItsNameIsNot) {
    const test::TemporaryFolder block;
    block.write("vda7/size", "2048\n");
    block.write("vda7/diskseq", "41\n");
    Object object{.id = 1, .kind = Kind::foreign_device, .name = "/run/x/disk", .note = ""};
    EXPECT_TRUE(await_foreign_device_gone(object, Seconds(0.1), block.path())) << "it was never made";
    object.note = foreign_device_note("vda7", block.path());
    EXPECT_EQ(object.note, "vda7 41");
    const auto stays = await_foreign_device_gone(object, Seconds(0.1), block.path());
    ASSERT_FALSE(stays);
    EXPECT_THAT(stays.error().message, testing::HasSubstr("/dev/vda7, which the daemon has made"));
    block.write("vda7/diskseq", "42\n");
    EXPECT_TRUE(await_foreign_device_gone(object, Seconds(0.1), block.path()))
        << "it is somebody else's by now";
    block.write("vda7/diskseq", "41\n");
    block.write("vda7/size", "0\n");
    EXPECT_TRUE(await_foreign_device_gone(object, Seconds(0.1), block.path())) << "a node without a disk";
    EXPECT_EQ(foreign_device_note("vdb", block.path()), "vdb -") << "before 5.15";
    object.note = "vdb -";
    EXPECT_TRUE(await_foreign_device_gone(object, Seconds(0.1), block.path()));
}

TEST_F(JournalTest, MembersOfACgroupAreThoseOfThisPidNamespace) {
    folder_.write("cgroup.procs", "17\n0\n4711\n");
    EXPECT_THAT(cgroup_members(folder_.path()).value_or(std::vector<int>{}), ElementsAre(17, 4711));
    const auto gone = cgroup_members(folder_ / "gone");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().errnum, ENOENT);
}

TEST_F(JournalTest, UndoLeavesAProcessAloneThatOnlyHasThePid) {
    auto journal = Journal::create(root_, "run");
    ASSERT_TRUE(journal);
    const auto id = journal->intend(Kind::process, "refluxd");
    ASSERT_TRUE(journal->note(*id, fmt::format("{} 1", ::getpid())));
    EXPECT_THAT(undo(*journal, Mode::orderly).leftovers, ElementsAre()) << "and this test still runs";
}

}  // namespace
}  // namespace reflux::journal
