// A mark that the thread of the I/O bears while it is in one read or write of the lower file, and not else:
// pread_nofs() as user space can have it. One file a scope; call_scope.cpp lists them.
#pragma once

#include "backend/io/call_options.h"

#include <memory>

namespace reflux::io {

// enter() and leave() in the thread of the I/O, in any number of threads at once; neither allocates.
class CallScope {
  public:
    CallScope() = default;
    CallScope(const CallScope&) = delete;
    CallScope& operator=(const CallScope&) = delete;
    CallScope(CallScope&&) = delete;
    CallScope& operator=(CallScope&&) = delete;
    virtual ~CallScope() = default;

    // False: the kernel refused, and leave() must not follow.
    virtual bool enter() = 0;
    // False: the thread bears the mark on.
    virtual bool leave() = 0;
};

const std::vector<CallWord>& call_scope_list();
// Entered and left once in the calling thread, and seen in force between, where it can be seen: unsupported
// when it is not. An unknown word is invalid_input and lists the known ones.
Result<std::unique_ptr<CallScope>> make_call_scope(std::string_view word);

// The factories behind call_scope_list; for call_scope.cpp only.
Result<std::unique_ptr<CallScope>> make_io_flusher_scope();
Result<std::unique_ptr<CallScope>> make_nofs_scope();
Result<std::unique_ptr<CallScope>> make_noio_scope();
Result<std::unique_ptr<CallScope>> make_memalloc_scope();

}  // namespace reflux::io
