#include "backend/map/map_reader.h"

#include <algorithm>

namespace reflux::map {
namespace {

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::invalid_input, fmt::format("damaged: the translation's metadata: {}", what));
}

Status read_some(LowerDisk& disk, Bytes offset, std::span<std::byte> bytes) {
    const int error = disk.read(offset, bytes);
    return error == 0 ? Status{} : Status(fail_errno("read the translation's metadata", error));
}

Status read_blocks(LowerDisk& disk, const MapLayout& layout, std::size_t set, std::span<std::byte> buffer,
                   MapSet& into) {
    for (std::uint64_t first = 0; first < layout.metadata_blocks(); first += metadata_blocks_at_once) {
        const std::uint64_t count = std::min(metadata_blocks_at_once, layout.metadata_blocks() - first);
        REFLUX_CHECK(
            read_some(disk, metadata_block_offset(layout, set, first), buffer.first(count * block_size)));
        for (std::uint64_t i = 0; i < count; ++i) {
            const MapBlock block = block_of(buffer, i);
            if (!decode_words(block, first + i, into.superblock.generation,
                              into.map.block_words(first + i))) {
                into.first_damaged = into.damaged_blocks == 0 ? first + i : into.first_damaged;
                ++into.damaged_blocks;
            }
            into.digest.set(first + i, block);
        }
    }
    return {};
}

}  // namespace

Result<MapSets> read_sets(LowerDisk& disk, const MapLayout& layout, std::span<std::byte> buffer) {
    MapSets sets{MapSet(layout), MapSet(layout)};
    for (std::size_t i = 0; i < metadata_sets; ++i) {
        MapSet& set = sets[i];
        const MapBlock block = block_of(buffer, 0);
        REFLUX_CHECK(read_some(disk, layout.set_offset(i), block));
        set.superblock_state = decode(block, layout, set.superblock);
        if (set.has_superblock()) {
            REFLUX_CHECK(read_blocks(disk, layout, i, buffer, set));
        }
    }
    return sets;
}

Result<std::optional<std::size_t>> choose_set(const MapSets& sets, bool never_used) {
    const auto has = [&](SuperblockState state) {
        return std::ranges::any_of(sets, [=](const MapSet& set) { return set.superblock_state == state; });
    };
    if (has(SuperblockState::foreign_layout)) {
        return damaged("it is of a disk of another shape, or of another version of refluxd");
    }
    if (!sets[0].is_whole() && !sets[1].is_whole()) {
        // A commit that never came to its end leaves no superblock.
        if (never_used && has(SuperblockState::blank)) {
            return std::nullopt;
        }
        return damaged("neither of its two sets is whole");
    }
    const bool first_is_newer =
        !sets[1].is_whole() ||
        (sets[0].is_whole() && sets[0].superblock.generation > sets[1].superblock.generation);
    const std::size_t newest = first_is_newer ? 0 : 1;
    // A set with an intact superblock was whole once: the older one is then what a later commit left behind.
    if (sets[1 - newest].superblock.generation > sets[newest].superblock.generation) {
        return damaged("the newer of its two sets");
    }
    return newest;
}

}  // namespace reflux::map
