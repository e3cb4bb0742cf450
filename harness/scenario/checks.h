// What must hold between keys, once each has been read by itself.
#pragma once

#include "harness/scenario/scenario.h"

#include <map>
#include <string>

namespace reflux::scenario {

// Where each key that was set was set last: key path -> origin.
using Origins = std::map<std::string, std::string>;

// The error begins with the origin of the key at fault, or with the file where that key stands at its
// default.
Status check_scenario(const Scenario& scenario, const Origins& origins);

// What a lower filesystem must have at least to hold an image of `image` bytes, with what mkfs's defaults
// take for themselves.
Bytes least_lower_size(const std::string& filesystem, Bytes image);

}  // namespace reflux::scenario
