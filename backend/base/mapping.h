#pragma once

#include "backend/base/owner.h"

#include <cstddef>

#include <sys/mman.h>

namespace reflux {

struct Mapping {
    void* address = nullptr;
    std::size_t length = 0;
    bool operator==(const Mapping&) const = default;
};

struct MappingTraits {
    using Handle = Mapping;
    static Mapping none() noexcept { return {}; }
    static void release(Mapping mapping) noexcept { ::munmap(mapping.address, mapping.length); }
};

// Owns what mmap has given.
using UniqueMapping = Owner<MappingTraits>;

}  // namespace reflux
