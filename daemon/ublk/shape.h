// How a disk looks as a ublk device: zoned or not, its features and parameters. Pure.
//
// Zoned is a host-managed disk with sequential zones. A host-aware one is served as a plain disk, for it may
// be written anywhere and Linux has had no such model since 6.10; so are a translated disk and one of
// conventional zones alone.
#pragma once

#include "backend/zone/zoned_geometry.h"
#include "daemon/ublk/abi.h"

namespace reflux::ublk {

// Requests carry at most so much data.
inline constexpr std::uint32_t largest_transfer = 1U << 20U;
inline constexpr std::uint16_t queue_depth = 64;

struct Shape {
    std::uint64_t features = 0;
    Parameters parameters;

    [[nodiscard]] bool is_zoned() const { return (features & feature_zoned) != 0; }
};

// `size` is that of the disk that is served, `geometry` of the zoned disk below it. unsupported: ublk cannot
// present such a disk (the last zone is a smaller one).
Result<Shape> shape_of(const ZonedGeometry& geometry, Bytes size, bool translated);

// unsupported: the kernel lacks what is needed; `supported` is what GET_FEATURES tells. Says what to do.
Status check_features(std::uint64_t supported, const Shape& shape);

}  // namespace reflux::ublk
