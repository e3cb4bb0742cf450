#pragma once

#include "backend/base/owner.h"

#include <cstddef>
#include <span>

#include <sys/mman.h>

namespace reflux {

struct MappingTraits {
    struct Handle {
        void* address = nullptr;
        std::size_t length = 0;
        bool operator==(const Handle&) const = default;
    };
    static Handle none() noexcept { return {}; }
    static void release(Handle mapping) noexcept { ::munmap(mapping.address, mapping.length); }
};

// Owns what mmap gave.
using Mapping = Owner<MappingTraits>;

inline std::span<std::byte> bytes_of(const Mapping& mapping) {
    return {static_cast<std::byte*>(mapping.get().address), mapping.get().length};
}

}  // namespace reflux
