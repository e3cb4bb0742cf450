// One reclaim of one thread, while its events come in, and the slab shrinkers of all of them: pure, of
// bounded memory.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/observe/trace_line.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reflux::observe {

// The devices by which events are attributed.
struct TraceDevices {
    std::string upper;        // "7:1"
    std::string lower;        // "7:0"
    std::string upper_alias;  // name of its bdi where that is no number (btrfs: "btrfs-2"), else empty
    std::string lower_alias;
    std::string upper_superblock;  // s_dev of its filesystem where that is not the block device's (btrfs)
    std::string lower_superblock;

    // The device by its own number, where it goes by another name.
    [[nodiscard]] std::string resolved(std::string device) const;
    // "upper" | "lower" | "other"; "unknown" for an empty one.
    [[nodiscard]] std::string_view side_of(std::string_view device) const;
};

// Which superblock a shrinker belongs to, by the hashed address of the shrinker.
class ShrinkerOwners {
  public:
    // `certain`: told by the superblock's own function (prune_*_sb), so that it holds against evictions,
    // which on a stacked filesystem are those of the filesystem below.
    void learn(std::string_view object, const std::string& device, bool certain);
    // Its device; empty: not known.
    [[nodiscard]] std::string find(std::string_view object) const;

  private:
    struct Owner {
        std::string device;
        bool certain = false;
    };
    std::map<std::string, Owner, std::less<>> owners_;
};

// Shrinkers with their calls, each once.
class ShrinkerTable {
  public:
    explicit ShrinkerTable(std::size_t most) : most_(most) {}
    // nullptr: it is new, and the table is full.
    evidence::ShrinkerCalls* row(const TracedShrinker& shrinker);
    // With the superblocks that are known by now.
    [[nodiscard]] std::vector<evidence::ShrinkerCalls> rows(const ShrinkerOwners& owners,
                                                            const TraceDevices& devices) const;

  private:
    struct Row {
        std::string object;
        evidence::ShrinkerCalls calls;
    };
    std::size_t most_;
    std::vector<Row> rows_;
};

class ReclaimRecord {
  public:
    explicit ReclaimRecord(evidence::Reclaim begun) : reclaim_(std::move(begun)) {}

    // An event inside it that is no other call's here; `upper`: it names the upper device.
    void add(evidence::TraceEvent event, bool upper);

    // Any event of the thread: it is awake. Ends a sleep whose end was not traced.
    void awake(double at_s) { end_sleep(at_s, true); }
    void shrinker_begins(const TracedShrinker& shrinker, double at_s);
    // Ends the call that began last, if it has not ended; gives it with its time.
    struct EndedCall {
        std::string function;
        std::string object;
        double took_s = 0;
    };
    std::optional<EndedCall> shrinker_ends(double at_s);
    // The shrinker call that the thread is in; nullptr: none.
    [[nodiscard]] const std::pair<std::string, std::string>* inside_shrinker() const {
        return in_shrinker_ ? &shrinker_ : nullptr;
    }
    // The open call went on to prune its superblock; true the first time in this call.
    bool prunes();

    void sleeps(double at_s, std::string superblock);
    void wakes(double at_s) { end_sleep(at_s, false); }
    // One more function of the stack with which it fell asleep, innermost first.
    void add_frame(std::string_view function);

    void end(double end_s, std::uint64_t reclaimed_pages);
    [[nodiscard]] const evidence::Reclaim& head() const { return reclaim_; }  // without lists
    [[nodiscard]] evidence::Reclaim whole(const ShrinkerOwners& owners, const TraceDevices& devices) const;

  private:
    void end_sleep(double at_s, bool at_most);

    evidence::Reclaim reclaim_;               // `inside` has the first events
    std::vector<evidence::TraceEvent> last_;  // and this the last ones,
    std::size_t oldest_ = 0;                  // a ring once it is full
    std::string front_event_, front_device_;  // of the event that came last
    static constexpr std::size_t most_shrinkers = 16;
    ShrinkerTable shrinkers_{most_shrinkers};
    std::pair<std::string, std::string> shrinker_;  // function and object of the call that began last
    double shrinker_begin_s_ = 0;
    bool in_shrinker_ = false;
    bool pruned_ = false;
    std::vector<evidence::TaskWait> waits_;  // the longest of those that ended
    std::optional<evidence::TaskWait> sleep_;
};

}  // namespace reflux::observe
