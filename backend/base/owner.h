// Owner: the one move-correct owner of a plain handle (file descriptor, pointer to a C object, mapped
// length). Everything that owns a handle is an Owner or is made of Owners, and defaults its moves.
#pragma once

#include <utility>

namespace reflux {

// `Traits` gives `using Handle`, `static Handle none()` and `static void release(Handle) noexcept`.
template <class Traits>
class [[nodiscard]] Owner {
  public:
    using Handle = typename Traits::Handle;

    Owner() noexcept = default;
    explicit Owner(Handle handle) noexcept : handle_(handle) {}
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    Owner(Owner&& other) noexcept : handle_(other.give_up()) {}
    Owner& operator=(Owner&& other) noexcept {
        Owner(std::move(other)).swap(*this);
        return *this;
    }
    ~Owner() { reset(); }

    [[nodiscard]] Handle get() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != Traits::none(); }
    [[nodiscard]] Handle give_up() noexcept { return std::exchange(handle_, Traits::none()); }
    void reset() noexcept {
        if (Handle old = give_up(); old != Traits::none()) {
            Traits::release(old);
        }
    }
    void swap(Owner& other) noexcept { std::swap(handle_, other.handle_); }

  private:
    Handle handle_ = Traits::none();
};

}  // namespace reflux
