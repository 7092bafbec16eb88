/* From here to end_target.h functions may use the instructions of SIMD_TARGET, if that is defined.
 * System headers must have been included before. */
#define SIMD_PRAGMA_(text) _Pragma(#text)
#define SIMD_PRAGMA(text) SIMD_PRAGMA_(text)
#if defined(SIMD_TARGET) && defined(__clang__)
SIMD_PRAGMA(clang attribute push(__attribute__((target(SIMD_TARGET))), apply_to = function))
#elif defined(SIMD_TARGET)
#pragma GCC push_options
SIMD_PRAGMA(GCC target(SIMD_TARGET))
#endif
