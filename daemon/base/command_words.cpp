#include "daemon/base/command_words.h"

#include "backend/io/engine.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace reflux {
namespace {

using Words = std::vector<std::string>;

// Options whose value is a number, a size or a name of its user's: no files.
constexpr std::array own_values{std::string_view("--size"),          std::string_view("--zone-size"),
                                std::string_view("--zone-capacity"), std::string_view("--block-size"),
                                std::string_view("--conventional"),  std::string_view("--max-open"),
                                std::string_view("--max-active"),    std::string_view("--sync-range"),
                                std::string_view("--threads"),       std::string_view("--fdatasync-every"),
                                std::string_view("--name"),          std::string_view("--recover"),
                                std::string_view("--config"),        std::string_view("ID")};

std::optional<Words> values(const std::string& /*verb*/, const std::string& option,
                            const std::string& /*typed*/) {
    if (option == "--engine") {
        Words names;
        for (const auto& engine : io::engine_list()) {
            names.emplace_back(engine.name);
        }
        return names;
    }
    if (option == "MOUNTPOINT") {
        return Words{":folders"};
    }
    return std::ranges::find(own_values, option) != own_values.end() ? std::optional(Words{}) : std::nullopt;
}

}  // namespace

CommandWords command_words() {
    return {
        .version = REFLUX_VERSION,
        .sections = {{"FILES",
                      {{"MOUNTPOINT/disk", "of the front end fuse: the disk"},
                       {"MOUNTPOINT/zones/",
                        "a file for each zone, as zonefs shows them; not of a translated disk"},
                       {"MOUNTPOINT/report, MOUNTPOINT/report.json",
                        "what `refluxd report` tells, of the disk as it is now"}}},
                     {"SEE ALSO", {{"", "reflux(1), fusermount3(1), dmzadm(8)"}}}},
        .values = values,
    };
}

}  // namespace reflux
