// A report as one page that needs nothing else: no network, no scripts.
#pragma once

#include "harness/report/counted.h"

#include <cstddef>
#include <string>

namespace reflux::report::html {

// A page has no more than this, however many runs there are and whatever they hold: each section keeps to a
// part of it.
inline constexpr std::size_t most_page_bytes = 10'000'000;

std::string page(const Report& report);

}  // namespace reflux::report::html
