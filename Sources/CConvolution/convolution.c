#include "CConvolution.h"

#if defined(__x86_64__)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <dnnl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Version 3 has no operation descriptors and opaque memory descriptors: a port is a rewrite of this file.
#if DNNL_VERSION_MAJOR != 2
#error "oneDNN 2 is needed; another major version has another C API"
#endif

struct rectifid_convolution {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    const char *kernel;
    rectifid_convolution_kind kind;
    dnnl_data_type_t operands, result;
    dnnl_memory_desc_t in, out, bias, plain, filter, scratch;
};

static dnnl_engine_t engine;
static dnnl_status_t engine_status;
static void (*set_threads)(int);

static void start(void) {
    // Not linked against: oneDNN may have been built for another threading runtime, and brings its own.
    *(void **)&set_threads = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    // The caller keeps its primitives; a second cache behind it would only hold the evicted ones in memory.
    dnnl_set_primitive_cache_capacity(0);
    engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
}

// One thread per call. OpenMP keeps the number per calling thread, so every thread must say so, and saying it is cheap.
static dnnl_status_t prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    if (set_threads) set_threads(1);
    return engine_status;
}

static rectifid_convolution_status translated(dnnl_status_t status) {
    switch (status) {
    case dnnl_success: return RECTIFID_CONVOLUTION_OK;
    case dnnl_out_of_memory: return RECTIFID_CONVOLUTION_NO_MEMORY;
    case dnnl_unimplemented:
    case dnnl_iterator_ends: return RECTIFID_CONVOLUTION_UNSUPPORTED;
    default: return RECTIFID_CONVOLUTION_FAILED;
    }
}

uint32_t rectifid_convolution_version(void) {
    const dnnl_version_t *version = dnnl_version();
    return (uint32_t)version->major << 16 | (uint32_t)(version->minor & 255) << 8 | (uint32_t)(version->patch & 255);
}

bool rectifid_convolution_multiplies_bfloat16(void) {
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

bool rectifid_convolution_multiplies_tiles(void) {
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
}

// Pictures in memory are [N, H, W, C]; oneDNN names dimensions in the order N, C, H, W whatever the memory's.
static dnnl_status_t picture(dnnl_memory_desc_t *description, dnnl_data_type_t type, int64_t n, int64_t h, int64_t w,
                             int64_t c) {
    const dnnl_dims_t dims = {n, c, h, w};
    return dnnl_memory_desc_init_by_tag(description, 4, dims, type, dnnl_nhwc);
}

// Filters in memory are [O, kh, kw, I / groups], the groups' outputs after each other.
static dnnl_status_t filter(dnnl_memory_desc_t *description, dnnl_data_type_t type,
                            const rectifid_convolution_geometry *g, bool any) {
    const int64_t inputs = g->channels / g->groups;
    if (g->groups == 1) {
        const dnnl_dims_t dims = {g->outputs, inputs, g->kernel_height, g->kernel_width};
        return dnnl_memory_desc_init_by_tag(description, 4, dims, type, any ? dnnl_format_tag_any : dnnl_ohwi);
    }
    const dnnl_dims_t dims = {g->groups, g->outputs / g->groups, inputs, g->kernel_height, g->kernel_width};
    return dnnl_memory_desc_init_by_tag(description, 5, dims, type, any ? dnnl_format_tag_any : dnnl_gohwi);
}

static dnnl_status_t operation(const rectifid_convolution_geometry *g, rectifid_convolution *c,
                               dnnl_convolution_desc_t *operation) {
    const dnnl_dims_t bias_dims = {g->outputs}, strides = {g->stride_height, g->stride_width};
    const dnnl_dims_t dilates = {g->dilation_height - 1, g->dilation_width - 1}, before = {g->top, g->left};
    // What the last output reaches beyond the picture.
    const dnnl_dims_t after = {
        (g->out_height - 1) * g->stride_height + (g->kernel_height - 1) * g->dilation_height + 1 - g->height - g->top,
        (g->out_width - 1) * g->stride_width + (g->kernel_width - 1) * g->dilation_width + 1 - g->width - g->left};
    dnnl_memory_desc_t any;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&c->bias, 1, bias_dims, dnnl_f32, dnnl_x);
    if (status == dnnl_success) status = filter(&c->plain, c->operands, g, false);
    if (status == dnnl_success) status = filter(&any, c->operands, g, true);
    if (status != dnnl_success) return status;

    const bool backward = c->kind == RECTIFID_CONVOLUTION_INPUT_GRADIENT;
    const dnnl_data_type_t x_type = backward ? c->result : c->operands, y_type = backward ? c->operands : c->result;
    dnnl_memory_desc_t x, y;
    if ((status = picture(&x, x_type, g->images, g->height, g->width, g->channels)) != dnnl_success) return status;
    if ((status = picture(&y, y_type, g->images, g->out_height, g->out_width, g->outputs)) != dnnl_success) return status;
    if (backward) {
        c->in = y, c->out = x;
        return dnnl_dilated_convolution_backward_data_desc_init(operation, dnnl_convolution_direct, &x, &any, &y,
                                                                strides, dilates, before, after);
    }
    c->in = x, c->out = y;
    return dnnl_dilated_convolution_forward_desc_init(
        operation, dnnl_forward_inference, dnnl_convolution_direct, &x, &any,
        c->kind == RECTIFID_CONVOLUTION_FORWARD_WITH_BIAS ? &c->bias : NULL, &y, strides, dilates, before, after);
}

// Scratch memory is the caller's: oneDNN's own would belong to the primitive, which several threads run at once.
static dnnl_status_t with_own_scratch(dnnl_primitive_attr_t *attributes) {
    const dnnl_status_t status = dnnl_primitive_attr_create(attributes);
    return status != dnnl_success ? status
                                  : dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user);
}

// Compiled kernels only: the reference ones are hundreds of times slower than a matrix product over patches, and those
// by matrix products are not faster than ours.
static bool is_compiled(const char *kernel) { return !strncmp(kernel, "jit", 3) || !strncmp(kernel, "brg", 3); }

static dnnl_status_t complete(rectifid_convolution *c, const dnnl_convolution_desc_t *operation) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = with_own_scratch(&attributes);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&c->description, operation, attributes, engine, NULL);
    dnnl_primitive_attr_destroy(attributes);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_desc_query(c->description, dnnl_query_impl_info_str, 0, (void *)&c->kernel);
    if (status != dnnl_success) return status;
    if (!is_compiled(c->kernel)) return dnnl_unimplemented;
    c->filter = *dnnl_primitive_desc_query_md(c->description, dnnl_query_weights_md, 0);
    c->scratch = *dnnl_primitive_desc_query_md(c->description, dnnl_query_scratchpad_md, 0);
    return dnnl_primitive_create(&c->primitive, c->description);
}

rectifid_convolution_status rectifid_convolution_create(const rectifid_convolution_geometry *geometry,
                                                        rectifid_convolution_kind kind,
                                                        rectifid_convolution_formats formats,
                                                        rectifid_convolution **convolution) {
    *convolution = NULL;
    dnnl_status_t status = prepare();
    if (status != dnnl_success) return translated(status);
    rectifid_convolution *made = calloc(1, sizeof *made);
    if (!made) return RECTIFID_CONVOLUTION_NO_MEMORY;
    made->kind = kind;
    made->operands = formats.narrow_operands ? dnnl_bf16 : dnnl_f32;
    made->result = formats.narrow_result ? dnnl_bf16 : dnnl_f32;
    dnnl_convolution_desc_t description;
    status = operation(geometry, made, &description);
    if (status == dnnl_success) status = complete(made, &description);
    if (status == dnnl_success) *convolution = made;
    else rectifid_convolution_destroy(made);
    return translated(status);
}

void rectifid_convolution_destroy(rectifid_convolution *convolution) {
    if (!convolution) return;
    if (convolution->primitive) dnnl_primitive_destroy(convolution->primitive);
    if (convolution->description) dnnl_primitive_desc_destroy(convolution->description);
    free(convolution);
}

const char *rectifid_convolution_kernel(const rectifid_convolution *convolution) { return convolution->kernel; }

size_t rectifid_convolution_scratch_bytes(const rectifid_convolution *convolution) {
    return dnnl_memory_desc_get_size(&convolution->scratch);
}

size_t rectifid_convolution_filter_bytes(const rectifid_convolution *convolution) {
    return dnnl_memory_desc_get_size(&convolution->filter);
}

bool rectifid_convolution_takes_plain_filter(const rectifid_convolution *convolution) {
    return dnnl_memory_desc_equal(&convolution->filter, &convolution->plain);
}

bool rectifid_convolution_filters_agree(const rectifid_convolution *a, const rectifid_convolution *b) {
    return dnnl_memory_desc_equal(&a->filter, &b->filter);
}

// A primitive with its operands for one run.
typedef struct {
    dnnl_exec_arg_t operands[5];
    int count;
    dnnl_status_t status;
} arguments;

static void add(arguments *a, int role, const dnnl_memory_desc_t *description, const void *memory) {
    if (a->status != dnnl_success) return;
    dnnl_memory_t operand = NULL;
    a->status = dnnl_memory_create(&operand, description, engine, (void *)memory);
    if (a->status == dnnl_success) a->operands[a->count++] = (dnnl_exec_arg_t){role, operand};
}

static dnnl_status_t execute(dnnl_primitive_t primitive, arguments *a) {
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = a->status;
    if (status == dnnl_success) status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (status == dnnl_success) status = dnnl_primitive_execute(primitive, stream, a->count, a->operands);
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    if (stream) dnnl_stream_destroy(stream);
    for (int i = 0; i < a->count; i++) dnnl_memory_destroy(a->operands[i].memory);
    return status;
}

static dnnl_status_t reorder(const dnnl_memory_desc_t *from, const void *source, const dnnl_memory_desc_t *to,
                             void *target) {
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t status = prepare();
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, NULL);
    if (status == dnnl_success) status = dnnl_primitive_create(&primitive, description);
    if (status == dnnl_success) {
        arguments operands = {0};
        add(&operands, DNNL_ARG_FROM, from, source);
        add(&operands, DNNL_ARG_TO, to, target);
        status = execute(primitive, &operands);
    }
    if (primitive) dnnl_primitive_destroy(primitive);
    if (description) dnnl_primitive_desc_destroy(description);
    return status;
}

rectifid_convolution_status rectifid_convolution_reorder_filter(const rectifid_convolution *convolution,
                                                                const void *plain, void *reordered) {
    return translated(reorder(&convolution->plain, plain, &convolution->filter, reordered));
}

rectifid_convolution_status rectifid_convolution_restore_filter(const rectifid_convolution *convolution,
                                                                const void *reordered, void *plain) {
    return translated(reorder(&convolution->filter, reordered, &convolution->plain, plain));
}

rectifid_convolution_status rectifid_convolution_run(const rectifid_convolution *convolution, const void *in,
                                                     const void *filter, const float *bias, void *out, void *scratch) {
    const dnnl_status_t status = prepare();
    if (status != dnnl_success) return translated(status);
    const bool forward = convolution->kind != RECTIFID_CONVOLUTION_INPUT_GRADIENT;
    arguments operands = {0};
    add(&operands, forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, &convolution->in, in);
    add(&operands, DNNL_ARG_WEIGHTS, &convolution->filter, filter);
    add(&operands, forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, &convolution->out, out);
    if (convolution->kind == RECTIFID_CONVOLUTION_FORWARD_WITH_BIAS)
        add(&operands, DNNL_ARG_BIAS, &convolution->bias, bias);
    if (scratch) add(&operands, DNNL_ARG_SCRATCHPAD, &convolution->scratch, scratch);
    return translated(execute(convolution->primitive, &operands));
}

#endif
