// The factories behind make_engine; for engine.cpp only.
#pragma once

#include "backend/io/engine.h"

namespace reflux::io {

Result<std::unique_ptr<Engine>> make_sync_engine(const EngineOptions& options);
Result<std::unique_ptr<Engine>> make_threads_engine(const EngineOptions& options);
Result<std::unique_ptr<Engine>> make_uring_engine(const EngineOptions& options);

}  // namespace reflux::io
