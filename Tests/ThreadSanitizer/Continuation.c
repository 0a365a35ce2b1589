// A continuation may be resumed before its task comes to wait for it: short work on another thread does that. The runtime
// then looks at a state and goes on. It tells the thread sanitizer of tasks that it enqueues and runs, but not of this
// order, and a race is reported in what was handed over. So what resumes a task comes before the next wait of that task and
// the next memory that it gives back, which is that of the call that waited: the one where the wait is inlined into our
// code, the other where it is not.
#include "include/Annotations.h"

#define ASYNC __attribute__((swiftasynccall))

SWIFT void swift_continuation_resume(void *task);
SWIFT void swift_continuation_throwingResume(void *task);
SWIFT void swift_continuation_throwingResumeWithError(void *task, void *error);
ASYNC void swift_continuation_await(void *context);
SWIFT void swift_task_dealloc(void *memory);
SWIFT void *swift_task_getCurrent(void);

SWIFT void swift_continuation_resume(void *task) {
    RUNTIME(swift_continuation_resume, "swift_continuation_resume")
    release(task);
    runtime(task);
}

SWIFT void swift_continuation_throwingResume(void *task) {
    RUNTIME(swift_continuation_throwingResume, "swift_continuation_throwingResume")
    release(task);
    runtime(task);
}

SWIFT void swift_continuation_throwingResumeWithError(void *task, void *error) {
    RUNTIME(swift_continuation_throwingResumeWithError, "swift_continuation_throwingResumeWithError")
    release(task);
    runtime(task, error);
}

static void follow_resumption(void) {
    void *task = swift_task_getCurrent();
    if (task) acquire(task);
}

ASYNC void swift_continuation_await(void *context) {
    RUNTIME(swift_continuation_await, "swift_continuation_await")
    follow_resumption();
    return runtime(context);
}

SWIFT void swift_task_dealloc(void *memory) {
    RUNTIME(swift_task_dealloc, "swift_task_dealloc")
    runtime(memory);
    follow_resumption();
}
