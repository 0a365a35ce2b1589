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

static SWIFT void (*runtime_resume)(void *task);
static SWIFT void (*runtime_throwing_resume)(void *task);
static SWIFT void (*runtime_throwing_resume_with_error)(void *task, void *error);
static ASYNC void (*runtime_await)(void *context);
static SWIFT void (*runtime_dealloc)(void *memory);
static SWIFT void *(*runtime_current)(void);

__attribute__((constructor)) static void find(void) {
    runtime_resume = runtime_function("swift_continuation_resume");
    runtime_throwing_resume = runtime_function("swift_continuation_throwingResume");
    runtime_throwing_resume_with_error = runtime_function("swift_continuation_throwingResumeWithError");
    runtime_await = runtime_function("swift_continuation_await");
    runtime_dealloc = runtime_function("swift_task_dealloc");
    runtime_current = runtime_function("swift_task_getCurrent");
}

SWIFT void swift_continuation_resume(void *task) {
    release(task);
    runtime_resume(task);
}

SWIFT void swift_continuation_throwingResume(void *task) {
    release(task);
    runtime_throwing_resume(task);
}

SWIFT void swift_continuation_throwingResumeWithError(void *task, void *error) {
    release(task);
    runtime_throwing_resume_with_error(task, error);
}

static void follow_resumption(void) {
    void *task = runtime_current();
    if (task) acquire(task);
}

ASYNC void swift_continuation_await(void *context) {
    follow_resumption();
    return runtime_await(context);
}

SWIFT void swift_task_dealloc(void *memory) {
    runtime_dealloc(memory);
    follow_resumption();
}
