/* Writing JSON: see wire_json.h. Reals are written as the shortest text that reads back to the same
 * value, and keep a ".0" so that they stay reals. */
#include "daemon/wire_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static void put_bytes(struct json_writer *writer, const char *bytes, size_t size)
{
    if (buf_append(writer->buf, bytes, size) < 0)
        writer->failed = true;
}

static void before_value(struct json_writer *writer)
{
    if (writer->comma)
        put_bytes(writer, ",", 1);
    writer->comma = true;
}

void json_open(struct json_writer *writer, char bracket)
{
    before_value(writer);
    put_bytes(writer, &bracket, 1);
    writer->comma = false;
}

void json_close(struct json_writer *writer, char bracket)
{
    put_bytes(writer, &bracket, 1);
    writer->comma = true;
}

void json_key(struct json_writer *writer, const char *key)
{
    json_put_string(writer, key);
    put_bytes(writer, ":", 1);
    writer->comma = false;
}

static void put_escaped(struct json_writer *writer, unsigned char byte)
{
    static const char names[] = "btn fr"; /* of 8 to 13; 11 has none */
    char escape[8];
    int size;

    if (byte == '"' || byte == '\\')
        size = snprintf(escape, sizeof escape, "\\%c", byte);
    else if (byte >= 8 && byte <= 13 && byte != 11)
        size = snprintf(escape, sizeof escape, "\\%c", names[byte - 8]);
    else
        size = snprintf(escape, sizeof escape, "\\u%04x", byte);
    put_bytes(writer, escape, (size_t)size);
}

static void put_well_formed(struct json_writer *writer, const char *text, size_t size)
{
    size_t start = 0;

    put_bytes(writer, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f)
            continue;
        put_bytes(writer, text + start, i - start);
        put_escaped(writer, byte);
        start = i + 1;
    }
    put_bytes(writer, text + start, size - start);
    put_bytes(writer, "\"", 1);
}

void json_text(struct json_writer *writer, const char *text, size_t size)
{
    before_value(writer);
    if (utf8_valid(text, size, NULL)) {
        put_well_formed(writer, text, size);
        return;
    }
    struct buf mended = {0};
    if (utf8_mend(&mended, text, size) < 0)
        writer->failed = true;
    else
        put_well_formed(writer, mended.data, mended.size);
    buf_release(&mended);
}

void json_put_string(struct json_writer *writer, const char *text)
{
    if (text)
        json_text(writer, text, strlen(text));
    else
        json_put_null(writer);
}

void json_put_integer(struct json_writer *writer, int64_t value)
{
    before_value(writer);
    if (buf_printf(writer->buf, "%lld", (long long)value) < 0)
        writer->failed = true;
}

void json_put_real(struct json_writer *writer, double value)
{
    char text[40];

    if (!isfinite(value)) { /* JSON has no word for it */
        json_put_null(writer);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    before_value(writer);
    put_bytes(writer, text, strlen(text));
    if (!strpbrk(text, ".e"))
        put_bytes(writer, ".0", 2);
}

/* As "%.9g" has it, for floats from 0.1 to 1, of which most answers are full: times 10^9 they are
 * still exact. False for others. */
static bool put_fraction(struct json_writer *writer, double value)
{
    double size = fabs(value), scaled = nearbyint(size * 1e9);
    if (!(size >= 0.1 && scaled < 1e9) || (double)(float)value != value)
        return false;
    char text[] = "-0.000000000";
    size_t end = sizeof text - 1;
    uint32_t digits = (uint32_t)scaled;
    for (size_t i = end; i > 3; digits /= 10)
        text[--i] = (char)('0' + digits % 10);
    while (text[end - 1] == '0')
        end--;
    size_t start = value < 0 ? 0 : 1;
    before_value(writer);
    put_bytes(writer, text + start, end - start);
    return true;
}

void json_put_score(struct json_writer *writer, double value)
{
    if (put_fraction(writer, value))
        return;
    if (!isfinite(value)) {
        json_put_null(writer);
        return;
    }
    before_value(writer);
    if (buf_printf(writer->buf, "%.9g", value) < 0)
        writer->failed = true;
}

void json_put_bool(struct json_writer *writer, bool value)
{
    json_put_raw(writer, value ? "true" : "false");
}

void json_put_null(struct json_writer *writer)
{
    json_put_raw(writer, "null");
}

void json_put_raw(struct json_writer *writer, const char *json)
{
    before_value(writer);
    put_bytes(writer, json, strlen(json));
}

void json_member_string(struct json_writer *writer, const char *key, const char *text)
{
    json_key(writer, key);
    json_put_string(writer, text);
}

void json_member_integer(struct json_writer *writer, const char *key, int64_t value)
{
    json_key(writer, key);
    json_put_integer(writer, value);
}

void json_line_end(struct json_writer *writer)
{
    put_bytes(writer, "\n", 1);
    writer->comma = false;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_object(struct json_writer *writer, const json_t *object)
{
    size_t count = json_object_size(object), i = 0;
    const char **keys = calloc(count ? count : 1, sizeof *keys);
    const char *key;
    json_t *value;

    if (!keys) {
        writer->failed = true;
        return;
    }
    json_object_foreach((json_t *)object, key, value) keys[i++] = key;
    qsort(keys, count, sizeof *keys, compare_keys);
    json_open(writer, '{');
    for (i = 0; i < count; i++) {
        json_key(writer, keys[i]);
        json_put_value(writer, json_object_get(object, keys[i]));
    }
    json_close(writer, '}');
    free(keys);
}

static void put_array(struct json_writer *writer, const json_t *array)
{
    json_open(writer, '[');
    for (size_t i = 0; i < json_array_size(array); i++)
        json_put_value(writer, json_array_get(array, i));
    json_close(writer, ']');
}

void json_put_value(struct json_writer *writer, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_object(writer, value);
        break;
    case JSON_ARRAY:
        put_array(writer, value);
        break;
    case JSON_STRING:
        json_text(writer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        json_put_integer(writer, json_integer_value(value));
        break;
    case JSON_REAL:
        json_put_real(writer, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_put_bool(writer, json_is_true(value));
        break;
    case JSON_NULL:
        json_put_null(writer);
        break;
    }
}
