// Inputs that are almost right: what gets through a parser and still surprises what comes after it.
#pragma once

#include "tests/fuzz/support/target.h"

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace reflux::fuzz {

using Random = std::mt19937;

// One change or a few, by the random numbers alone: the same ones give the same result.
class Mutator {
  public:
    explicit Mutator(const Target& target);

    // A target of JSON gets JSON back most of the time; text that is none is damaged as bytes.
    [[nodiscard]] std::string mutated(std::string_view input, Random& random) const;

  private:
    using Json = nlohmann::ordered_json;

    // Values of the seeds by the key under which they stand; elements of a list by its key and "[]".
    void collect(const std::string& name, const Json& value);
    void change_value(const std::string& name, Json& value, Random& random) const;
    void change_list(const std::string& name, Json& list, Random& random) const;
    void change_leaf(const std::string& name, Json& leaf, Random& random) const;
    [[nodiscard]] const Json& seen(const std::string& name, const Json& otherwise, Random& random) const;

    void change_bytes(std::string& text, Random& random) const;
    [[nodiscard]] std::string piece_of_a_seed(Random& random) const;

    std::vector<std::string> seeds_;
    std::vector<std::string> words_;
    Format format_;
    std::map<std::string, std::vector<Json>> values_;
};

// From 0 to count - 1.
std::size_t pick(Random& random, std::size_t count);

}  // namespace reflux::fuzz
