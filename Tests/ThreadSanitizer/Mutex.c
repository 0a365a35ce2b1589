// Linux' `Synchronization.Mutex` is a futex with priority inheritance. Its fast side, a compare and exchange, is inlined
// into our code, where the thread sanitizer sees it. Where two threads meet, one waits in libswiftSynchronization and the
// kernel hands the lock on: neither is seen, so there is no order between the two, and a race is reported in whatever the
// mutex guards.
#include "include/Annotations.h"

#include <stdbool.h>
#include <stdint.h>

// `_MutexHandle._lockSlow(_:)`, `_tryLockSlow()` and `_unlockSlow()`, which are ABI since their callers are inlined.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slowly(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT bool try_slowly(SELF void *mutex) __asm__(TRY);
SWIFT void unlock_slowly(SELF void *mutex) __asm__(UNLOCK);

SWIFT void lock_slowly(uint32_t thread, SELF void *mutex) {
    RUNTIME(lock_slowly, LOCK)
    runtime(thread, mutex);
    acquire(mutex);
}

SWIFT bool try_slowly(SELF void *mutex) {
    RUNTIME(try_slowly, TRY)
    bool is_locked = runtime(mutex);
    if (is_locked) acquire(mutex);
    return is_locked;
}

SWIFT void unlock_slowly(SELF void *mutex) {
    RUNTIME(unlock_slowly, UNLOCK)
    release(mutex);
    runtime(mutex);
}
