// The folder of a matrix: what it records, who works in it. Several invocations may work in one folder at the
// same time, also from several machines, as long as each has cells of its own (--shard); each file below has
// one writer, or is written by whoever comes first and believed by the others.
//   matrix.json             what the first invocation was asked for; shards of one matrix ask for the same
//   matrix.lock             a byte of it is locked for each cell that somebody works on
//   KERNEL/kernel           the very kernel that KERNEL stands for ('/' in a kernel's name is '_')
//   KERNEL/release          its uname -r when the first run was made, also of `host` and of an image
//   KERNEL/SCENARIO/        a cell; in it
//     SCENARIO.toml         the scenario as all of its runs have it
//     SCENARIO-TIME-N/      the folders of its runs; one that was interrupted stays and does not count
//     run-N.log             what the N-th run told, while it goes on and when it has failed
// So folders of shards that were made apart are merged by copying one over the other.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"
#include "harness/run/matrix_cells.h"

#include <string>
#include <vector>

namespace reflux::run {

std::string definition_file(const Cell& cell);
// Writes it, and the folder of the cell.
Status keep_definition(const Cell& cell);
// What the cell's kernel is exactly; the same for all cells of a kernel.
std::string kernel_file(const Cell& cell);
// What stands there; the cell's kernel, where nothing does.
std::string begun_kernel(const Cell& cell);
// Keeps `release`, which is not empty, as that of the cell's kernel. invalid_input, where another one is
// kept: this machine has another kernel now, or somebody has put another image in the place of the first.
Status keep_release(const Cell& cell, const std::string& release);
// invalid_input, where a finished run of the cell's kernel, in whatever cell, tells another release. An empty
// one, of a run that did not come so far as to tell, is none.
Status check_same_kernel(const std::vector<Cell>& cells, const Cell& cell, const std::string& release);

Status make_folder(const std::string& path);

// Writes `text`, which is not blank, where there is no such file yet, or a blank one, as a loss of power may
// leave it; gives what stands there then, which another process, also
// one of another machine, may have written at the same moment.
Result<std::string> keep_first(const std::string& file, const std::string& text);

// As long as it is open nobody else works on these cells: two at work would both make what is missing. Fails,
// naming the cell, where somebody does. Locks of the kernel, which go with the process, and which a network
// filesystem shares among machines.
Result<UniqueFd> lock_cells(const std::string& out, const std::vector<Cell>& cells);

// Begins a matrix in the folder, or takes in what is finished of the one that was begun in it. invalid_input
// where that was of other scenarios, overrides or kernels: their runs must not be counted together.
Status take_up(const MatrixRecord& record, const std::string& out, std::vector<Cell>& cells);

}  // namespace reflux::run
