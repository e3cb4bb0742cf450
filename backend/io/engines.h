// The factories behind make_engine; for engine.cpp only.
#pragma once

#include "backend/io/engine.h"

namespace reflux::io {

// How many threads it is to be: `own` when nothing was asked for, else 1 to 64.
Result<unsigned> thread_count(const EngineOptions& options, unsigned own);

Result<std::unique_ptr<Engine>> make_sync_engine(const EngineOptions& options);
Result<std::unique_ptr<Engine>> make_threads_engine(const EngineOptions& options);
Result<std::unique_ptr<Engine>> make_uring_engine(const EngineOptions& options);

}  // namespace reflux::io
