#include "daemon/base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;

Result<Command> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "refluxd");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::string error_of(const std::vector<const char*>& arguments) {
    const auto command = parse(arguments);
    if (command) {
        return "accepted";
    }
    EXPECT_EQ(command.error().kind, ErrorKind::invalid_input);
    return command.error().message;
}

std::string help_of(const std::vector<const char*>& arguments) {
    const auto command = parse(arguments);
    EXPECT_TRUE(command) << command.error().message;
    const auto* help = command ? std::get_if<HelpText>(&*command) : nullptr;
    return help != nullptr ? help->text : "";
}

TEST(Options, FormatHasTheDocumentedDefaults) {
    const auto command = parse({"format", "image", "--size", "1GiB"});
    ASSERT_TRUE(command) << command.error().message;
    const auto& format = std::get<FormatOptions>(*command);
    EXPECT_EQ(format.image, "image");
    EXPECT_EQ(format.geometry.size(), gibibytes(1));
    EXPECT_EQ(format.geometry.zone_size(), mebibytes(64));
    EXPECT_EQ(format.geometry.conventional_count(), 4U);
    EXPECT_FALSE(format.force);
    EXPECT_EQ(format.geometry.shape().model, ZoneModel::host_aware);
}

TEST(Options, FormatTakesAnyShape) {
    const auto command = parse({"format", "image", "--size", "1GiB", "--model", "host-managed", "--zone-size",
                                "1MiB", "--zone-capacity", "512KiB", "--conventional", "2", "--block-size",
                                "4096", "--max-open", "8", "--max-active", "9", "--restricted-reads"});
    ASSERT_TRUE(command) << command.error().message;
    EXPECT_EQ(std::get<FormatOptions>(*command).geometry.shape(),
              (ZonedShape{.size = gibibytes(1),
                          .zone_size = mebibytes(1),
                          .zone_capacity = kibibytes(512),
                          .conventional = 2,
                          .logical_block_size = 4096,
                          .model = ZoneModel::host_managed,
                          .max_open = 8,
                          .max_active = 9,
                          .unrestricted_reads = false}));
}

TEST(Options, FormatTakesTcmuRunnersString) {
    const auto command =
        parse({"format", "--config", "zbc/model-HM/zsize-64/conv-8@/path/file", "--size", "10GiB"});
    ASSERT_TRUE(command) << command.error().message;
    const auto& format = std::get<FormatOptions>(*command);
    EXPECT_EQ(format.image, "/path/file");
    EXPECT_EQ(format.geometry.shape().model, ZoneModel::host_managed);
    EXPECT_EQ(format.geometry.zone_size(), mebibytes(64));
    EXPECT_EQ(format.geometry.conventional_count(), 8U);
    EXPECT_EQ(format.geometry.shape().max_open, 76U);
}

TEST(Options, ServeHasTheDocumentedDefaults) {
    const auto command = parse({"serve", "image", "mnt"});
    ASSERT_TRUE(command) << command.error().message;
    const auto& serve = std::get<ServeOptions>(*command);
    EXPECT_EQ(serve.mountpoint, "mnt");
    EXPECT_EQ(serve.engine, "sync");
    EXPECT_FALSE(serve.threads);
    EXPECT_FALSE(serve.direct);
    EXPECT_EQ(serve.control, "");
    EXPECT_FALSE(serve.daemonize || serve.protection.lock_memory);
    EXPECT_EQ(serve.protection.io_flusher, SelfProtection::IoFlusher::off);
    EXPECT_TRUE(serve.calls.flags.empty() && serve.calls.scopes.empty());
    EXPECT_EQ(serve.calls.sync_range + serve.calls.fdatasync_every, 0U);
}

TEST(Options, ServeTakesEverything) {
    const auto command = parse({"serve",
                                "image",
                                "mnt",
                                "--engine",
                                "threads",
                                "--threads",
                                "8",
                                "--control",
                                "s",
                                "--io-flusher",
                                "--daemonize",
                                "--mlock",
                                "--call-flag",
                                "nowait",
                                "--call-flag",
                                "dontcache",
                                "--call-scope",
                                "io_flusher",
                                "--sync-range",
                                "1MiB",
                                "--fdatasync-every",
                                "64"});
    ASSERT_TRUE(command) << command.error().message;
    const auto& serve = std::get<ServeOptions>(*command);
    EXPECT_EQ(serve.engine, "threads");
    EXPECT_EQ(serve.threads, 8U);
    EXPECT_TRUE(std::get<ServeOptions>(*parse({"serve", "image", "mnt", "--direct"})).direct);
    EXPECT_EQ(serve.control, "s");
    EXPECT_TRUE(serve.daemonize && serve.protection.lock_memory);
    EXPECT_EQ(serve.protection.io_flusher, SelfProtection::IoFlusher::start);
    EXPECT_THAT(serve.calls.flags, testing::ElementsAre("nowait", "dontcache"));
    EXPECT_THAT(serve.calls.scopes, testing::ElementsAre("io_flusher"));
    EXPECT_EQ(serve.calls.sync_range, 1U << 20U);
    EXPECT_EQ(serve.calls.fdatasync_every, 64U);
}

// An option that takes words must not take the image for one of them.
TEST(Options, CallOptionsMayStandBeforeTheImage) {
    const auto command = parse({"serve", "--call-flag", "nowait", "--io-flusher-late", "image", "mnt"});
    ASSERT_TRUE(command) << command.error().message;
    const auto& serve = std::get<ServeOptions>(*command);
    EXPECT_EQ(serve.image, "image");
    EXPECT_THAT(serve.calls.flags, testing::ElementsAre("nowait"));
    EXPECT_EQ(serve.protection.io_flusher, SelfProtection::IoFlusher::late);
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--call-flag", "nowhere"}),
                testing::AllOf(HasSubstr("nowhere"), HasSubstr("dontcache")));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--call-scope", "nofs_"}), HasSubstr("io_flusher"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--sync-range", "0"}), HasSubstr("--sync-range"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--sync-range", "much"}), HasSubstr("64MiB"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--fdatasync-every", "0"}),
                HasSubstr("--fdatasync-every"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--io-flusher", "--io-flusher-late"}),
                HasSubstr("--io-flusher"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--io-flusher-late", "--call-scope", "io_flusher"}),
                HasSubstr("takes the mark off"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--direct", "--sync-range", "1MiB"}),
                HasSubstr("nothing dirty"));
}

TEST(Options, MistakesAreOneLineWithAWayOut) {
    EXPECT_THAT(error_of({}), HasSubstr("--help"));
    EXPECT_THAT(error_of({"format", "image"}), HasSubstr("--size"));
    EXPECT_THAT(error_of({"format", "--size", "1GiB"}), HasSubstr("IMAGE and --config"));
    EXPECT_THAT(error_of({"format", "image", "--config", "zbc//x", "--size", "1GiB"}),
                HasSubstr("IMAGE and --config"));
    EXPECT_THAT(error_of({"format", "--config", "zbc//x", "--size", "1GiB", "--max-open", "3"}),
                HasSubstr("--max-open"));
    EXPECT_THAT(error_of({"format", "--config", "zbc/conv-x@/x", "--size", "1GiB"}),
                HasSubstr("whole number"));
    EXPECT_THAT(error_of({"format", "image", "--size", "1GiB", "--model", "drive-managed"}),
                HasSubstr("--model"));
    EXPECT_THAT(error_of({"format", "image", "--size", "many"}), HasSubstr("such as 64MiB"));
    EXPECT_THAT(error_of({"format", "image", "--size", "1GiB", "--zone-size", "3MiB"}),
                HasSubstr("power of two"));
    EXPECT_THAT(error_of({"serve", "image"}), HasSubstr("MOUNTPOINT"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--treads", "3"}), HasSubstr("--treads"));
    EXPECT_EQ(error_of({"serve", "image"}).find('\n'), std::string::npos);
}

TEST(Options, HelpNamesEveryOptionAndEngine) {
    EXPECT_THAT(help_of({"--help"}), testing::AllOf(HasSubstr("format"), HasSubstr("serve"),
                                                    HasSubstr("list"), HasSubstr("Exit status")));
    EXPECT_THAT(
        help_of({"format", "--help"}),
        testing::AllOf(HasSubstr("--size"), HasSubstr("--zone-size"), HasSubstr("--conventional"),
                       HasSubstr("--config"), HasSubstr("zsize-MIB"), HasSubstr("--model"),
                       HasSubstr("--zone-capacity"), HasSubstr("--block-size"), HasSubstr("--max-open"),
                       HasSubstr("--max-active"), HasSubstr("--restricted-reads"), HasSubstr("--force")));
    EXPECT_THAT(
        help_of({"serve", "--help"}),
        testing::AllOf(HasSubstr("--engine"), HasSubstr("sync:"), HasSubstr("threads:"),
                       HasSubstr("--control"), HasSubstr("--io-flusher"), HasSubstr("--daemonize"),
                       HasSubstr("--io-flusher-late"), HasSubstr("--mlock"), HasSubstr("--call-flag"),
                       HasSubstr("nowait:"), HasSubstr("dontcache:"), HasSubstr("--call-scope"),
                       HasSubstr("io_flusher:"), HasSubstr("--sync-range"), HasSubstr("--fdatasync-every")));
    EXPECT_THAT(help_of({"--version"}), HasSubstr(REFLUX_VERSION));
}

TEST(Options, ReportAndFsckTakeAnImage) {
    const auto report = parse({"report", "image", "--json"});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(std::get<ReportOptions>(*report).image, "image");
    EXPECT_TRUE(std::get<ReportOptions>(*report).json);
    const auto fsck = parse({"fsck", "image"});
    ASSERT_TRUE(fsck) << fsck.error().message;
    EXPECT_EQ(std::get<FsckOptions>(*fsck).image, "image");
    EXPECT_FALSE(std::get<FsckOptions>(*fsck).repair);
    EXPECT_THAT(error_of({"report"}), HasSubstr("IMAGE"));
    EXPECT_THAT(error_of({"fsck"}), HasSubstr("IMAGE"));
    EXPECT_THAT(help_of({"report", "--help"}), testing::AllOf(HasSubstr("IMAGE"), HasSubstr("--json")));
    EXPECT_THAT(help_of({"fsck", "--help"}),
                testing::AllOf(HasSubstr("IMAGE"), HasSubstr("--repair"), HasSubstr("Exit status: 0"),
                               HasSubstr("1 copies"), HasSubstr("2 the image"), HasSubstr("4 other")));
    EXPECT_THAT(help_of({"--help"}), testing::AllOf(HasSubstr("report"), HasSubstr("fsck")));
}

TEST(Options, TheFrontEndTcmuHasANameAndNoMountpoint) {
    const auto command = parse({"serve", "image", "--front-end", "tcmu", "--name", "disk"});
    ASSERT_TRUE(command);
    EXPECT_EQ(std::get<ServeOptions>(*command).front_end, "tcmu");
    EXPECT_EQ(std::get<ServeOptions>(*command).name, "disk");
    EXPECT_THAT(error_of({"serve", "image", "--front-end", "tcmu"}), HasSubstr("--name"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--front-end", "tcmu", "--name", "disk"}),
                HasSubstr("MOUNTPOINT"));
    EXPECT_THAT(error_of({"serve", "image", "mnt", "--name", "disk"}), HasSubstr("tcmu"));
    EXPECT_THAT(help_of({"serve", "--help"}), testing::AllOf(HasSubstr("tcmu"), HasSubstr("--name")));
}

TEST(Options, ListHasAFrontEnd) {
    const auto command = parse({"list"});
    ASSERT_TRUE(command);
    EXPECT_TRUE(std::holds_alternative<ListOptions>(*command));
    ASSERT_FALSE(front_end_list().empty());
    EXPECT_EQ(front_end_list().front().name, "fuse");
}

TEST(Options, UblkDevicesAreServedTakenOverListedAndDeleted) {
    const auto served = parse({"serve", "image", "--front-end", "ublk", "--recover", "3"});
    ASSERT_TRUE(served) << served.error().message;
    EXPECT_EQ(std::get<ServeOptions>(*served).recover, 3U);
    EXPECT_THAT(error_of({"serve", "image", "mountpoint", "--recover", "3"}), HasSubstr("--front-end ublk"));
    EXPECT_THAT(error_of({"serve", "image", "--front-end", "ublk", "--recover", "-1"}), HasSubstr("recover"));
    EXPECT_THAT(error_of({"serve", "image", "mountpoint", "--front-end", "ublk"}), HasSubstr("MOUNTPOINT"));
    const auto removal = parse({"ublk", "delete", "7"});
    ASSERT_TRUE(removal) << removal.error().message;
    EXPECT_EQ(std::get<UblkOptions>(*removal).remove, 7U);
    const auto removals = parse({"ublk", "delete", "--image", "disk.img"});
    ASSERT_TRUE(removals) << removals.error().message;
    EXPECT_EQ(std::get<UblkOptions>(*removals).remove_of, "disk.img");
    EXPECT_THAT(error_of({"ublk", "delete", "7", "--image", "disk.img"}), HasSubstr("excludes"));
    const auto list = parse({"ublk", "list"});
    ASSERT_TRUE(list) << list.error().message;
    EXPECT_FALSE(std::get<UblkOptions>(*list).remove);
    EXPECT_THAT(error_of({"ublk"}), HasSubstr("--help"));
    EXPECT_THAT(error_of({"ublk", "delete"}), HasSubstr("ID"));
    EXPECT_THAT(help_of({"serve", "--help"}), testing::AllOf(HasSubstr("--recover"), HasSubstr("ublk")));
    EXPECT_THAT(help_of({"ublk", "--help"}), testing::AllOf(HasSubstr("delete"), HasSubstr("list")));
}

}  // namespace
}  // namespace reflux
