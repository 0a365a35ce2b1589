#pragma once

/// Leaves the core's units to its other thread for some tens of cycles: for loops that wait for another core.
static inline void rectifid_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}
