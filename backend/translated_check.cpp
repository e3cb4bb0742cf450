#include "backend/translated_check.h"

#include <algorithm>
#include <cerrno>

namespace reflux {
namespace {

// The disk in an image file, as far as its conventional zones go, in which all the metadata lies.
class MetadataZones final : public map::LowerDisk {
  public:
    MetadataZones(ImageFile& file, Bytes data_offset) : file_(file), data_offset_(data_offset) {}

    int read(Bytes offset, std::span<std::byte> buffer) override {
        return file_.read((data_offset_ + offset).value, buffer);
    }
    int write(Bytes offset, std::span<std::byte> buffer) override {
        return file_.write((data_offset_ + offset).value, buffer);
    }
    int flush() override { return file_.sync(); }
    int reset(Bytes /*zone_start*/) override { return EINVAL; }  // those have nothing to reset

  private:
    ImageFile& file_;
    Bytes data_offset_;
};

}  // namespace

map::ZoneState zone_state(const ZoneDescriptor& zone) {
    map::ZoneState state{.usable = zone.condition != ZoneCondition::read_only &&
                                   zone.condition != ZoneCondition::offline};
    const std::uint64_t blocks = zone.length.value / map::block_size;
    const std::uint64_t bytes = zone.has_write_pointer ? (zone.write_pointer - zone.start).value : 0;
    const bool is_full = zone.condition == ZoneCondition::full || bytes % map::block_size != 0;
    state.written = is_full ? blocks : std::min(blocks, bytes / map::block_size);
    return state;
}

Status check_translation(ImageFile& file, const Superblock& superblock, const ZoneTable& zones,
                         ImageFindings& findings) {
    if (!superblock.translated) {
        return {};
    }
    const auto layout = map::MapLayout::make(superblock.geometry);
    if (!layout) {
        findings.fatal.push_back(layout.error().message);
        return {};
    }
    MetadataZones disk(file, superblock.data_offset);
    REFLUX_TRY(const auto found, map::check_map(disk, *layout, zone_states(zones)));
    const auto add = [](std::vector<std::string>& to, const std::vector<std::string>& lines) {
        to.insert(to.end(), lines.begin(), lines.end());
    };
    add(findings.fatal, found.fatal);
    add(findings.repairable, found.repairable);
    add(findings.notes, found.notes);
    return {};
}

Status repair_translation(ImageFile& file, const Superblock& superblock, const ZoneTable& zones) {
    if (!superblock.translated) {
        return {};
    }
    REFLUX_TRY(const auto layout, map::MapLayout::make(superblock.geometry));
    MetadataZones disk(file, superblock.data_offset);
    return map::repair_map(disk, layout, zone_states(zones));
}

}  // namespace reflux
