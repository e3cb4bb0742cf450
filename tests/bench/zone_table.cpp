// What the zone model costs at a million zones (docs/zone-model.md has figures):
//   ninja -C build bench_zone_table && build/tests/bench_zone_table --benchmark_repetitions=20
//       --benchmark_enable_random_interleaving=true --benchmark_min_time=0.05
// A request is begin_write and record_write of 4 KiB at a zone's write pointer, or one command.
#include "backend/zone/zone_table.h"

#include <cstdlib>
#include <string>

#include <benchmark/benchmark.h>

namespace reflux {
namespace {

constexpr std::uint64_t million = 1'000'000;
constexpr std::uint64_t conventional = 100;
constexpr std::uint64_t sequential = million - conventional;
constexpr std::uint64_t zone_size = mebibytes(64).value;

ZoneTable table_of(ZoneModel model, std::uint32_t max_open) {
    return ZoneTable::fresh(ZonedGeometry::make({.size = {million * zone_size},
                                                 .zone_size = {zone_size},
                                                 .conventional = conventional,
                                                 .model = model,
                                                 .max_open = max_open})
                                .value());
}

// Which zone comes next: any, by a multiplication and a shift.
class Dice {
  public:
    // `mixed_in`: what the last request gave, so that the next cannot begin before it is done.
    std::uint64_t zone(std::uint64_t among, std::uint64_t mixed_in = 0) {
        state_ = (state_ + mixed_in) * 6364136223846793005U + 1442695040888963407U;
        return conventional + ((state_ >> 33U) * among >> 31U);
    }

  private:
    std::uint64_t state_ = 42;
};

// At the write pointer; a full zone is reset first, once in 16384 writes. Returns where it was.
std::uint64_t write(ZoneTable& table, std::uint64_t id) {
    const std::uint64_t pointer = table.zone({id}).written.value;
    if (pointer == zone_size) {
        table.reset({id});
    }
    const std::uint64_t written = pointer % zone_size;
    const Extent extent{.offset = {id * zone_size + written}, .length = {4096}};
    if (table.begin_write(extent) != ZoneError::none || !table.record_write(extent)) {
        std::abort();  // would be a benchmark of refusals
    }
    return written;
}

// The floor of all that follows, for a zone that the nearest caches do not hold: one load of its write
// pointer, the address of which comes out of the load before.
void touch_any(benchmark::State& state) {
    const auto table = table_of(ZoneModel::host_managed, 0);
    Dice dice;
    std::uint64_t last = 0;
    for (auto _ : state) {
        last = table.zone({dice.zone(sequential, last)}).written.value;
    }
    benchmark::DoNotOptimize(last);
}
BENCHMARK(touch_any);

// range(0): among how many zones a write finds its own, range(1): max_open. `waits`: where a request goes
// hangs on what the one before it has read of its zone, so that no wait for memory hides behind another.
void write_any(benchmark::State& state, ZoneModel model, bool waits) {
    auto table = table_of(model, static_cast<std::uint32_t>(state.range(1)));
    const auto among = static_cast<std::uint64_t>(state.range(0));
    Dice dice;
    std::uint64_t last = 0;
    for (auto _ : state) {
        last = write(table, dice.zone(among, waits ? last : 0));
    }
    benchmark::DoNotOptimize(last);
}
// 128 open zones of the million; all zones without a limit; and with one, so that a write closes a zone.
void which_zones(benchmark::internal::Benchmark* writes) {
    writes->Args({128, 128})->Args({sequential, 0})->Args({sequential, 128});
}
BENCHMARK_CAPTURE(write_any, host_managed, ZoneModel::host_managed, true)->Apply(which_zones);
BENCHMARK_CAPTURE(write_any, host_aware, ZoneModel::host_aware, true)->Apply(which_zones);
BENCHMARK_CAPTURE(write_any, host_managed_no_wait, ZoneModel::host_managed, false)->Apply(which_zones);

// All zones in turn. range(0): max_open; with 128 every write opens its zone and closes another.
void write_in_turn(benchmark::State& state) {
    auto table = table_of(ZoneModel::host_managed, static_cast<std::uint32_t>(state.range(0)));
    std::uint64_t id = conventional;
    for (auto _ : state) {
        write(table, id);
        id = id + 1 == million ? conventional : id + 1;
    }
}
BENCHMARK(write_in_turn)->Arg(0)->Arg(128);

void read_any(benchmark::State& state) {
    const auto table = table_of(ZoneModel::host_managed, 0);
    Dice dice;
    std::uint64_t last = 0;
    for (auto _ : state) {
        const Bytes offset{dice.zone(sequential, last) * zone_size};
        last = static_cast<std::uint64_t>(table.check_read({.offset = offset, .length = {4096}}));
    }
    benchmark::DoNotOptimize(last);
}
BENCHMARK(read_any);

// OPEN of any zone, which closes the one opened longest ago by a write; then CLOSE and RESET of it.
void manage_any(benchmark::State& state) {
    auto table = table_of(ZoneModel::host_managed, 128);
    Dice dice;
    for (std::uint64_t i = 0; i < 128; ++i) {
        write(table, dice.zone(sequential));
    }
    std::uint64_t last = 0;
    for (auto _ : state) {
        const ZoneId id{dice.zone(sequential, last)};
        last = static_cast<std::uint64_t>(table.open(id));
        last += static_cast<std::uint64_t>(table.close(id));
        last += static_cast<std::uint64_t>(table.reset(id));
    }
    state.SetItemsProcessed(3 * state.iterations());
}
BENCHMARK(manage_any);

// All zones, in answers of range(0) descriptors.
void report_all(benchmark::State& state) {
    const auto table = table_of(ZoneModel::host_managed, 0);
    std::vector<ZoneDescriptor> out(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        std::uint64_t first = 0;
        while (first < million) {
            first += table.report({first}, out);
        }
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(report_all)->Arg(1024)->Arg(million)->Unit(benchmark::kMillisecond);

// One kind of zone out of all, with the others counted too.
void report_open(benchmark::State& state) {
    auto table = table_of(ZoneModel::host_managed, 128);
    Dice dice;
    for (int i = 0; i < 1000; ++i) {
        write(table, dice.zone(sequential));
    }
    std::vector<ZoneDescriptor> out(64);
    for (auto _ : state) {
        benchmark::DoNotOptimize(table.report_matching(
            {.first = {0}, .option = ReportingOption::implicit_open, .partial = false}, out));
    }
}
BENCHMARK(report_open)->Unit(benchmark::kMillisecond);

// What of opening an image is the model's: zones taken over and checked, and the power cycle.
void restore(benchmark::State& state) {
    const auto fresh = table_of(ZoneModel::host_managed, 128);
    std::vector<Zone> zones;
    for (std::uint64_t id = 0; id < million; ++id) {
        zones.push_back(fresh.zone({id}));
    }
    for (auto _ : state) {
        auto table = ZoneTable::restore(fresh.geometry(), zones);
        benchmark::DoNotOptimize(table->power_cycle());
    }
}
BENCHMARK(restore)->Unit(benchmark::kMillisecond);

void reset_all(benchmark::State& state) {
    auto table = table_of(ZoneModel::host_managed, 0);
    for (auto _ : state) {
        table.reset_all();
    }
}
BENCHMARK(reset_all)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace reflux

BENCHMARK_MAIN();
