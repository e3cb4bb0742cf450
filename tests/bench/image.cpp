// What an image costs (docs/image-format.md has figures): opening one of a million zones, and a flush.
//   ninja -C build bench_image && build/tests/bench_image
// The file is made in TMPDIR; what a flush costs is a matter of the filesystem there.
#include "backend/image.h"

#include "backend/zoned_device.h"

#include <cstdlib>
#include <vector>

#include <unistd.h>

#include <benchmark/benchmark.h>

namespace reflux {
namespace {

class TemporaryImage {
  public:
    explicit TemporaryImage(std::uint64_t zones) {
        const char* folder = std::getenv("TMPDIR");
        path_ = std::string(folder != nullptr ? folder : "/tmp") + "/reflux-bench-XXXXXX";
        const int fd = ::mkstemp(path_.data());
        const auto geometry =
            ZonedGeometry::make({.size = mebibytes(zones), .zone_size = mebibytes(1), .conventional = 1});
        if (fd < 0 || !geometry || !format_image(path_, *geometry, true)) {
            std::abort();
        }
        ::close(fd);
    }
    TemporaryImage(const TemporaryImage&) = delete;
    TemporaryImage& operator=(const TemporaryImage&) = delete;
    TemporaryImage(TemporaryImage&&) = delete;
    TemporaryImage& operator=(TemporaryImage&&) = delete;
    ~TemporaryImage() { ::unlink(path_.c_str()); }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

void open_a_million_zones(benchmark::State& state) {
    const TemporaryImage image(1'000'000);
    for (auto _ : state) {
        const auto opened = Image::open(image.path());
        if (!opened) {
            state.SkipWithError(opened.error().message.c_str());
            break;
        }
    }
}
BENCHMARK(open_a_million_zones)->Unit(benchmark::kMillisecond)->UseRealTime();

void run(ZonedDevice& device, DeviceOperation operation, std::uint64_t offset, std::span<std::byte> buffer) {
    DeviceRequest request;
    request.operation = operation;
    request.offset = offset;
    request.buffer = buffer;
    request.done = [](DeviceRequest& /*request*/, int error) {
        if (error != 0) {
            std::abort();
        }
    };
    device.submit(request);  // engine sync: done when it returns
}

// A write of 4 KiB into each of range(0) zones, each of a zone table block of its own, then a flush. The
// write pointers move (range(1)), or stay as they are, in full zones: then a flush is one fdatasync.
void write_and_flush(benchmark::State& state) {
    const auto zones = static_cast<std::uint64_t>(state.range(0));
    const bool pointers_move = state.range(1) != 0;
    const TemporaryImage image(zones * zones_per_block + 1);
    const auto device = ZonedDevice::open(image.path(), {}).value();
    std::vector<std::byte> data(4096);
    std::uint64_t written = 0;
    for (auto _ : state) {
        for (std::uint64_t i = 0; i < zones; ++i) {
            const std::uint64_t zone = pointers_move ? 1 + i * zones_per_block : 0;
            run(*device, DeviceOperation::write, mebibytes(zone).value + written, data);
        }
        run(*device, DeviceOperation::flush, 0, {});
        written = (written + data.size()) % mebibytes(1).value;
        if (written == 0 && pointers_move) {
            state.PauseTiming();
            for (std::uint64_t i = 0; i < zones; ++i) {
                run(*device, DeviceOperation::reset_zone, mebibytes(1 + i * zones_per_block).value, {});
            }
            state.ResumeTiming();
        }
    }
}
BENCHMARK(write_and_flush)
    ->Args({1, 0})
    ->Args({1, 1})
    ->Args({16, 1})
    ->Args({128, 1})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

void reset_a_zone(benchmark::State& state) {
    const TemporaryImage image(64);
    const auto device = ZonedDevice::open(image.path(), {}).value();
    std::vector<std::byte> data(4096);
    for (auto _ : state) {
        run(*device, DeviceOperation::write, mebibytes(5).value, data);
        run(*device, DeviceOperation::reset_zone, mebibytes(5).value, {});
    }
}
BENCHMARK(reset_a_zone)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace reflux

BENCHMARK_MAIN();
