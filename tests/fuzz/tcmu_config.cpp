// tcmu-runner's configuration string, and the disks that it describes.
#include "backend/zone/tcmu_config.h"

#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

bool run(std::string_view input) {
    const auto config = parse_tcmu_config(input);
    if (!config) {
        require(!config.error().message.empty(), "a refusal has a reason");
        return false;
    }
    require(!config->path.empty() && input.ends_with(config->path), "the path is the end of the string");
    for (const Bytes size : {mebibytes(256), gibibytes(100), Bytes{(std::uint64_t{1} << 62U) + 4096}}) {
        const auto shape = shape_of(*config, size);
        if (!shape) {
            require(!shape.error().message.empty(), "a refusal has a reason");
            continue;
        }
        const auto geometry = ZonedGeometry::make(*shape);
        require(geometry.has_value(), "a shape that was given is one of a disk");
        require(geometry->shape().max_open > 0, "a zone can be open");
        require(geometry->conventional_count() <= geometry->zone_count(), "zones are on the disk");
    }
    return true;
}

}  // namespace

Target make_target() {
    return {.run = run,
            .seeds = {"zbc/model-HM/zsize-64/conv-8@/path/file", "zbc/model-HA/lba-4096/open-16@file",
                      "zbc//path", "zbc/zsize-128/conv-0/open-1/lba-512@/a@b/c"},
            .words = {"zbc/", "model-", "HM", "HA", "lba-", "512", "4096", "zsize-", "conv-", "open-", "@",
                      "/", "18446744073709551615", "-", "0"}};
}

}  // namespace reflux::fuzz
