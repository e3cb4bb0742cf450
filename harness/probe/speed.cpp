#include "harness/probe/speed.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <chrono>
#include <string>

#include <unistd.h>

namespace reflux::probe {
namespace {

constexpr int rounds = 3;
constexpr int files = 24;                     // made, written, read and dropped
constexpr std::size_t file_size = 1U << 20U;  // each page of it is allocated and freed by the kernel
constexpr std::size_t piece = 4096;

Status one_file(std::string& buffer) {
    REFLUX_TRY(const auto file, make_memory_file("speed"));
    for (std::size_t offset = 0; offset < file_size; offset += piece) {
        buffer[offset % piece] = static_cast<char>(offset);
        if (::pwrite(file.get(), buffer.data(), piece, static_cast<off_t>(offset)) < 0) {
            return fail_errno("pwrite");
        }
    }
    for (std::size_t offset = 0; offset < file_size; offset += piece) {
        if (::pread(file.get(), buffer.data(), piece, static_cast<off_t>(offset)) < 0) {
            return fail_errno("pread");
        }
    }
    return {};
}

}  // namespace

Result<Seconds> time_of_fixed_work() {
    std::string buffer(piece, 'x');
    Seconds least = Seconds::max();
    for (int round = 0; round < rounds; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < files; ++i) {
            REFLUX_CHECK(one_file(buffer));
        }
        least = std::min<Seconds>(least, std::chrono::steady_clock::now() - begin);
    }
    return least;
}

}  // namespace reflux::probe
