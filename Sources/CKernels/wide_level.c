#include "wide_product.h"

// Every thread may take all that the processor has, unless a test wants less of it.
static _Thread_local rectifid_wide_level limit = RECTIFID_WIDE_AVX512;

void rectifid_limit_wide_level(rectifid_wide_level most) { limit = most; }

#if defined(__x86_64__)

static rectifid_wide_level highest(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return RECTIFID_WIDE_PORTABLE;
    const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return has_avx512 ? RECTIFID_WIDE_AVX512 : RECTIFID_WIDE_AVX2;
}

bool rectifid_has_wide_product(void) {
    __builtin_cpu_init();
    return highest() != RECTIFID_WIDE_PORTABLE;
}

#else

static rectifid_wide_level highest(void) { return RECTIFID_WIDE_PORTABLE; }

bool rectifid_has_wide_product(void) {
#if defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

#endif

rectifid_wide_level rectifid_wide_level_here(void) {
    const rectifid_wide_level level = highest();
    return level < limit ? level : limit;
}
