// `reflux matrix --shard i/n`: a matrix that several machines, or the tasks of a scheduler, share out among
// themselves without talking to each other. Pure.
#pragma once

#include "backend/base/result.h"
#include "harness/run/matrix_cells.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace reflux::run {

struct Shard {
    unsigned number = 1;  // from 1
    unsigned of = 1;
};

// "2/3"; invalid_input unless 1 <= i <= n.
Result<Shard> parse_shard(std::string_view text);

// Of a cell by its name, the same on every machine and in every version of reflux (FNV-1a, 64 bits).
std::uint64_t stable_hash(const Cell& cell);

// Those cells that are the shard's, in the order in which they come. All shards of the same cells, in
// whatever order these come, have each cell once, and none has two more than another. Cells are dealt out in
// the order of their hashes, so that none gets all controls, which are short, or all that stall.
std::vector<Cell> cells_of(const Shard& shard, std::vector<Cell> cells);

}  // namespace reflux::run
