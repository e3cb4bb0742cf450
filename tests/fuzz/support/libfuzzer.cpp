// The target under libFuzzer (https://llvm.org/docs/LibFuzzer.html). Its first corpus folder gets the
// target's seeds, so that none has to be given.
#include "tests/fuzz/support/mutate.h"
#include "tests/fuzz/support/target.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

// Of libFuzzer. Names and types are its interface.
// NOLINTBEGIN(readability-identifier-naming,cppcoreguidelines-pro-type-reinterpret-cast)
extern "C" {
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
int LLVMFuzzerInitialize(int* argc, char*** argv);
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                    unsigned int seed);
}

namespace {

using namespace reflux::fuzz;

const Target& target() {
    static const Target only = make_target();
    return only;
}

std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

void write_seeds(const std::filesystem::path& folder) {
    int number = 0;
    for (const std::string& seed : target().seeds) {
        std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    }
}

}  // namespace

int LLVMFuzzerInitialize(int* argc, char*** argv) {
    for (int i = 1; i < *argc; ++i) {
        if (const std::string argument = (*argv)[i]; std::filesystem::is_directory(argument)) {
            write_seeds(argument);
            break;
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    target().run(text_of(data, size));
    return 0;
}

// libFuzzer's own mutations know nothing of JSON and little of text, ours do not look at coverage: both.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                    unsigned int seed) {
    static const Mutator mutator(target());
    Random random(seed);
    const std::size_t ours = target().format == Format::json ? 7 : 3;  // of eight
    if (pick(random, 8) < ours) {
        if (const std::string text = mutator.mutated(text_of(data, size), random); text.size() <= most) {
            std::copy(text.begin(), text.end(), data);
            return text.size();
        }
    }
    return LLVMFuzzerMutate(data, size, most);
}
// NOLINTEND(readability-identifier-naming,cppcoreguidelines-pro-type-reinterpret-cast)
