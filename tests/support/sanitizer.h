// Whether this program was built with a sanitizer, which brings a malloc of its own, takes memory of its own,
// and lets mlockall do nothing.
#pragma once

#define REFLUX_SANITIZED 0
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#undef REFLUX_SANITIZED
#define REFLUX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#undef REFLUX_SANITIZED
#define REFLUX_SANITIZED 1
#endif
#endif

#define REFLUX_THREAD_SANITIZED 0
#if defined(__SANITIZE_THREAD__)
#undef REFLUX_THREAD_SANITIZED
#define REFLUX_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef REFLUX_THREAD_SANITIZED
#define REFLUX_THREAD_SANITIZED 1
#endif
#endif

namespace reflux::test {

inline constexpr bool is_sanitized = REFLUX_SANITIZED == 1;
inline constexpr bool is_thread_sanitized = REFLUX_THREAD_SANITIZED == 1;

}  // namespace reflux::test

#define REFLUX_NOT_SANITIZED()      \
    if (reflux::test::is_sanitized) \
    GTEST_SKIP() << "a sanitizer brings memory of its own, and lets mlockall do nothing"
