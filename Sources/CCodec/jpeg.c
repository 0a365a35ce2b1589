#include "CCodec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

// What the callbacks reach through cinfo: each structure begins with what libjpeg points to.
typedef struct {
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    codec_report *report;
} error_state;

typedef struct {
    struct jpeg_progress_mgr manager;
    int maximum_scans;
} scan_limit;

static void fail(j_common_ptr cinfo, codec_status status) {
    error_state *state = (error_state *)cinfo->err;
    state->report->status = status;
    char text[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, text);
    snprintf(state->report->message, sizeof state->report->message, "%s", text);
    longjmp(state->escape, 1);
}

static void on_error(j_common_ptr cinfo) {
    switch (cinfo->err->msg_code) {
    case JERR_INPUT_EMPTY:
    case JERR_INPUT_EOF: fail(cinfo, CODEC_TRUNCATED);
    case JERR_OUT_OF_MEMORY: fail(cinfo, CODEC_NO_MEMORY);
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED: fail(cinfo, CODEC_UNSUPPORTED);
    default: fail(cinfo, CODEC_CORRUPT);
    }
}

// libjpeg goes on after a warning, filling in gray where data is lost. A reference with half a face is no reference, so
// warnings that mean lost data end the decoding; those about harmless oddities (stray bytes between segments, an unknown
// Adobe transform) do not, for cameras write such files.
static void on_message(j_common_ptr cinfo, int level) {
    if (level >= 0) return;
    switch (cinfo->err->msg_code) {
    case JWRN_JPEG_EOF: fail(cinfo, CODEC_TRUNCATED);
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_ARITH_BAD_CODE: fail(cinfo, CODEC_CORRUPT);
    default: break;
    }
}

static void on_progress(j_common_ptr cinfo) {
    const scan_limit *limit = (const scan_limit *)cinfo->progress;
    if (((j_decompress_ptr)cinfo)->input_scan_number > limit->maximum_scans) {
        error_state *state = (error_state *)cinfo->err;
        state->report->status = CODEC_TOO_MANY_SCANS;
        state->report->message[0] = '\0';
        longjmp(state->escape, 1);
    }
}

static void start(error_state *errors, codec_report *report) {
    memset(report, 0, sizeof *report);
    jpeg_std_error(&errors->manager);
    errors->manager.error_exit = on_error;
    errors->manager.emit_message = on_message;
    errors->report = report;
}

codec_report codec_jpeg_size(const uint8_t *bytes, size_t count, codec_size *size) {
    codec_report report;
    error_state errors;
    struct jpeg_decompress_struct cinfo;
    memset(&cinfo, 0, sizeof cinfo);
    start(&errors, &report);
    cinfo.err = &errors.manager;
    if (setjmp(errors.escape) == 0) {
        jpeg_create_decompress(&cinfo);
        jpeg_mem_src(&cinfo, bytes, count);
        jpeg_read_header(&cinfo, TRUE);
        *size = (codec_size){cinfo.image_width, cinfo.image_height};
    }
    jpeg_destroy_decompress(&cinfo);
    return report;
}

// Inks to light. libjpeg gives Adobe's files as they are, which is inverted: 255 is no ink.
static void convert_cmyk(const uint8_t *cmyk, uint8_t *rgb, size_t width, bool inverted) {
    const unsigned flip = inverted ? 0 : 255;
    for (size_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        const unsigned k = cmyk[3] ^ flip;
        for (int channel = 0; channel < 3; channel++) rgb[channel] = ((cmyk[channel] ^ flip) * k + 127) / 255;
    }
}

static void decode_rows(struct jpeg_decompress_struct *cinfo, codec_size size, uint8_t *pixels) {
    const size_t stride = (size_t)size.width * 3;
    const bool is_cmyk = cinfo->out_color_space == JCS_CMYK;
    JSAMPARRAY buffer = NULL;
    if (is_cmyk) {
        buffer = cinfo->mem->alloc_sarray((j_common_ptr)cinfo, JPOOL_IMAGE, size.width * 4, 1);
    }
    while (cinfo->output_scanline < cinfo->output_height) {
        JSAMPROW row = pixels + stride * cinfo->output_scanline;
        jpeg_read_scanlines(cinfo, is_cmyk ? buffer : &row, 1);
        if (is_cmyk) convert_cmyk(buffer[0], row, size.width, cinfo->saw_Adobe_marker);
    }
}

codec_report codec_jpeg_decode(const uint8_t *bytes, size_t count, codec_size size, int maximum_scans, uint8_t *pixels) {
    codec_report report;
    error_state errors;
    scan_limit limit = {.manager = {.progress_monitor = on_progress}, .maximum_scans = maximum_scans};
    struct jpeg_decompress_struct cinfo;
    memset(&cinfo, 0, sizeof cinfo);
    start(&errors, &report);
    cinfo.err = &errors.manager;
    if (setjmp(errors.escape) == 0) {
        jpeg_create_decompress(&cinfo);
        cinfo.progress = &limit.manager;
        jpeg_mem_src(&cinfo, bytes, count);
        jpeg_read_header(&cinfo, TRUE);
        const bool is_cmyk = cinfo.jpeg_color_space == JCS_CMYK || cinfo.jpeg_color_space == JCS_YCCK;
        cinfo.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
        jpeg_start_decompress(&cinfo);
        if (cinfo.output_width != size.width || cinfo.output_height != size.height) {
            ERREXIT(&cinfo, JERR_IMAGE_TOO_BIG);
        }
        decode_rows(&cinfo, size, pixels);
        // Reads on to the end marker, so that a file cut after its last row is found out.
        jpeg_finish_decompress(&cinfo);
    }
    jpeg_destroy_decompress(&cinfo);
    return report;
}

// Where the encoder writes. libjpeg's own memory destination tells of its latest buffer at the very end only, so that
// after a failure nobody knows what to free; this one always knows.
typedef struct {
    struct jpeg_destination_mgr manager;
    codec_bytes bytes;
    size_t capacity;
} destination;

static boolean on_full(j_compress_ptr cinfo) {
    destination *target = (destination *)cinfo->dest;
    const size_t capacity = target->capacity == 0 ? 65536 : target->capacity * 2;
    uint8_t *grown = realloc(target->bytes.data, capacity);
    if (grown == NULL) ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
    // libjpeg calls this when every byte is taken, whatever free_in_buffer says.
    target->manager.next_output_byte = grown + target->capacity;
    target->manager.free_in_buffer = capacity - target->capacity;
    target->bytes.data = grown;
    target->capacity = capacity;
    return TRUE;
}

static void on_start(j_compress_ptr cinfo) { on_full(cinfo); }

static void on_finish(j_compress_ptr cinfo) {
    destination *target = (destination *)cinfo->dest;
    target->bytes.count = target->capacity - target->manager.free_in_buffer;
}

static void encode_rows(struct jpeg_compress_struct *cinfo, const uint8_t *pixels, codec_jpeg_options options) {
    cinfo->input_components = 3;
    cinfo->in_color_space = JCS_RGB;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, options.quality, TRUE);
    cinfo->optimize_coding = TRUE;
    cinfo->comp_info[0].h_samp_factor = cinfo->comp_info[0].v_samp_factor = options.full_chroma ? 1 : 2;
    if (options.progressive) jpeg_simple_progression(cinfo);
    jpeg_start_compress(cinfo, TRUE);
    if (options.comment != NULL) {
        jpeg_write_marker(cinfo, JPEG_COM, (const JOCTET *)options.comment, (unsigned)options.comment_count);
    }
    const size_t stride = (size_t)cinfo->image_width * 3;
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + stride * cinfo->next_scanline);
        jpeg_write_scanlines(cinfo, &row, 1);
    }
    jpeg_finish_compress(cinfo);
}

codec_report codec_jpeg_encode(const uint8_t *pixels, codec_size size, codec_jpeg_options options, codec_bytes *out) {
    codec_report report;
    error_state errors;
    struct jpeg_compress_struct cinfo;
    destination target = {
        .manager = {.init_destination = on_start, .empty_output_buffer = on_full, .term_destination = on_finish}};
    memset(&cinfo, 0, sizeof cinfo);
    start(&errors, &report);
    *out = (codec_bytes){NULL, 0};
    cinfo.err = &errors.manager;
    if (setjmp(errors.escape) == 0) {
        jpeg_create_compress(&cinfo);
        cinfo.dest = &target.manager;
        cinfo.image_width = size.width;
        cinfo.image_height = size.height;
        encode_rows(&cinfo, pixels, options);
    }
    jpeg_destroy_compress(&cinfo);
    if (report.status == CODEC_OK) {
        *out = target.bytes;
    } else {
        free(target.bytes.data);
    }
    return report;
}

void codec_bytes_free(codec_bytes bytes) { free(bytes.data); }
