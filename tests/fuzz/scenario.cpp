// A scenario file, with the shipped ones as the bases that it may name.
#include "harness/scenario/keys.h"
#include "harness/scenario/load.h"
#include "tests/fuzz/support/seeds.h"
#include "tests/fuzz/support/target.h"

#include <filesystem>
#include <map>

namespace reflux::fuzz {
namespace {

constexpr const char* folder = "harness/scenarios";

Result<std::string> shipped(const std::string& path) {
    static const auto texts = [] {
        std::map<std::string, std::string> by_name;
        for (const SeedFile& file : seed_files(folder, ".toml")) {
            by_name[std::filesystem::path(file.path).filename().string()] = file.text;
        }
        return by_name;
    }();
    const auto found = texts.find(path);
    return found != texts.end() ? Result<std::string>(found->second) : fail(system_error(path, ENOENT));
}

bool run(std::string_view input) {
    const auto loaded = scenario::load_text(input, "fuzz.toml", {}, shipped);
    if (!loaded) {
        require(loaded.error().message.find(".toml") != std::string::npos, "a refusal names a file");
        return false;
    }
    const std::string saved = scenario::to_toml(*loaded);
    const auto again = scenario::load_text(saved, "fuzz.toml", {}, shipped);
    require(again.has_value(), "what was written can be loaded");
    require(scenario::to_toml(*again) == saved, "what was written is loaded as it was");
    return true;
}

}  // namespace

Target make_target() {
    Target target{.run = run,
                  .seeds = seed_texts(folder, ".toml"),
                  .words = {" = ",       "[",
                            "]\n",       "\"\"\"",
                            "'''",       "base = \"fuse-ext4-shared-memcg\"\n",
                            "64MiB",     "8 s",
                            "200ms",     "none",
                            "true",      "1.5",
                            "-1",        "1979-05-27T07:32:00Z",
                            "{a = 1}",   "\\u0000",
                            "v1",        "xfs",
                            "btrfs",     "loop",
                            "fuse",      "threads",
                            "siblings",  "apart",
                            "io_flusher"}};
    for (const scenario::Key& key : scenario::keys()) {
        target.words.push_back(key.path);
        target.words.push_back(key.path.substr(key.path.find('.') + 1) + " = ");
    }
    for (const std::string& seed : std::vector(target.seeds)) {  // complete ones, too: every key in its place
        if (const auto loaded = scenario::load_text(seed, "seed.toml", {}, shipped); loaded) {
            target.seeds.push_back(scenario::to_toml(*loaded));
        }
    }
    return target;
}

}  // namespace reflux::fuzz
