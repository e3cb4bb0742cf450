#include "backend/io/call_scope.h"

#include <array>

namespace reflux::io {
namespace {

struct Row {
    CallWord word;
    Result<std::unique_ptr<CallScope>> (*make)();
};

constexpr std::array rows{
    Row{.word = {.name = "io_flusher",
                 .description = "PR_SET_IO_FLUSHER on before the call and off behind it; needs "
                                "CAP_SYS_RESOURCE"},
        .make = make_io_flusher_scope},
    Row{.word = {.name = "nofs",
                 .description = "PF_MEMALLOC_NOFS, by the prototype module: reclaim calls no filesystem"},
        .make = make_nofs_scope},
    Row{.word = {.name = "noio",
                 .description = "PF_MEMALLOC_NOIO, by the prototype module: reclaim starts no I/O"},
        .make = make_noio_scope},
    Row{.word = {.name = "memalloc",
                 .description = "PF_MEMALLOC, by the prototype module: no reclaim, memory from the reserves"},
        .make = make_memalloc_scope},
};

}  // namespace

const std::vector<CallWord>& call_scope_list() {
    static const std::vector<CallWord> list = [] {
        std::vector<CallWord> words;
        words.reserve(rows.size());
        for (const Row& row : rows) {
            words.push_back(row.word);
        }
        return words;
    }();
    return list;
}

Result<std::unique_ptr<CallScope>> make_call_scope(std::string_view word) {
    std::string known;
    for (const Row& row : rows) {
        if (row.word.name == word) {
            auto scope = row.make();
            return scope ? std::move(scope) : fail(scope.error().within(fmt::format("call scope {}", word)));
        }
        known += fmt::format("{}{}", known.empty() ? "" : ", ", row.word.name);
    }
    return fail(ErrorKind::invalid_input, fmt::format("no call scope '{}'; there are: {}", word, known));
}

}  // namespace reflux::io
