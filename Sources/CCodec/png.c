#include "CCodec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

// What the callbacks reach: the report, and the bytes being read or written. `scratch` is freed after a jump as well.
typedef struct {
    codec_report report;
    const uint8_t *bytes;
    size_t count;
    size_t position;
    codec_bytes out;
    size_t capacity;
    void *scratch;
} codec_state;

static void on_error(png_structp png, png_const_charp message) {
    codec_state *state = png_get_error_ptr(png);
    if (state->report.status == CODEC_OK) {
        const bool is_memory = strstr(message, "memory") != NULL;
        state->report.status = is_memory ? CODEC_NO_MEMORY : CODEC_CORRUPT;
        snprintf(state->report.message, sizeof state->report.message, "%s", message);
    }
    png_longjmp(png, 1);
}

// libpng warns of oddities in chunks that carry no pixels; lost pixels are errors.
static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep data, size_t count) {
    codec_state *state = png_get_io_ptr(png);
    if (count > state->count - state->position) {
        state->report.status = CODEC_TRUNCATED;
        png_error(png, "");
    }
    memcpy(data, state->bytes + state->position, count);
    state->position += count;
}

static void on_write(png_structp png, png_bytep data, size_t count) {
    codec_state *state = png_get_io_ptr(png);
    if (count > state->capacity - state->out.count) {
        size_t capacity = state->capacity < 65536 ? 65536 : state->capacity * 2;
        while (capacity - state->out.count < count) capacity *= 2;
        uint8_t *grown = realloc(state->out.data, capacity);
        if (grown == NULL) {
            state->report.status = CODEC_NO_MEMORY;
            png_error(png, "");
        }
        state->out.data = grown;
        state->capacity = capacity;
    }
    memcpy(state->out.data + state->out.count, data, count);
    state->out.count += count;
}

static void on_flush(png_structp png) { (void)png; }

static png_structp open_reader(codec_state *state, png_infop *info, const uint8_t *bytes, size_t count) {
    memset(state, 0, sizeof *state);
    state->bytes = bytes;
    state->count = count;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, state, on_error, on_warning);
    *info = png == NULL ? NULL : png_create_info_struct(png);
    if (*info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        state->report.status = CODEC_NO_MEMORY;
        return NULL;
    }
    png_set_read_fn(png, state, on_read);
    // The caller has limits of its own, which name what they refuse.
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
    // Chunks that do not bear on the pixels are skipped unread: a compressed profile or text can be a bomb of its own.
    static const png_byte skipped[] = "cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0"
                                      "tEXt\0tIME\0zTXt\0bKGD";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, sizeof skipped / 5);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    return png;
}

codec_report codec_png_size(const uint8_t *bytes, size_t count, codec_size *size) {
    codec_state state;
    png_infop info;
    png_structp png = open_reader(&state, &info, bytes, count);
    if (png == NULL) return state.report;
    if (setjmp(png_jmpbuf(png)) == 0) {
        png_read_info(png, info);
        *size = (codec_size){png_get_image_width(png, info), png_get_image_height(png, info)};
    }
    png_destroy_read_struct(&png, &info, NULL);
    return state.report;
}

static void compose_over_white(const uint8_t *rgba, uint8_t *rgb, size_t count) {
    for (size_t i = 0; i < count; i++, rgba += 4, rgb += 3) {
        const unsigned alpha = rgba[3];
        for (int channel = 0; channel < 3; channel++) {
            rgb[channel] = (rgba[channel] * alpha + 255 * (255 - alpha) + 127) / 255;
        }
    }
}

static void expand_to_rgb(png_structp png) {
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
}

static void read_pixels(png_structp png, png_infop info, codec_state *state, codec_size size, uint8_t *pixels) {
    png_read_info(png, info);
    if (png_get_image_width(png, info) != size.width || png_get_image_height(png, info) != size.height) {
        png_error(png, "the size differs from the header's");
    }
    expand_to_rgb(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    const size_t channels = png_get_channels(png, info);
    if (channels < 3 || png_get_rowbytes(png, info) != size.width * channels) png_error(png, "unexpected row size");

    if (channels == 3) {
        for (int pass = 0; pass < passes; pass++) {
            for (size_t y = 0; y < size.height; y++) png_read_row(png, pixels + y * size.width * 3, NULL);
        }
    } else {
        // Interlaced rows are completed pass by pass, so all of them stay; otherwise one at a time.
        const size_t stride = (size_t)size.width * 4, kept = passes > 1 ? size.height : 1;
        uint8_t *rows = state->scratch = malloc(stride * kept);
        if (rows == NULL) png_error(png, "out of memory");
        for (int pass = 0; pass < passes; pass++) {
            for (size_t y = 0; y < size.height; y++) {
                uint8_t *row = rows + (passes > 1 ? y * stride : 0);
                png_read_row(png, row, NULL);
                if (pass == passes - 1) compose_over_white(row, pixels + y * size.width * 3, size.width);
            }
        }
    }
    // On to the end chunk, so that a file cut after its last row is found out.
    png_read_end(png, NULL);
}

codec_report codec_png_decode(const uint8_t *bytes, size_t count, codec_size size, uint8_t *pixels) {
    codec_state state;
    png_infop info;
    png_structp png = open_reader(&state, &info, bytes, count);
    if (png == NULL) return state.report;
    if (setjmp(png_jmpbuf(png)) == 0) read_pixels(png, info, &state, size, pixels);
    png_destroy_read_struct(&png, &info, NULL);
    free(state.scratch);
    return state.report;
}

static bool is_ascii(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80) return false;
    }
    return true;
}

static void write_pixels(
    png_structp png, png_infop info, const uint8_t *pixels, codec_size size, png_textp texts, size_t text_count) {
    png_set_IHDR(
        png, info, size.width, size.height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    if (text_count > 0) png_set_text(png, info, texts, (int)text_count);
    png_write_info(png, info);
    for (size_t y = 0; y < size.height; y++) png_write_row(png, pixels + y * size.width * 3);
    png_write_end(png, info);
}

codec_report codec_png_encode(
    const uint8_t *pixels, codec_size size, const codec_png_text *texts, size_t text_count, codec_bytes *out) {
    codec_state state;
    memset(&state, 0, sizeof state);
    *out = (codec_bytes){NULL, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    png_textp chunks = calloc(text_count + 1, sizeof *chunks);
    if (info == NULL || chunks == NULL) {
        png_destroy_write_struct(&png, &info);
        free(chunks);
        state.report.status = CODEC_NO_MEMORY;
        return state.report;
    }
    state.scratch = chunks;
    for (size_t i = 0; i < text_count; i++) {
        // tEXt is Latin-1 and every tool shows it; iTXt is UTF-8.
        chunks[i].compression = is_ascii(texts[i].text) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        chunks[i].key = (png_charp)texts[i].key;
        chunks[i].text = (png_charp)texts[i].text;
        chunks[i].lang = chunks[i].lang_key = NULL;
    }
    png_set_write_fn(png, &state, on_write, on_flush);
    if (setjmp(png_jmpbuf(png)) == 0) write_pixels(png, info, pixels, size, chunks, text_count);
    png_destroy_write_struct(&png, &info);
    free(state.scratch);
    if (state.report.status == CODEC_OK) {
        *out = state.out;
    } else {
        free(state.out.data);
    }
    return state.report;
}
