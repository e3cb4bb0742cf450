// The sections of the page, each its own file.
#pragma once

#include "harness/report/html/layout.h"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::report::html {

// What all of them are made of.
struct Page {
    const Report& report;
    Grid grid;
    std::vector<Shown> shown;
    std::set<std::size_t> listed;  // cells with a run in the list

    // Where a cell's runs are: "d12" its detail, else "c12" its part of the list, else the list.
    [[nodiscard]] std::string anchor_of(std::size_t cell) const;
    // The part of the list.
    [[nodiscard]] std::string list_anchor_of(std::size_t cell) const;
};

// What was run, when, what came out; what differs from expectation first.
std::string head_section(const Page& page);
// Kernel by scenario.
std::string matrix_section(const Page& page);
// What is proven of cures, and what they cost. Empty where there is neither.
std::string cure_section(const Page& page);
// One run of a cell, all that its evidence shows. One that cannot be read is told so.
std::string detail(const Page& page, const Shown& shown);
// All runs, a row each, as far as they fit into `most` bytes: first those of cells with one that did not meet
// its expectation. Sets `listed` of the page.
std::string list_section(Page& page, std::size_t most);

// The style sheet, harness/report/html/style.css.
std::string_view style();

}  // namespace reflux::report::html
