/* Single fields of a request, checked: see wire_field.h. */
#include "daemon/wire_field.h"

#include <endian.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "daemon/wire_limits.h"

int wire_fail(struct wire_fault *fault, int code, const char *param, const char *format, ...)
{
    char message[sizeof fault->err.message];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    snprintf(fault->param, sizeof fault->param, "%s", param);
    return *param ? err_set(&fault->err, code, "%s: %s", param, message)
                  : err_set(&fault->err, code, "%s", message);
}

int wire_parse(json_t **ret_json, const char *body, size_t size, const char *name,
               struct wire_fault *fault)
{
    json_t *json;

    fault->param[0] = '\0';
    int r = json_parse(&json, size ? body : "{}", size ? size : 2, name, &fault->err);
    if (r < 0)
        return r;
    if (!json_is_object(json)) {
        json_decref(json);
        return wire_fail(fault, ERR_INVALID, "", "%s: must be a JSON object", name);
    }
    *ret_json = json;
    return 0;
}

struct wire_path wire_path_index(const char *where, const char *name, size_t i)
{
    struct wire_path path;
    snprintf(path.text, sizeof path.text, "%.60s%s%.40s[%zu]", where, *where && *name ? "." : "",
             name, i);
    return path;
}

struct wire_path wire_path_member(const char *where, const char *name)
{
    struct wire_path path;
    snprintf(path.text, sizeof path.text, "%.60s%s%.60s", where, *where ? "." : "", name);
    return path;
}

static bool listed(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

int wire_check_fields(const json_t *object, const char *where, const char *const *known,
                      struct wire_fault *fault)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (listed(known, key))
            continue;
        struct wire_path path = wire_path_member(where, key);
        return wire_fail(fault, ERR_INVALID, path.text, "unknown field");
    }
    return 0;
}

const json_t *wire_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

int wire_name(const json_t *value, const char *where, size_t limit, const char **ret,
              struct wire_fault *fault)
{
    if (!json_is_string(value))
        return wire_fail(fault, ERR_INVALID, where, "must be a string");
    size_t size = json_string_length(value);
    if (size == 0 || size > limit)
        return wire_fail(fault, size ? ERR_LIMIT : ERR_INVALID, where,
                         "must have 1 to %zu bytes, not %zu", limit, size);
    if (strlen(json_string_value(value)) != size)
        return wire_fail(fault, ERR_INVALID, where, "must not hold U+0000");
    *ret = json_string_value(value);
    return 0;
}

int wire_text(const json_t *value, const char *where, const char **ret_text, size_t *ret_size,
              struct wire_fault *fault)
{
    if (!json_is_string(value))
        return wire_fail(fault, ERR_INVALID, where, value ? "must be a string" : "is missing");
    size_t size = json_string_length(value);
    if (size > LIMIT_TEXT)
        return wire_fail(fault, ERR_LIMIT, where, "is %zu bytes long; the limit is %d", size,
                         LIMIT_TEXT);
    *ret_text = json_string_value(value);
    *ret_size = size;
    return 0;
}

int wire_integer(const json_t *value, const char *where, int64_t least, int64_t most, int64_t *ret,
                 struct wire_fault *fault)
{
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return wire_fail(fault, ERR_INVALID, where, "must be a whole number from %lld to %lld",
                         (long long)least, (long long)most);
    *ret = json_integer_value(value);
    return 0;
}

int wire_flag(const json_t *object, const char *name, bool *ret, struct wire_fault *fault)
{
    const json_t *value = wire_member(object, name);
    if (value && !json_is_boolean(value))
        return wire_fail(fault, ERR_INVALID, name, "must be true or false");
    *ret = json_is_true(value);
    return 0;
}

int wire_list(const json_t *value, const char *where, size_t limit, const char *what,
              size_t *ret_count, struct wire_fault *fault)
{
    if (!json_is_array(value))
        return wire_fail(fault, ERR_INVALID, where, "%s", value ? "must be a list" : "is missing");
    size_t count = json_array_size(value);
    if (count == 0)
        return wire_fail(fault, ERR_INVALID, where, "is an empty list");
    if (count > limit)
        return wire_fail(fault, ERR_LIMIT, where, "holds %zu %s; the limit is %zu", count, what,
                         limit);
    *ret_count = count;
    return 0;
}

static int vector_of_numbers(const json_t *value, const char *where, float *vector, size_t count,
                             struct wire_fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(value, i);
        float f = (float)json_number_value(number);
        if (!json_is_number(number) || !isfinite(f))
            return wire_fail(fault, ERR_INVALID, wire_path_index(where, "", i).text,
                             "must be a number that fits 32 bits");
        vector[i] = f;
    }
    return 0;
}

/* The bytes that strict base64 text stands for (RFC 4648, with padding), or 0 where it is not. */
static size_t base64_size(const char *text, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = strspn(text, alphabet);

    if (size == 0 || size % 4 != 0 || size - used > 2 || strspn(text + used, "=") != size - used)
        return 0;
    return size / 4 * 3 - (size - used);
}

static int vector_of_base64(const json_t *value, const char *where, struct arena *arena,
                            const float **ret_vector, size_t *ret_size, struct wire_fault *fault)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value), bytes = base64_size(text, size);

    if (bytes == 0 || bytes % sizeof(float) != 0)
        return wire_fail(fault, ERR_INVALID, where, "must be base64 of 32-bit floats");
    size_t count = bytes / sizeof(float);
    if (count > LIMIT_DIMENSION)
        return wire_fail(fault, ERR_LIMIT, where, "holds %zu floats; the limit is %d", count,
                         LIMIT_DIMENSION);
    /* The decoder writes the padding too. */
    unsigned char *raw = arena_alloc(arena, size / 4 * 3, 1);
    float *vector = arena_alloc(arena, count, sizeof *vector);
    if (!raw || !vector)
        return wire_fail(fault, ERR_MEMORY, "", "out of memory for a vector");
    if (EVP_DecodeBlock(raw, (const unsigned char *)text, (int)size) < 0)
        return wire_fail(fault, ERR_INVALID, where, "must be base64 of 32-bit floats");
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, raw + i * sizeof bits, sizeof bits);
        bits = le32toh(bits);
        memcpy(&vector[i], &bits, sizeof bits);
        if (!isfinite(vector[i]))
            return wire_fail(fault, ERR_INVALID, where, "float %zu is not finite", i);
    }
    *ret_vector = vector;
    *ret_size = count;
    return 0;
}

int wire_vector(const json_t *value, const char *where, struct arena *arena,
                const float **ret_vector, size_t *ret_size, struct wire_fault *fault)
{
    size_t count;

    if (json_is_string(value))
        return vector_of_base64(value, where, arena, ret_vector, ret_size, fault);
    if (!json_is_array(value))
        return wire_fail(fault, ERR_INVALID, where, "must be a list of numbers, or base64");
    int r = wire_list(value, where, LIMIT_DIMENSION, "numbers", &count, fault);
    if (r < 0)
        return r;
    float *vector = arena_alloc(arena, count, sizeof *vector);
    if (!vector)
        return wire_fail(fault, ERR_MEMORY, "", "out of memory for a vector");
    r = vector_of_numbers(value, where, vector, count, fault);
    if (r < 0)
        return r;
    *ret_vector = vector;
    *ret_size = count;
    return 0;
}

char *wire_base64(const float *vector, size_t count, struct arena *arena)
{
    uint32_t *raw = arena_alloc(arena, count, sizeof *raw);
    char *text = arena_alloc(arena, (count * sizeof *raw + 2) / 3 * 4 + 1, 1);

    if (!raw || !text)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        memcpy(&raw[i], &vector[i], sizeof raw[i]);
        raw[i] = htole32(raw[i]);
    }
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)raw, (int)(count * sizeof *raw));
    return text;
}
