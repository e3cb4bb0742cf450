// The one error idiom of the project: a function that can fail returns Result<T>, which must be looked at.
// No exception crosses a module boundary.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <tl/expected.hpp>

namespace reflux {

// What kind of failure it is; the command line turns it into the documented exit status.
enum class ErrorKind {
    invalid_input,  // the user's request is wrong: option, scenario, image (exit 2)
    unsupported,    // this machine cannot do it: capability, module, tool (exit 3)
    system,         // a system call failed (exit 4)
    timed_out,      // a bounded wait ended without the event (exit 4)
};

struct Error {
    ErrorKind kind = ErrorKind::system;
    std::string message;  // one line for a person: what failed, on which path, and what to do
    int errnum = 0;       // errno value where there was one, else 0

    // The same error seen from one level higher: "what: message".
    [[nodiscard]] Error within(std::string_view what) const {
        return {.kind = kind, .message = fmt::format("{}: {}", what, message), .errnum = errnum};
    }
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  public:
    using Base = tl::expected<T, Error>;
    using Base::Base;
    Result(Base base) : Base(std::move(base)) {}
};

using Status = Result<void>;

inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return fail(Error{.kind = kind, .message = std::move(message)});
}

// For a failed system call: `call` names it with its object, for example "open /dev/fuse".
inline Error system_error(std::string_view call, int errnum = errno) {
    return {.kind = ErrorKind::system,
            .message = fmt::format("{}: {}", call, std::generic_category().message(errnum)),
            .errnum = errnum};
}

inline tl::unexpected<Error> fail_errno(std::string_view call, int errnum = errno) {
    return fail(system_error(call, errnum));
}

}  // namespace reflux

// A declaration or a return cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define REFLUX_CONCAT_(a, b) a##b
#define REFLUX_CONCAT(a, b) REFLUX_CONCAT_(a, b)
#define REFLUX_TRY_(ret, tmp, target, expression)   \
    auto tmp = (expression);                        \
    if (!tmp) {                                     \
        ret ::reflux::fail(std::move(tmp).error()); \
    }                                               \
    target = *std::move(tmp)
// REFLUX_TRY(auto fd, open_file(path)): take the value, or return the error to the caller.
#define REFLUX_TRY(target, expression) \
    REFLUX_TRY_(return, REFLUX_CONCAT(reflux_try_, __LINE__), target, expression)
// The same inside a coroutine.
#define REFLUX_CO_TRY(target, expression) \
    REFLUX_TRY_(co_return, REFLUX_CONCAT(reflux_try_, __LINE__), target, expression)
// For a Status: go on, or return the error.
#define REFLUX_CHECK_(ret, tmp, expression)         \
    if (auto tmp = (expression); !tmp) {            \
        ret ::reflux::fail(std::move(tmp).error()); \
    }                                               \
    static_assert(true)
#define REFLUX_CHECK(expression) REFLUX_CHECK_(return, REFLUX_CONCAT(reflux_check_, __LINE__), expression)
#define REFLUX_CO_CHECK(expression) \
    REFLUX_CHECK_(co_return, REFLUX_CONCAT(reflux_check_, __LINE__), expression)
// NOLINTEND(bugprone-macro-parentheses)
