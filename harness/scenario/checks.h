// What must hold between keys, once each has been read by itself.
#pragma once

#include "harness/scenario/scenario.h"

#include <map>
#include <string>
#include <string_view>

namespace reflux::scenario {

// Where each key that was set was set last: key path -> origin.
using Origins = std::map<std::string, std::string>;

// The error begins with the origin of the key at fault, or with the file where that key stands at its
// default.
Status check_scenario(const Scenario& scenario, const Origins& origins);

// Why a key would do nothing in this scenario ("daemon.kind = refluxd"); empty: it has an effect.
std::string why_without_effect(const Scenario& scenario, std::string_view key);

// What a lower filesystem must have at least to hold an image of `image` bytes, with what mkfs's defaults
// take for themselves.
Bytes least_lower_size(const std::string& filesystem, Bytes image);

}  // namespace reflux::scenario
