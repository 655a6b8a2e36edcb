/* Lines of an export, written and parsed: see exported.h. */
#include "cli/index/exported.h"

#include <string.h>

#include "base/json.h"
#include "cli/json_text.h"
#include "daemon/wire_limits.h"

/* The member that tells header and end from documents, whose fields the protocol names. */
#define MARK "sbertd-export"
enum { VERSION = 1 };

static int write_line(struct buf *out, json_t *json)
{
    int r = json ? json_text_append(out, json) : ERR_MEMORY;
    if (r == 0)
        r = buf_append_byte(out, '\n');
    json_decref(json);
    return r;
}

/* {"year": {"type": "integer", ...}} as {"year": "integer"}. */
static json_t *types_of(const json_t *fields)
{
    json_t *types = json_object();
    const char *name;
    json_t *field;
    json_object_foreach((json_t *)fields, name, field)
    {
        if (json_object_set(types, name, json_object_get(field, "type")) < 0) {
            json_decref(types);
            return NULL;
        }
    }
    return types;
}

int exported_write_header(struct buf *out, const json_t *collection)
{
    const json_t *index = json_object_get(collection, "index");
    json_t *fields = types_of(json_object_get(collection, "fields"));
    json_t *header = fields
                         ? json_pack("{s:i, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:o}", MARK,
                                     VERSION, "collection", json_object_get(collection, "name"),
                                     "model", json_object_get(collection, "model"), "fingerprint",
                                     json_object_get(collection, "fingerprint"), "dimension",
                                     json_object_get(collection, "dimension"), "metric",
                                     json_object_get(collection, "metric"), "index",
                                     json_object_get(index, "setting"), "documents",
                                     json_object_get(collection, "documents"), "fields", fields)
                         : NULL;
    return write_line(out, header);
}

int exported_write_end(struct buf *out, uint64_t lines)
{
    return write_line(out, json_pack("{s:i, s:I}", MARK, VERSION, "lines", (json_int_t)lines));
}

int exported_write_document(struct buf *out, const json_t *document)
{
    int r = json_append(out, document, JSON_COMPACT);
    return r == 0 ? buf_append_byte(out, '\n') : r;
}

int exported_parse(json_t **ret_json, enum exported_kind *ret_kind, const char *text, size_t size,
                   const char *name, struct err *err)
{
    json_t *json;
    int r = json_parse(&json, text, size, name, err);
    if (r < 0)
        return r;
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(err, ERR_INVALID, "%s: not a JSON object", name);
    }
    if (!json_object_get(json, MARK))
        *ret_kind = EXPORTED_DOCUMENT;
    else
        *ret_kind = json_object_get(json, "lines") ? EXPORTED_END : EXPORTED_HEADER;
    *ret_json = json;
    return 0;
}

/* A string that may be null or missing: NULL then. */
static int take_string(const json_t *json, const char *key, const char **ret, const char *name,
                       struct err *err)
{
    const json_t *value = json_object_get(json, key);
    *ret = json_string_value(value);
    if (!value || json_is_null(value) || (*ret && strlen(*ret) == json_string_length(value)))
        return 0;
    return err_set(err, ERR_INVALID, "%s: %s must be a string or null", name, key);
}

static int take_number(const json_t *json, const char *key, json_int_t most, json_int_t *ret,
                       const char *name, struct err *err)
{
    const json_t *value = json_object_get(json, key);
    *ret = json_integer_value(value);
    if (json_is_integer(value) && *ret >= 0 && *ret <= most)
        return 0;
    return err_set(err, ERR_INVALID, "%s: %s must be a whole number up to %lld", name, key,
                   (long long)most);
}

static int check_version(const json_t *json, const char *name, struct err *err)
{
    const json_t *version = json_object_get(json, MARK);
    if (json_is_integer(version) && json_integer_value(version) == VERSION)
        return 0;
    if (json_is_integer(version) && json_integer_value(version) > VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: the export was written by a newer sbert-index: use that one", name);
    return err_set(err, ERR_INVALID, "%s: not the header of an export", name);
}

int exported_read_header(struct exported_header *ret_header, json_t *json, const char *name,
                         struct err *err)
{
    struct exported_header header = {.json = json, .fields = json_object_get(json, "fields")};
    json_int_t dimension = 0, documents = 0;
    if (!json_object_get(json, MARK))
        return err_set(err, ERR_INVALID,
                       "%s: not the header of an export; sbert-index add takes JSON lines without "
                       "one",
                       name);
    int r = check_version(json, name, err);
    if (r == 0)
        r = take_string(json, "model", &header.model, name, err);
    if (r == 0)
        r = take_string(json, "fingerprint", &header.fingerprint, name, err);
    if (r == 0)
        r = take_string(json, "metric", &header.metric, name, err);
    if (r == 0)
        r = take_string(json, "index", &header.index, name, err);
    if (r == 0)
        r = take_number(json, "dimension", LIMIT_DIMENSION, &dimension, name, err);
    if (r == 0 && json_object_get(json, "documents"))
        r = take_number(json, "documents", INT64_MAX, &documents, name, err);
    if (r == 0 && dimension == 0)
        r = err_set(err, ERR_INVALID, "%s: dimension is missing", name);
    if (r == 0 && header.fields && !json_is_object(header.fields))
        r = err_set(err, ERR_INVALID, "%s: fields must be an object", name);
    if (r == 0 && !header.model != !header.fingerprint)
        r = err_set(err, ERR_INVALID, "%s: of model and fingerprint there is one alone", name);
    if (r < 0)
        return r;
    header.dimension = (size_t)dimension;
    header.documents = (uint64_t)documents;
    *ret_header = header;
    return 0;
}

int exported_read_end(const json_t *json, uint64_t *ret_lines, const char *name, struct err *err)
{
    json_int_t lines = 0;
    int r = check_version(json, name, err);
    if (r == 0)
        r = take_number(json, "lines", INT64_MAX, &lines, name, err);
    if (r == 0)
        *ret_lines = (uint64_t)lines;
    return r;
}
