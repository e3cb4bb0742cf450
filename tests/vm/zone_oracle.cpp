// Does the same operations to a zoned block device of the kernel (null_blk, scsi_debug) and to a ZoneTable of
// the same shape, and compares after each: who refuses, and every zone's condition and write pointer.
//
//     zone_oracle DEVICE [OPERATIONS [SEED]]
//
// What DEVICE holds is lost. Prints one line; exit status 0 only when both agreed all the time. Meant for a
// guest (vm_zone_oracle_test.cpp), for it needs modules. What the kernel's devices are known to do otherwise
// stands in finish(), known_difference() and align().
#include "backend/base/kernel_file.h"
#include "backend/base/unique_fd.h"
#include "backend/zone/zone_table.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include <linux/blkzoned.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

namespace reflux {
namespace {

Bytes bytes_of_sectors(std::uint64_t sectors) {
    return bytes_of(Sector{sectors});
}

// A line of /sys/block/NAME/queue/ as a number.
Result<std::uint64_t> queue_number(const std::string& device, const std::string& name) {
    const auto base = std::filesystem::path(device).filename().string();
    REFLUX_TRY(const auto text, read_file(fmt::format("/sys/block/{}/queue/{}", base, name)));
    return std::strtoull(text.c_str(), nullptr, 10);
}

// The kernel's zoned block device.
class Device {
  public:
    static Result<Device> open(const std::string& path) {
        REFLUX_TRY(auto fd, open_file(path, O_RDWR | O_DIRECT));
        Device device(std::move(fd));
        REFLUX_TRY(const auto zones, queue_number(path, "nr_zones"));
        REFLUX_TRY(const auto sectors, queue_number(path, "chunk_sectors"));
        REFLUX_TRY(const auto block, queue_number(path, "logical_block_size"));
        REFLUX_TRY(const auto max_open, queue_number(path, "max_open_zones"));
        REFLUX_TRY(const auto max_active, queue_number(path, "max_active_zones"));
        std::uint64_t size = 0;
        if (::ioctl(device.fd_.get(), BLKGETSIZE64, &size) != 0) {
            return fail_errno("BLKGETSIZE64 " + path);
        }
        device.report_.resize(sizeof(blk_zone_report) + zones * sizeof(blk_zone));
        device.zone_count_ = static_cast<unsigned>(zones);
        if (!device.reset_all() || !device.refresh()) {
            return fail_errno("reset and report the zones of " + path);
        }
        const auto known = device.zones();
        const auto sequential = std::find_if(known.begin(), known.end(), [](const blk_zone& zone) {
            return zone.type != BLK_ZONE_TYPE_CONVENTIONAL;
        });
        if (sequential == known.end()) {
            return fail(ErrorKind::invalid_input, path + " has no sequential zones");
        }
        device.shape_ = {.size = {size},
                         .zone_size = bytes_of_sectors(sectors),
                         .zone_capacity = bytes_of_sectors(sequential->capacity),
                         .conventional = static_cast<std::uint64_t>(sequential - known.begin()),
                         .logical_block_size = static_cast<unsigned>(block),
                         .model = ZoneModel::host_managed,
                         .max_open = static_cast<std::uint32_t>(max_open),
                         .max_active = static_cast<std::uint32_t>(max_active)};
        return device;
    }

    [[nodiscard]] const ZonedShape& shape() const { return shape_; }
    [[nodiscard]] std::span<const blk_zone> zones() const { return {header()->zones, header()->nr_zones}; }

    // Reads the zones anew.
    bool refresh() {
        header()->sector = 0;
        header()->nr_zones = zone_count_;
        return ::ioctl(fd_.get(), BLKREPORTZONE, header()) == 0 && header()->nr_zones == zone_count_;
    }
    // 0 or an errno value.
    int manage(unsigned long request, std::uint64_t id) {
        const blk_zone& zone = zones()[id];
        blk_zone_range range{.sector = zone.start, .nr_sectors = zone.len};
        return ::ioctl(fd_.get(), request, &range) == 0 ? 0 : errno;
    }
    bool reset_all() {
        std::uint64_t size = 0;
        if (::ioctl(fd_.get(), BLKGETSIZE64, &size) != 0) {
            return false;
        }
        blk_zone_range range{.sector = 0, .nr_sectors = size / sector_size};
        return ::ioctl(fd_.get(), BLKRESETZONE, &range) == 0;
    }
    int write(Extent extent) {
        const ssize_t wrote =
            ::pwrite(fd_.get(), buffer_.get(), extent.length.value, static_cast<off_t>(extent.offset.value));
        if (wrote < 0) {
            return errno;
        }
        return static_cast<std::uint64_t>(wrote) == extent.length.value ? 0 : ENODATA;
    }

    // Of one write, bytes: the kernel cuts larger ones into requests, of which the first may succeed alone.
    static constexpr std::size_t most = 64 << 10U;

  private:
    struct Free {
        void operator()(void* memory) const { std::free(memory); }  // NOLINT: of aligned_alloc
    };

    explicit Device(UniqueFd fd) : fd_(std::move(fd)), buffer_(std::aligned_alloc(4096, most)) {
        std::memset(buffer_.get(), 0x5a, most);
    }
    blk_zone_report* header() { return reinterpret_cast<blk_zone_report*>(report_.data()); }
    [[nodiscard]] const blk_zone_report* header() const {
        return reinterpret_cast<const blk_zone_report*>(report_.data());
    }

    UniqueFd fd_;
    std::unique_ptr<void, Free> buffer_;
    std::vector<char> report_;
    unsigned zone_count_ = 0;
    ZonedShape shape_;
};

class Oracle {
  public:
    Oracle(Device& device, const ZonedGeometry& geometry, bool is_null_blk, std::uint64_t seed)
        : device_(device), table_(ZoneTable::fresh(geometry)), is_null_blk_(is_null_blk), dice_(seed) {}

    // One operation; empty, or what differs.
    std::string step() {
        pick_zone();
        const std::uint64_t kind = below(100);
        if (kind < 55) {
            write();
        } else if (kind < 60) {
            write_elsewhere();
        } else if (kind < 70) {
            manage("open", BLKOPENZONE, &ZoneTable::open);
        } else if (kind < 80) {
            manage("close", BLKCLOSEZONE, &ZoneTable::close);
        } else if (kind < 86) {
            finish();
        } else if (kind < 99) {
            manage("reset", BLKRESETZONE, &ZoneTable::reset);
        } else {
            what_ = "reset all";
            table_.reset_all();
            answers(ZoneError::none, device_.reset_all() ? 0 : errno);
        }
        if (!device_.refresh()) {
            return "the device does not report its zones";
        }
        if (difference_.empty()) {
            difference_ = differences().empty() || align() ? "" : fmt::format("{}: {}", what_, differences());
        }
        return std::exchange(difference_, {});
    }

    std::uint64_t refused = 0;
    std::uint64_t no_room = 0;  // of those, for a limit
    std::uint64_t aligned = 0;  // other choices of a zone to close

  private:
    std::uint64_t below(std::uint64_t limit) { return dice_() % limit; }
    Bytes start() const { return table_.geometry().start_of(id_); }
    Zone zone() const { return table_.zone(id_); }

    // Some zones are worked on more than others, or none would become full.
    void pick_zone() {
        const std::uint64_t count = table_.geometry().zone_count();
        id_ = {below(4) == 0 ? below(count) : std::min(count - 1, below(1 + below(count)))};
        before_ = zone().condition;
    }

    Bytes some_length() {
        const std::uint64_t block = table_.geometry().shape().logical_block_size;
        return {(1 + below(Device::most / block)) * block};
    }

    // In conventional zones anywhere, else at the write pointer, up to the capacity and over it; not over the
    // zone's end, where the kernel would cut the write in two.
    void write() {
        const Bytes pointer = zone().has_write_pointer() ? zone().written : Bytes{0};
        const Bytes room = table_.geometry().length_of(id_) - pointer;
        if (room > Bytes{0}) {
            write_at(pointer, std::min(some_length(), room));
        }
    }

    void write_elsewhere() {
        const std::uint64_t block = table_.geometry().shape().logical_block_size;
        const Bytes length = table_.geometry().length_of(id_);
        const Bytes offset{below(length.value / block) * block};
        write_at(offset, std::min(some_length(), length - offset));
    }

    void write_at(Bytes offset, Bytes length) {
        const Extent extent{.offset = start() + offset, .length = length};
        what_ = fmt::format("write of {} at {} of zone {}", length.value, offset.value, id_.value);
        const auto error = table_.begin_write(extent);
        if (error == ZoneError::none) {
            table_.record_write(extent);
        }
        answers(error, device_.write(extent));
    }

    void manage(const char* name, unsigned long request, ZoneError (ZoneTable::*command)(ZoneId)) {
        what_ = fmt::format("{} of zone {}, {}", name, id_.value, to_string(before_));
        const ZoneError error = (table_.*command)(id_);
        answers(error, device_.manage(request, id_.value));
    }

    // In scsi_debug a zone becomes full without having been open, in null_blk (and libzbc's conformance
    // tests) not: at the limit their states would differ from then on.
    void finish() {
        const auto limit = table_.geometry().shape().max_open;
        if (is_null_blk_ || limit == 0 || !zone().is_openable() || table_.summary().open() < limit) {
            manage("finish", BLKFINISHZONE, &ZoneTable::finish);
        }
    }

    // null_blk refuses commands that would change nothing, as NVMe does; ZBC lets them pass.
    bool known_difference(ZoneError error, int answered) const {
        const bool nothing_to_do = what_.starts_with("open") ? before_ == ZoneCondition::full
                                   : what_.starts_with("close")
                                       ? before_ == ZoneCondition::full || before_ == ZoneCondition::empty
                                       : false;
        return is_null_blk_ && error == ZoneError::none && answered == EIO && nothing_to_do;
    }

    void answers(ZoneError error, int answered) {
        refused += error != ZoneError::none ? 1U : 0U;
        const bool of_limits = error == ZoneError::too_many_open || error == ZoneError::too_many_active;
        no_room += of_limits ? 1U : 0U;
        const bool same =
            of_limits ? errno_of(error) == answered : (error == ZoneError::none) == (answered == 0);
        if (!same && !known_difference(error, answered)) {
            difference_ = fmt::format("{}: the device answers {} ({}), the table '{}'", what_, answered,
                                      std::strerror(answered), to_string(error));
        }
    }

    struct Difference {
        std::uint64_t id;
        ZoneCondition device;
        ZoneCondition table;
        bool pointer_too;
    };

    std::vector<Difference> compare() const {
        std::vector<Difference> found;
        for (std::uint64_t id = 0; id < table_.geometry().zone_count(); ++id) {
            const blk_zone& there = device_.zones()[id];
            const ZoneDescriptor here = table_.describe({id});
            const auto condition = static_cast<ZoneCondition>(there.cond);
            // In other conditions the pointer is not valid, and the devices do not agree on it.
            const bool has_pointer =
                here.condition == ZoneCondition::empty || here.condition == ZoneCondition::implicit_open ||
                here.condition == ZoneCondition::explicit_open || here.condition == ZoneCondition::closed;
            const bool same_place = bytes_of_sectors(there.start) == here.start &&
                                    bytes_of_sectors(there.len) == here.length &&
                                    bytes_of_sectors(there.capacity) == here.capacity &&
                                    static_cast<ZoneType>(there.type) == here.type;
            const bool same_pointer = !has_pointer || bytes_of_sectors(there.wp) == here.write_pointer;
            if (condition != here.condition || !same_place || !same_pointer) {
                found.push_back({id, condition, here.condition, !same_place || !same_pointer});
            }
        }
        return found;
    }

    std::string differences() const {
        std::string text;
        for (const Difference& difference : compare()) {
            text +=
                fmt::format(" zone {}: device {}, table {}{};", difference.id, to_string(difference.device),
                            to_string(difference.table), difference.pointer_too ? ", other bounds" : "");
        }
        return text;
    }

    // The standard does not say which implicitly open zone is closed for another. When the device took
    // another one than the table, each closes the other's too. Anything else that differs is a difference.
    bool align() {
        const auto found = compare();
        const auto is_closed = [](ZoneCondition condition) {
            return condition == ZoneCondition::closed || condition == ZoneCondition::empty;
        };
        if (found.size() != 2 || table_.geometry().shape().max_open == 0) {
            return false;
        }
        for (const Difference& difference : found) {
            if (difference.pointer_too || difference.id == id_.value) {
                return false;
            }
            if (is_closed(difference.device) && difference.table == ZoneCondition::implicit_open) {
                static_cast<void>(table_.close({difference.id}));
            } else if (is_closed(difference.table) && difference.device == ZoneCondition::implicit_open) {
                device_.manage(BLKCLOSEZONE, difference.id);
            } else {
                return false;
            }
        }
        ++aligned;
        return device_.refresh() && compare().empty();
    }

    Device& device_;
    ZoneTable table_;
    bool is_null_blk_;
    std::mt19937_64 dice_;
    ZoneId id_;
    ZoneCondition before_ = ZoneCondition::not_write_pointer;
    std::string what_;
    std::string difference_;
};

Status run(const std::string& path, std::uint64_t operations, std::uint64_t seed) {
    REFLUX_TRY(auto device, Device::open(path));
    REFLUX_TRY(const auto geometry, ZonedGeometry::make(device.shape()));
    Oracle oracle(device, geometry, path.find("nullb") != std::string::npos, seed);
    for (std::uint64_t i = 0; i < operations; ++i) {
        if (const std::string difference = oracle.step(); !difference.empty()) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("{}: operation {} of seed {}: {}", path, i, seed, difference));
        }
    }
    const ZonedShape& shape = device.shape();
    fmt::print(
        "{}: {} operations alike, seed {}: {} zones, {} conventional, blocks of {}, capacity {} of {}, "
        "max_open {}, max_active {}; {} refused, {} of them for a limit; {} times another zone closed\n",
        path, operations, seed, geometry.zone_count(), shape.conventional, shape.logical_block_size,
        to_string(shape.zone_capacity), to_string(shape.zone_size), shape.max_open, shape.max_active,
        oracle.refused, oracle.no_room, oracle.aligned);
    return {};
}

}  // namespace
}  // namespace reflux

int main(int argc, char** argv) {
    if (argc < 2 || argc > 4) {
        fmt::print(stderr, "usage: {} DEVICE [OPERATIONS [SEED]]\n", argv[0]);
        return 2;
    }
    const std::uint64_t operations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000;
    const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device{}();
    if (const auto done = reflux::run(argv[1], operations, seed); !done) {
        fmt::print(stderr, "zone_oracle: {}\n", done.error().message);
        return 1;
    }
    return 0;
}
