/* Choosing from a hub's listing. It fetches nothing. */
#include "cli/model/listing.h"

#include <string.h>

#include "base/digest.h"
#include "base/json.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define SAFE LETTERS DIGITS "._-"

#define WHOLE "model.safetensors"

enum { HUB_NAME_LIMIT = 160, SHARD_DIGITS = 5 };

/* A part of a path that can neither lead elsewhere nor mean anything in a URL. */
static bool safe_part(const char *part, size_t length)
{
    return length > 0 && part[0] != '.' && strspn(part, SAFE) >= length;
}

bool listing_is_hub_name(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash && strlen(name) <= HUB_NAME_LIMIT && safe_part(name, (size_t)(slash - name)) &&
           safe_part(slash + 1, strlen(slash + 1));
}

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* "model-00001-of-00003.safetensors" */
static bool is_shard(const char *name)
{
    const char *number = name + strlen("model-");
    if (!begins(name, "model-") || strspn(number, DIGITS) != SHARD_DIGITS)
        return false;
    const char *of = number + SHARD_DIGITS;
    return begins(of, "-of-") && strspn(of + 4, DIGITS) == SHARD_DIGITS &&
           strcmp(of + 4 + SHARD_DIGITS, ".safetensors") == 0;
}

static bool is_needed(const char *name)
{
    static const char *const names[] = {
        "config.json",
        "modules.json",
        "config_sentence_transformers.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        WHOLE,
        WHOLE ".index.json",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return is_shard(name) || (begins(name, "sentence_") && ends(name, "_config.json"));
}

/* The name of a file in the model's folder or in a module's ("1_Pooling/config.json"), else NULL.
 */
static const char *name_of(const char *path)
{
    const char *slash = strchr(path, '/');
    if (!slash)
        return safe_part(path, strlen(path)) ? path : NULL;
    size_t digits = strspn(path, DIGITS);
    if (digits == 0 || path[digits] != '_' || !safe_part(path, (size_t)(slash - path)) ||
        !safe_part(slash + 1, strlen(slash + 1)))
        return NULL;
    return slash + 1;
}

static bool listed(const json_t *list, const char *folder, size_t length, const char *name)
{
    size_t i;
    json_t *entry;

    json_array_foreach((json_t *)(uintptr_t)list, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        if (path && strncmp(path, folder, length) == 0 && strcmp(path + length, name) == 0)
            return true;
    }
    return false;
}

/* Whether the file at `path` is one to fetch. */
static bool wanted(const json_t *list, const char *path)
{
    const char *name = name_of(path);
    if (!name || !is_needed(name))
        return false;
    bool part = is_shard(name) || strcmp(name, WHOLE ".index.json") == 0;
    return !part || !listed(list, path, (size_t)(name - path), WHOLE);
}

static int add_file(struct listing *listing, struct registry_file *file, const json_t *entry,
                    const char *path, struct err *err)
{
    const json_t *size = json_object_get(entry, "size");
    const char *sha256 = json_string_value(json_object_get(json_object_get(entry, "lfs"), "oid"));

    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return err_set(err, ERR_CORRUPT, "the hub's listing of %s gives no size of %.100s",
                       listing->model.hub_name, path);
    if (sha256 && (strlen(sha256) != DIGEST_HEX_SIZE - 1 ||
                   strspn(sha256, DIGITS "abcdef") != DIGEST_HEX_SIZE - 1))
        return err_set(err, ERR_CORRUPT, "the hub's listing of %s gives no SHA-256 of %.100s",
                       listing->model.hub_name, path);
    file->size = (uint64_t)json_integer_value(size);
    file->path = arena_copy(&listing->arena, path, strlen(path));
    file->sha256 = sha256 ? arena_copy(&listing->arena, sha256, strlen(sha256)) : NULL;
    return file->path && (!sha256 || file->sha256) ? 0 : err_memory(err, path);
}

static int choose(struct listing *listing, const json_t *list, struct err *err)
{
    struct registry_model *model = &listing->model;
    struct registry_file *files =
        arena_alloc(&listing->arena, json_array_size(list) + 1, sizeof *files);
    size_t i;
    json_t *entry;
    int r = files ? 0 : err_memory(err, "the hub's listing");

    json_array_foreach((json_t *)(uintptr_t)list, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        const char *type = json_string_value(json_object_get(entry, "type"));
        if (r < 0 || !path || (type && strcmp(type, "file") != 0) || !wanted(list, path))
            continue;
        r = add_file(listing, &files[model->file_count], entry, path, err);
        model->file_count++;
    }
    model->files = files;
    return r;
}

/* There must be a configuration and weights; what else there must be is seen when it is loaded. */
static int check(const struct listing *listing, const json_t *list, struct err *err)
{
    const struct registry_model *model = &listing->model;
    bool config = false, weights = false, pickle = false;
    size_t i;
    json_t *entry;

    for (size_t f = 0; f < model->file_count; f++) {
        config = config || ends(model->files[f].path, "config.json");
        weights = weights || ends(model->files[f].path, ".safetensors");
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        pickle = pickle || (path && ends(path, "pytorch_model.bin"));
    }
    if (!config)
        return err_set(err, ERR_NOT_FOUND, "%s at the hub is no model: it has no config.json",
                       model->hub_name);
    if (!weights && pickle)
        return err_set(
            err, ERR_UNSUPPORTED,
            "%s has its weights only as pytorch_model.bin, a pickle, which can run code "
            "when it is read. Convert it where Python has sentence-transformers: python3 "
            "-c \"from sentence_transformers import SentenceTransformer as S; "
            "S('%s').save_pretrained('%s')\" and then: sbert-model import %s",
            model->hub_name, model->hub_name, model->name, model->name);
    if (!weights)
        return err_set(err, ERR_UNSUPPORTED, "%s at the hub has no safetensors", model->hub_name);
    return 0;
}

int listing_parse(struct listing *ret_listing, const char *hub_name,
                  const struct registry_model *known, const char *json, size_t size,
                  struct err *err)
{
    struct listing listing = {0};
    json_t *list;

    if (known)
        listing.model = *known;
    listing.model.hub_name = hub_name;
    listing.model.name = strchr(hub_name, '/') + 1;
    listing.model.hub_revision = "main";
    listing.model.pip_package = NULL;
    listing.model.file_count = 0;
    int r = json_parse(&list, json, size, "the hub's listing", err);
    if (r < 0)
        return r;
    r = json_is_array(list)
            ? choose(&listing, list, err)
            : err_set(err, ERR_CORRUPT, "the hub's listing of %s is no list", hub_name);
    if (r == 0)
        r = check(&listing, list, err);
    json_decref(list);
    if (r < 0) {
        listing_release(&listing);
        return r;
    }
    *ret_listing = listing;
    return 0;
}

char *listing_next(const char *links)
{
    static const char next[] = "rel=\"next\"";

    for (const char *at = strchr(links, '<'); at; at = strchr(at, '<')) {
        const char *end = strchr(++at, '>');
        if (!end)
            return NULL;
        if (memmem(end, strcspn(end, "<"), next, sizeof next - 1))
            return strndup(at, (size_t)(end - at));
    }
    return NULL;
}

void listing_release(struct listing *listing)
{
    arena_release(&listing->arena);
    *listing = (struct listing){0};
}
