/* The special and added tokens of the files before tokenizer.json, which stand in up to three
 * others: tokenizer_config.json, whose "added_tokens_decoder" lists all where it is there; else
 * special_tokens_map.json, which overrides the configuration, and added_tokens.json. And which
 * class of the reference reads such files. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* --- the class --- */

static int unsupported_class(const struct tokenizer_source *source, const char *class,
                             struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "the tokenizer of %.80s is supported only as a tokenizer.json; make that once: "
                   "python3 -c \"from transformers import AutoTokenizer as T; "
                   "T.from_pretrained('%s').save_pretrained('%s')\"",
                   class, source->folder, source->folder);
}

/* The class that config.json's model_type has where nothing names one, among `classes`; the first
 * of them for any other. */
static int class_of_model(const struct tokenizer_source *source,
                          const struct tokenizer_class *classes, size_t *ret_class, struct err *err)
{
    json_t *config = NULL;
    int r = tokenizer_read_optional(&config, source->folder, "config.json", err);
    const char *type = json_string_value(json_object_get(config, "model_type"));

    if (r == 0)
        *ret_class = 0;
    for (size_t i = 0; r == 0 && type && classes[i].name; i++)
        if (strcmp(type, classes[i].model_type) == 0)
            *ret_class = i;
    json_decref(config);
    return r;
}

int tokenizer_find_class(const struct tokenizer_source *source,
                         const struct tokenizer_class *classes, size_t *ret_class, struct err *err)
{
    const char *class = json_string_value(json_object_get(source->config, "tokenizer_class"));

    if (!class)
        return class_of_model(source, classes, ret_class, err);
    for (size_t i = 0; classes[i].name; i++) {
        size_t length = strlen(classes[i].name);
        if (strncmp(class, classes[i].name, length) == 0 &&
            (class[length] == '\0' || strcmp(class + length, "Fast") == 0)) {
            *ret_class = i;
            return 0;
        }
    }
    return unsupported_class(source, class, err);
}

/* --- what the files say --- */

struct special_files {
    const json_t *config, *decoder; /* tokenizer_config.json and its list, or NULL */
    json_t *map, *added;            /* the other two files, or NULL; read only without a list */
    json_t *known;                  /* the contents that were added, as keys */
    bool map_has_more;              /* as tokenizer_load_specials has it */
};

static int read_files(struct special_files *files, const struct tokenizer_source *source,
                      struct err *err)
{
    int r = 0;

    files->config = source->config;
    files->decoder = json_object_get(source->config, "added_tokens_decoder");
    files->known = json_object();
    if (!files->known)
        return err_memory(err, "the added tokens");
    if (files->decoder && !json_is_object(files->decoder))
        return err_set(err, ERR_CORRUPT,
                       "%s: the added_tokens_decoder of tokenizer_config.json is no object of ids",
                       source->folder);
    if (!files->decoder)
        r = tokenizer_read_optional(&files->map, source->folder, "special_tokens_map.json", err);
    if (r == 0 && !files->decoder)
        r = tokenizer_read_optional(&files->added, source->folder, "added_tokens.json", err);
    return r;
}

/* What describes `key`: the map comes before the configuration. */
static const json_t *describing(const struct special_files *files, const char *key)
{
    const json_t *value = json_object_get(files->map, key);
    if (!value || json_is_null(value))
        value = json_object_get(files->config, key);
    return value && !json_is_null(value) ? value : NULL;
}

/* The special tokens without a name of their own. */
static const json_t *extras(const struct special_files *files)
{
    const json_t *list = describing(files, "extra_special_tokens");
    if (list)
        return list;
    return files->map_has_more ? describing(files, "additional_special_tokens")
                               : json_object_get(files->config, "additional_special_tokens");
}

/* The text of a token that is described by a string or an object. */
static const json_t *content_of(const json_t *value)
{
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    return json_is_string(content) ? content : NULL;
}

static bool is_known(const struct special_files *files, const char *text, size_t size)
{
    return json_object_getn(files->known, text, size) != NULL;
}

static int add(struct tokenizer *tokenizer, struct special_files *files,
               const struct added_token_entry *entry, struct err *err)
{
    if (is_known(files, entry->text, entry->size))
        return 0;
    if (json_object_setn_new(files->known, entry->text, entry->size, json_true()) < 0)
        return err_memory(err, "the added tokens");
    return tokenizer_add_token(tokenizer, entry, err);
}

/* A special token by its description, a string or an object; `lstrip` is for the former. */
static int add_special(struct tokenizer *tokenizer, struct special_files *files,
                       const json_t *value, bool lstrip, struct err *err)
{
    const json_t *content = content_of(value);
    struct added_token_entry entry = {.lstrip = lstrip, .special = true};
    int r;

    if (!content)
        return err_set(err, ERR_CORRUPT, "a special token has no content");
    entry.text = json_string_value(content);
    entry.size = json_string_length(content);
    if (json_is_object(value) &&
        ((r = tokenizer_flag(value, "lstrip", false, &entry.lstrip, err)) < 0 ||
         (r = tokenizer_flag(value, "rstrip", false, &entry.rstrip, err)) < 0 ||
         (r = tokenizer_flag(value, "single_word", false, &entry.single_word, err)) < 0 ||
         (r = tokenizer_flag(value, "normalized", false, &entry.normalized, err)) < 0))
        return r;
    return add(tokenizer, files, &entry, err);
}

/* --- the listed tokens, by their ids --- */

struct listed {
    long long id;
    const char *text; /* of added_tokens.json ... */
    size_t size;
    const json_t *description; /* ... or of the list, else NULL */
};

static int by_id(const void *left, const void *right)
{
    const struct listed *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static bool is_content(const json_t *description, const struct listed *token)
{
    const json_t *content = content_of(description);
    return content && json_string_length(content) == token->size &&
           memcmp(json_string_value(content), token->text, token->size) == 0;
}

/* Whether the configuration or the map calls it special. */
static bool is_named(const struct special_files *files, const struct special_token *specials,
                     const struct listed *token)
{
    const json_t *item;
    size_t i;

    for (i = 0; specials[i].key; i++)
        if (is_content(describing(files, specials[i].key), token))
            return true;
    json_array_foreach((json_t *)(uintptr_t)extras(files), i, item)
    {
        if (is_content(item, token))
            return true;
    }
    return false;
}

static int add_listed(struct tokenizer *tokenizer, struct special_files *files,
                      const struct special_token *specials, const struct listed *token,
                      struct err *err)
{
    struct added_token_entry entry = {.text = token->text, .size = token->size};

    if (!token->description) {
        entry.special = is_named(files, specials, token);
        entry.normalized = !entry.special;
        return add(tokenizer, files, &entry, err);
    }
    const json_t *content = content_of(token->description);
    if (content && json_object_setn_new(files->known, json_string_value(content),
                                        json_string_length(content), json_true()) < 0)
        return err_memory(err, "the added tokens");
    return tokenizer_add_described(tokenizer, token->description, err);
}

/* Fills list[0..ret_count) from {"id": description} or {"token": id}. */
static int collect(const struct special_files *files, struct listed *list, size_t *ret_count,
                   struct err *err)
{
    json_t *from = files->decoder ? (json_t *)(uintptr_t)files->decoder : files->added, *value;
    const char *key;
    size_t size;

    *ret_count = 0;
    json_object_keylen_foreach(from, key, size, value)
    {
        struct listed token = {.text = key, .size = size};
        char *end = NULL;
        errno = 0;
        token.id = files->decoder ? strtoll(key, &end, 10) : json_integer_value(value);
        token.description = files->decoder ? value : NULL;
        if (files->decoder ? end == key || *end || errno : !json_is_integer(value))
            return err_set(err, ERR_CORRUPT, "the id of the added token '%.40s' is no number", key);
        list[(*ret_count)++] = token;
    }
    return 0;
}

static int add_all_listed(struct tokenizer *tokenizer, struct special_files *files,
                          const struct special_token *specials, struct err *err)
{
    size_t count = json_object_size(files->decoder) + json_object_size(files->added);
    struct listed *list = calloc(count + 1, sizeof *list);
    int r = list ? collect(files, list, &count, err) : err_memory(err, "the added tokens");

    if (r == 0 && count > 0)
        qsort(list, count, sizeof *list, by_id);
    for (size_t i = 0; i < count && r == 0; i++)
        r = add_listed(tokenizer, files, specials, &list[i], err);
    free(list);
    return r;
}

/* --- all of them --- */

static const struct piece *find(const struct tokenizer *tokenizer, const char *text, size_t size)
{
    const struct piece *piece = vocabulary_find(&tokenizer->vocabulary, text, size);
    return piece ? piece : vocabulary_find(&tokenizer->extra, text, size);
}

static int add_named(struct tokenizer *tokenizer, struct special_files *files,
                     const struct special_token *special, int64_t *ret_id, struct err *err)
{
    const json_t *value = describing(files, special->key);
    const json_t *content = content_of(value);
    struct added_token_entry entry = {.text = special->name, .size = strlen(special->name)};

    if (value && !content)
        return err_set(err, ERR_CORRUPT, "the %s has no content", special->key);
    if (content) {
        entry.text = json_string_value(content);
        entry.size = json_string_length(content);
    }
    const struct piece *piece = find(tokenizer, entry.text, entry.size);
    *ret_id = piece ? (int64_t)piece->id : -1;
    if (!piece && special->needed)
        return err_set(err, ERR_CORRUPT, "the vocabulary lacks the %s '%.40s'", special->key,
                       entry.text);
    if (!piece)
        return 0;
    if (value)
        return add_special(tokenizer, files, value, special->lstrip, err);
    entry.lstrip = special->lstrip;
    entry.special = true;
    return add(tokenizer, files, &entry, err);
}

static int add_extras(struct tokenizer *tokenizer, struct special_files *files, struct err *err)
{
    const json_t *list = extras(files), *item;
    size_t i;
    int r = 0;

    if (list && !json_is_array(list) && !json_is_null(list))
        return tokenizer_unsupported("form of", "extra_special_tokens", err);
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (r == 0)
            r = add_special(tokenizer, files, item, false, err);
    }
    return r;
}

int tokenizer_load_specials(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                            const struct special_token *specials, bool map_has_more,
                            int64_t *ret_cls, int64_t *ret_sep, struct err *err)
{
    struct special_files files = {.map_has_more = map_has_more};
    size_t count = 0;
    int r = read_files(&files, source, err);

    if (r == 0) {
        count = json_object_size(files.decoder) + json_object_size(files.added) +
                json_array_size(extras(&files));
        r = tokenizer_open_added(tokenizer, count, err);
    }
    if (r == 0)
        r = add_all_listed(tokenizer, &files, specials, err);
    for (size_t i = 0; specials[i].key && r == 0; i++) {
        int64_t id = -1;
        r = add_named(tokenizer, &files, &specials[i], &id, err);
        if (strcmp(specials[i].key, "cls_token") == 0)
            *ret_cls = id;
        else if (strcmp(specials[i].key, "sep_token") == 0)
            *ret_sep = id;
    }
    if (r == 0)
        r = add_extras(tokenizer, &files, err);
    json_decref(files.map);
    json_decref(files.added);
    json_decref(files.known);
    return r;
}
