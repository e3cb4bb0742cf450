#include "backend/image_reader.h"

#include <algorithm>
#include <array>
#include <optional>

namespace reflux {
namespace {

// Blocks of the zone table, each with its slots and copies, that are read at once.
constexpr std::size_t groups_at_once = 64;
constexpr std::size_t blocks_in_group = table_slots * table_copies;

tl::unexpected<Error> give_up(ImageFindings& findings, Error error) {
    findings.fatal.push_back(error.message);
    return fail(std::move(error));
}

Status read_some(const ImageFile& file, Bytes offset, std::span<std::byte> buffer) {
    const int error = file.read(offset.value, buffer);
    return error == 0 ? Status{} : Status(fail_errno("read metadata", error));
}

// --- superblock

struct FoundSuperblock {
    Superblock superblock;
    bool all_copies_good = true;
};

Result<FoundSuperblock> choose_superblock(const std::array<ImageBlock, superblock_copies>& blocks,
                                          ImageFindings& findings) {
    const std::array copies{decode_superblock(blocks[0]), decode_superblock(blocks[1])};
    if (!copies[0] && !copies[1]) {
        // The first copy tells what the file is; where nothing of it is left, the second may.
        const bool lost = !has_image_magic(blocks[0]) && has_image_magic(blocks[1]);
        return give_up(findings, copies[lost ? 1 : 0].error());
    }
    for (std::size_t copy = 0; copy < copies.size(); ++copy) {
        if (!copies[copy]) {
            findings.repairable.push_back(
                fmt::format("superblock copy {} is damaged; the other one is intact", copy));
        }
    }
    const bool second_is_newer = !copies[0] || (copies[1] && copies[1]->sequence > copies[0]->sequence);
    return FoundSuperblock{.superblock = *copies[second_is_newer ? 1 : 0],
                           .all_copies_good = copies[0] && copies[1]};
}

Result<FoundSuperblock> read_superblock(const ImageFile& file, std::uint64_t file_size,
                                        ImageFindings& findings) {
    if (file_size < image_block_size) {
        return give_up(findings, {.kind = ErrorKind::invalid_input,
                                  .message = fmt::format(
                                      "not a refluxd image: {} bytes are too short for one", file_size)});
    }
    std::array<ImageBlock, superblock_copies> blocks{};
    for (std::size_t copy = 0; copy < blocks.size(); ++copy) {
        if (superblock_offset(copy).value + image_block_size <= file_size) {
            REFLUX_CHECK(read_some(file, superblock_offset(copy), blocks[copy]));
        }
    }
    REFLUX_TRY(auto found, choose_superblock(blocks, findings));
    const Superblock& superblock = found.superblock;
    const std::uint64_t expected = superblock.data_offset.value + superblock.geometry.size().value;
    if (file_size != expected) {
        return give_up(findings, {.kind = ErrorKind::invalid_input,
                                  .message = fmt::format(
                                      "{}: expected {} bytes, the file has {}",
                                      file_size < expected ? "truncated image" : "image of a wrong size",
                                      expected, file_size)});
    }
    return found;
}

// --- zone table

// What the slots and copies of one block are worth.
struct Group {
    std::array<std::optional<std::uint64_t>, blocks_in_group> sequences;
    std::size_t newest = 0;  // which of them counts

    [[nodiscard]] auto damaged() const {
        return std::count(sequences.begin(), sequences.end(), std::nullopt);
    }
    [[nodiscard]] bool is_lost() const { return damaged() == blocks_in_group; }
    [[nodiscard]] std::size_t slot() const { return newest / table_copies; }
    // Whether each slot's copies are intact and alike, as they are when no write of them was cut short.
    [[nodiscard]] bool is_whole() const {
        return damaged() == 0 && sequences[0] == sequences[1] && sequences[2] == sequences[3];
    }
};

ImageBlockView block_of(std::span<const std::byte> group, std::size_t position) {
    return group.subspan(position * image_block_size).first<image_block_size>();
}

Group judge_group(std::span<const std::byte> bytes, std::uint64_t index) {
    Group group;
    for (std::size_t position = 0; position < blocks_in_group; ++position) {
        group.sequences[position] = table_block_sequence(block_of(bytes, position), index);
        // Nothing is less than any number.
        if (group.sequences[position] > group.sequences[group.newest]) {
            group.newest = position;
        }
    }
    return group;
}

class TableReader {
  public:
    TableReader(const ZonedGeometry& geometry, ImageFindings& findings)
        : findings_(findings), zones_(geometry.zone_count()) {
        state_.newest_slot.resize(table_block_count(geometry));
    }

    Status read(const ImageFile& file) {
        const std::uint64_t count = state_.newest_slot.size();
        std::vector<std::byte> buffer(std::min<std::uint64_t>(groups_at_once, count) * table_group_size);
        for (std::uint64_t first = 0; first < count; first += groups_at_once) {
            const std::uint64_t now = std::min<std::uint64_t>(groups_at_once, count - first);
            const std::span<std::byte> part = std::span(buffer).first(now * table_group_size);
            REFLUX_CHECK(read_some(file, table_offset(first, 0, 0), part));
            for (std::uint64_t i = 0; i < now; ++i) {
                take(first + i, part.subspan(i * table_group_size, table_group_size));
            }
        }
        return {};
    }
    [[nodiscard]] std::span<const Zone> zones() const { return zones_; }
    TableState& state() { return state_; }

  private:
    void take(std::uint64_t index, std::span<const std::byte> bytes) {
        const Group group = judge_group(bytes, index);
        if (group.is_lost()) {
            findings_.fatal.push_back(fmt::format("damaged: zone table block {} has no intact copy", index));
            return;
        }
        if (const auto damaged = group.damaged(); damaged > 0) {
            findings_.repairable.push_back(fmt::format(
                "zone table block {}: {} of {} copies are damaged or torn", index, damaged, blocks_in_group));
        }
        if (!group.is_whole()) {
            state_.to_rewrite.push_back(index);
        }
        state_.newest_slot[index] = group.slot() != 0;
        state_.sequence = std::max(state_.sequence, *group.sequences[group.newest]);
        const std::uint64_t first = index * zones_per_block;
        decode_table_block(block_of(bytes, group.newest),
                           std::span(zones_).subspan(first).first(
                               std::min<std::uint64_t>(zones_per_block, zones_.size() - first)));
    }

    ImageFindings& findings_;
    std::vector<Zone> zones_;
    TableState state_;
};

}  // namespace

Result<ImageContents> read_image(const ImageFile& file, ImageFindings& findings) {
    std::uint64_t file_size = 0;
    if (const int error = file.size(file_size); error != 0) {
        return fail_errno("fstat", error);
    }
    REFLUX_TRY(const auto found, read_superblock(file, file_size, findings));
    TableReader reader(found.superblock.geometry, findings);
    REFLUX_CHECK(reader.read(file));
    if (!findings.fatal.empty()) {
        return fail(ErrorKind::invalid_input, findings.fatal.front());
    }
    auto zones = ZoneTable::restore(found.superblock.geometry, reader.zones());
    if (!zones) {
        return give_up(findings, zones.error().within("damaged"));
    }
    return ImageContents{.superblock = found.superblock,
                         .zones = std::move(*zones),
                         .table = std::move(reader.state()),
                         .was_unclean = !found.superblock.clean || !found.all_copies_good};
}

}  // namespace reflux
