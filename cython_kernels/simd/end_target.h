#if defined(SIMD_TARGET) && defined(__clang__)
#pragma clang attribute pop
#elif defined(SIMD_TARGET)
#pragma GCC pop_options
#endif
