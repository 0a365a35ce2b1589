#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// JPEG and PNG through libjpeg and libpng.
//
// Both libraries report failure by longjmp, which must not cross a Swift frame (nothing would be released) and cannot be
// called from Swift. So every call below catches its own: it returns a status and leaves no memory behind.

typedef enum {
    CODEC_OK = 0,
    CODEC_TRUNCATED,      // the file ends early
    CODEC_CORRUPT,        // the file contradicts itself or the format
    CODEC_UNSUPPORTED,    // a kind of file that the library does not read
    CODEC_TOO_MANY_SCANS, // a progressive JPEG of more scans than allowed
    CODEC_NO_MEMORY,
} codec_status;

// A status, and the library's own words where it has any (UTF-8, may be empty).
typedef struct {
    codec_status status;
    char message[208];
} codec_report;

typedef struct {
    uint32_t width;
    uint32_t height;
} codec_size;

// Reads the size from the header, without decoding or allocating pixels.
codec_report codec_jpeg_size(const uint8_t *bytes, size_t count, codec_size *size);
codec_report codec_png_size(const uint8_t *bytes, size_t count, codec_size *size);

// Decodes into `pixels`, 8-bit RGB, which has room for exactly the width * height * 3 bytes of `size`, as found by the
// call above. A file whose size turns out to be another is corrupt. Warnings of the libraries that mean lost picture
// data are failures.
//
// JPEG: gray, YCbCr, RGB, CMYK and YCCK (Adobe's inverted ones too). The scans of a progressive file are limited, for each
// costs as much as a whole picture and takes only a few bytes.
codec_report codec_jpeg_decode(const uint8_t *bytes, size_t count, codec_size size, int maximum_scans, uint8_t *pixels);

// PNG: all kinds; transparency is laid over white, 16 bits are rounded to 8.
codec_report codec_png_decode(const uint8_t *bytes, size_t count, codec_size size, uint8_t *pixels);

// Bytes made by an encoder; free with codec_bytes_free.
typedef struct {
    uint8_t *data;
    size_t count;
} codec_bytes;

void codec_bytes_free(codec_bytes bytes);

typedef struct {
    int quality;          // 1 to 100
    bool full_chroma;     // 4:4:4 instead of 4:2:0
    bool progressive;
    const char *comment;  // for a COM segment, or NULL
    size_t comment_count; // at most 65533
} codec_jpeg_options;

codec_report codec_jpeg_encode(const uint8_t *pixels, codec_size size, codec_jpeg_options options, codec_bytes *out);

// A text chunk: a Latin-1 key of 1 to 79 bytes and a UTF-8 text, both NUL-terminated.
typedef struct {
    const char *key;
    const char *text;
} codec_png_text;

codec_report codec_png_encode(
    const uint8_t *pixels, codec_size size, const codec_png_text *texts, size_t text_count, codec_bytes *out);
