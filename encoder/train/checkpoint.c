/* A checkpoint: one safetensors file with all numbers, the optimizer's moments, and a tensor of
 * bytes, "state", that holds a JSON object:
 *
 *   {"version": 1, "step": steps done, "examples": digest as 16 hexadecimal digits,
 *    "settings": {...}, "caller": {...}}
 *
 * The names of the others are "numbers/", "first/" or "second/", a place ("transformer", the
 * number of a module, "loss"), '/', and the name that the parameter has in the model's file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/model/safetensors.h"
#include "encoder/train/tensor_file.h"
#include "encoder/train/trainer.h"

enum { VERSION = 1, NAME_SIZE = 320, KINDS = 3, STEP_LIMIT = 1 << 30 };

static void name_tensor(const struct parameter *parameter, int kind, char ret_name[NAME_SIZE])
{
    static const char *const kinds[KINDS] = {"numbers", "first", "second"};
    char place[16];

    if (parameter->place >= 0)
        snprintf(place, sizeof place, "%d", parameter->place);
    else
        snprintf(place, sizeof place, "%s",
                 parameter->place == PARAMETER_IN_LOSS ? "loss" : "transformer");
    snprintf(ret_name, NAME_SIZE, "%s/%s/%s", kinds[kind], place, parameter->name);
}

static float *array_of(const struct trainer *trainer, int kind)
{
    return kind == 0   ? trainer->parameters.numbers
           : kind == 1 ? trainer->optimizer.first
                       : trainer->optimizer.second;
}

/* Everything that the numbers after a step depend on, but the base model and the examples. */
static json_t *describe_settings(const struct train_settings *s)
{
    json_t *keep = json_array();
    for (size_t i = 0; i < s->keep_count; i++)
        json_array_append_new(keep, json_integer((json_int_t)s->keep_layers[i]));
    return json_pack(
        "{s:i, s:i, s:i, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:I, s:I, s:I, s:f, "
        "s:f, s:i, s:I, s:I, s:b, s:I, s:o, s:I}",
        "objective", (int)s->loss.objective, "parts", (int)s->loss.parts, "distance",
        (int)s->loss.distance, "margin", (double)s->loss.margin, "ranking scale",
        (double)s->loss.ranking_scale, "optimizer", (int)s->optimizer.kind, "beta1",
        s->optimizer.beta1, "beta2", s->optimizer.beta2, "eps", s->optimizer.eps, "weight decay",
        s->optimizer.decay, "schedule", (int)s->schedule, "learning rate", s->learning_rate,
        "warm-up", s->warmup_ratio, "epochs", (json_int_t)s->epochs, "batch size",
        (json_int_t)s->batch_size, "accumulation", (json_int_t)s->accumulate, "clipping", s->clip,
        "dropout", s->dropout, "order", (int)s->order, "seed", (json_int_t)s->seed, "max length",
        (json_int_t)s->max_length, "frozen embeddings", (int)s->freeze.embeddings, "frozen layers",
        (json_int_t)s->freeze.layers, "layers kept", keep, "labels", (json_int_t)s->labels);
}

/* --- saving --- */

static size_t list_tensors(const struct trainer *trainer, struct tensor_out *tensors,
                           char (*names)[NAME_SIZE])
{
    const struct parameters *parameters = &trainer->parameters;
    size_t count = 0;

    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; array_of(trainer, kind) && i < parameters->count; i++) {
            const struct parameter *parameter = &parameters->list[i];
            name_tensor(parameter, kind, names[count]);
            tensors[count] = (struct tensor_out){
                .name = names[count],
                .dtype = "F32",
                .dimensions = parameter->columns ? 2 : 1,
                .shape = {parameter->rows, parameter->columns},
                .data = array_of(trainer, kind) + parameter->offset,
                .size = parameter->size * sizeof(float),
            };
            count++;
        }
    return count;
}

int trainer_save(const struct trainer *trainer, const char *path, const json_t *state,
                 struct err *err)
{
    size_t most = KINDS * trainer->parameters.count + 1;
    struct tensor_out *tensors = calloc(most, sizeof *tensors);
    char(*names)[NAME_SIZE] = calloc(most, sizeof *names);
    struct buf text = {0};
    char digest[20];
    int r = ERR_MEMORY;

    snprintf(digest, sizeof digest, "%016" PRIx64, examples_digest(trainer->examples));
    json_t *json = json_pack("{s:i, s:I, s:s, s:o, s:O}", "version", VERSION, "step",
                             (json_int_t)trainer->step, "examples", digest, "settings",
                             describe_settings(&trainer->settings), "caller", state);
    if (json && tensors && names)
        r = json_append(&text, json, JSON_COMPACT);
    if (r < 0) {
        r = err_memory(err, path);
        goto out;
    }
    size_t count = list_tensors(trainer, tensors, names);
    tensors[count] = (struct tensor_out){"state", "U8", 1, {text.size}, text.data, text.size};
    r = tensor_file_write(path, tensors, count + 1, err);
out:
    json_decref(json);
    buf_release(&text);
    free(tensors);
    free(names);
    return r;
}

/* --- loading --- */

int checkpoint_parse(struct checkpoint_state *ret_state, const void *text, size_t size,
                     const char *name, struct err *err)
{
    struct checkpoint_state state = {0};
    char *end = NULL;

    int r = json_parse(&state.json, text, size, name, err);
    if (r < 0)
        return r;
    json_int_t version = json_integer_value(json_object_get(state.json, "version"));
    json_int_t step = json_integer_value(json_object_get(state.json, "step"));
    const char *digest = json_string_value(json_object_get(state.json, "examples"));
    state.settings = json_object_get(state.json, "settings");
    state.caller = json_object_get(state.json, "caller");
    if (digest)
        state.examples = strtoull(digest, &end, 16);
    if (version != VERSION)
        r = err_set(err, ERR_UNSUPPORTED, "%s: a checkpoint of version %lld, where %d is known",
                    name, (long long)version, VERSION);
    else if (step < 0 || step > STEP_LIMIT || !digest || strlen(digest) != 16 || *end ||
             !json_is_object(state.settings) || !json_is_object(state.caller))
        r = err_set(err, ERR_CORRUPT,
                    "%s: step, examples, settings or caller is not what it must "
                    "be",
                    name);
    if (r < 0) {
        json_decref(state.json);
        return r;
    }
    state.step = (size_t)step;
    *ret_state = state;
    return 0;
}

static int compare_settings(const struct trainer *trainer, const struct checkpoint_state *state,
                            const char *path, struct err *err)
{
    json_t *ours = describe_settings(&trainer->settings), *value;
    const char *key;
    int r = ours ? 0 : err_memory(err, path);

    json_object_foreach(ours, key, value)
    {
        if (r == 0 && !json_equal(value, json_object_get(state->settings, key)))
            r = err_set(err, ERR_INVALID,
                        "%s was made with another setting of %s; give the same again, or start "
                        "anew without --resume",
                        path, key);
    }
    json_decref(ours);
    if (r == 0 && state->examples != examples_digest(trainer->examples))
        r = err_set(err, ERR_INVALID,
                    "%s was made with other examples, or with another order of them", path);
    return r;
}

static int read_numbers(struct trainer *trainer, const struct safetensors *file, const char *path,
                        struct err *err)
{
    const struct parameters *parameters = &trainer->parameters;
    char name[NAME_SIZE];

    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; array_of(trainer, kind) && i < parameters->count; i++) {
            const struct parameter *parameter = &parameters->list[i];
            name_tensor(parameter, kind, name);
            const struct tensor *tensor = safetensors_find(file, name);
            if (!tensor || tensor->dtype != DTYPE_F32 ||
                tensor->size != parameter->size * sizeof(float))
                return err_set(err, ERR_CORRUPT, "%s: the tensor %s is missing or of another size",
                               path, name);
            memcpy(array_of(trainer, kind) + parameter->offset, tensor->data, tensor->size);
        }
    return 0;
}

int trainer_load(struct trainer *trainer, const char *path, json_t **ret_state, struct err *err)
{
    struct safetensors *file;
    struct checkpoint_state state = {0};
    int r = safetensors_open(&file, path, err);
    if (r < 0)
        return r;
    const struct tensor *text = safetensors_find(file, "state");
    if (text)
        r = checkpoint_parse(&state, text->data, text->size, path, err);
    else
        r = err_set(err, ERR_CORRUPT, "%s has no state: it is no checkpoint", path);
    if (r == 0)
        r = compare_settings(trainer, &state, path, err);
    if (r == 0)
        r = read_numbers(trainer, file, path, err);
    if (r == 0) {
        optimizer_find_touched(&trainer->optimizer);
        trainer->step = state.step;
        *ret_state = json_incref(state.caller);
    }
    json_decref(state.json);
    safetensors_close(file);
    return r;
}
