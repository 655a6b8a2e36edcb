/* Reading a classification head. What sets the families' heads apart is a table. */
#include "encoder/model/classifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/model/config.h"
#include "encoder/model/weights.h"

enum { NAME_SIZE = 128, LABELS_LIMIT = 1 << 16, LABELS_BY_DEFAULT = 2 };

#define CLASS_ENDING "ForSequenceClassification"

/* Tensor names without ".weight" or ".bias". */
static const struct head {
    const char *architecture;
    const char *dense, *out;
    enum activation activation; /* between the two */
} heads[] = {
    {"bert", "bert.pooler.dense", "classifier", ACTIVATION_TANH},
    {"roberta", "classifier.dense", "classifier.out_proj", ACTIVATION_TANH},
    {"camembert", "classifier.dense", "classifier.out_proj", ACTIVATION_TANH},
    {"xlm-roberta", "classifier.dense", "classifier.out_proj", ACTIVATION_TANH},
    {"mpnet", "classifier.dense", "classifier.out_proj", ACTIVATION_TANH},
    {"distilbert", "pre_classifier", "classifier", ACTIVATION_RELU},
};

static int bind(const struct model *model, const char *name, size_t in, size_t out,
                struct linear *ret_linear, struct err *err)
{
    struct linear linear = {.in = in, .out = out};
    char full[NAME_SIZE];

    snprintf(full, sizeof full, "%s.weight", name);
    int r = weights_get(model->storage, full, out, in, &linear.weight, err);
    if (r < 0)
        return r;
    snprintf(full, sizeof full, "%s.bias", name);
    r = weights_get(model->storage, full, out, 0, &linear.bias, err);
    if (r < 0)
        return r;
    *ret_linear = linear;
    return 0;
}

static int find_head(const struct model *model, const json_t *config, const struct head **ret_head,
                     struct err *err)
{
    const json_t *classes = json_object_get(config, "architectures");
    const char *class_name = json_string_value(json_array_get(classes, 0));
    size_t ending = strlen(CLASS_ENDING), length = class_name ? strlen(class_name) : 0;
    char full[NAME_SIZE];

    if (class_name && (length < ending || strcmp(class_name + length - ending, CLASS_ENDING) != 0))
        return err_set(err, ERR_UNSUPPORTED,
                       "%s is no cross-encoder: its config.json names the architecture %.64s, "
                       "which has no head for classifying texts (..." CLASS_ENDING " has)",
                       model->folder, class_name);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (strcmp(heads[i].architecture, model->architecture) != 0)
            continue;
        snprintf(full, sizeof full, "%s.weight", heads[i].out);
        if (!weights_have(model->storage, full))
            return err_set(err, ERR_UNSUPPORTED,
                           "%s is no cross-encoder: its weights have no classification head (%s)",
                           model->folder, full);
        *ret_head = &heads[i];
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "%s: the classification heads of %s are not supported",
                   model->folder, model->architecture);
}

/* As in `transformers`: the names of the labels count, else num_labels, else there are two. */
static int read_labels(const struct model *model, const json_t *config, size_t *ret_labels,
                       struct err *err)
{
    const json_t *names = json_object_get(config, "id2label");
    const json_t *number = json_object_get(config, "num_labels");
    json_int_t labels = LABELS_BY_DEFAULT;

    if (json_is_object(names))
        labels = (json_int_t)json_object_size(names);
    else if (number)
        labels = json_integer_value(number);
    if (labels < 1 || labels > LABELS_LIMIT)
        return err_set(err, ERR_CORRUPT, "%s/config.json: the number of labels is not 1 to %d",
                       model->transformer_folder, LABELS_LIMIT);
    *ret_labels = (size_t)labels;
    return 0;
}

/* The saved activation is a class of Python: "torch.nn.modules.activation.Sigmoid". */
static int rule_of_class(const struct model *model, const char *file, const json_t *value,
                         enum score_rule *ret_rule, struct err *err)
{
    const char *name = json_string_value(value);
    const char *dot = name ? strrchr(name, '.') : NULL;
    bool torch = dot && strncmp(name, "torch.", 6) == 0;

    if (torch && strcmp(dot, ".Sigmoid") == 0)
        *ret_rule = SCORE_SIGMOID;
    else if (torch && strcmp(dot, ".Identity") == 0)
        *ret_rule = SCORE_IDENTITY;
    else
        return err_set(err, ERR_UNSUPPORTED,
                       "%s/%s: the activation %.100s is not supported (torch's Sigmoid and "
                       "Identity are)",
                       model->folder, file, name ? name : "(not a string)");
    return 0;
}

static int read_rule(const struct model *model, const json_t *config, size_t labels,
                     enum score_rule *ret_rule, struct err *err)
{
    static const char settings[] = "config_sentence_transformers.json";
    const json_t *inner = json_object_get(config, "sentence_transformers");
    const json_t *saved = json_object_get(inner, "activation_fn"), *value;
    json_t *json = NULL;
    int r = 0;

    if (!saved)
        saved = json_object_get(config, "sbert_ce_default_activation_function");
    *ret_rule = labels == 1 ? SCORE_SIGMOID : SCORE_IDENTITY;
    char *path = file_join(model->folder, settings);
    if (!path)
        return err_memory(err, settings);
    if (file_exists(path))
        r = config_read_object(&json, model->folder, settings, err);
    value = json_object_get(json, "activation_fn");
    if (r == 0 && value && !json_is_null(value))
        r = rule_of_class(model, settings, value, ret_rule, err);
    else if (r == 0 && saved && !json_is_null(saved))
        r = rule_of_class(model, "config.json", saved, ret_rule, err);
    json_decref(json);
    free(path);
    return r;
}

int classifier_read(struct classifier *ret_classifier, const struct model *model, struct err *err)
{
    struct classifier classifier = {0};
    size_t hidden = model->hidden_size;
    const struct head *head = NULL;
    json_t *config;

    int r = config_read_object(&config, model->transformer_folder, "config.json", err);
    if (r < 0)
        return r;
    r = find_head(model, config, &head, err);
    if (r == 0)
        r = read_labels(model, config, &classifier.labels, err);
    if (r == 0)
        r = read_rule(model, config, classifier.labels, &classifier.rule, err);
    if (r == 0)
        classifier.activation = head->activation;
    if (r == 0)
        r = bind(model, head->dense, hidden, hidden, &classifier.dense, err);
    if (r == 0)
        r = bind(model, head->out, hidden, classifier.labels, &classifier.out, err);
    json_decref(config);
    if (r == 0)
        *ret_classifier = classifier;
    return r;
}
