// A fuzz target: a parser, or the classifier, with the inputs to begin with and what must hold for every
// input. One file a target in tests/fuzz. The same target runs under libFuzzer for as long as one likes
// (scripts/fuzz) and, over its seeds and some thousand mutations of them, in the unit tests
// (support/replay_test.cpp).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::fuzz {

enum class Format { text, json };  // of the inputs: what mutations change, bytes or JSON values

struct Target {
    // Feeds one input; true: it was taken, false: it was refused with a reason. A crash, a hang, an exception
    // and a broken promise (require) are findings.
    bool (*run)(std::string_view input) = nullptr;
    std::vector<std::string> seeds;  // all of them are taken
    std::vector<std::string> words;  // what mutations put in, beside pieces of the seeds
    Format format = Format::text;
    bool may_refuse = true;           // false: what it reads has no wrong form
    int rounds = 4000;                // mutations in the unit test
    std::size_t round_bytes = 65536;  // which begin with seeds that are no longer than this
};

// Each target's file defines it.
Target make_target();

// What must hold for every input that the target takes.
class Broken : public std::logic_error {
  public:
    using std::logic_error::logic_error;
};
inline void require(bool holds, const char* promise) {
    if (!holds) {
        throw Broken(promise);
    }
}

}  // namespace reflux::fuzz
