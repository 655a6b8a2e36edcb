/* Tests of loading a model's folder: the spellings that load, and the refusals that name why not.
 */
#include <math.h>

#include "encoder/model/model.h"
#include "encoder/model/weights.h"
#include "tests/unit/encoder/golden_copy.h"

static struct model *open_golden(const char *name)
{
    struct err err;
    struct model *model = NULL;
    char *folder = file_join(GOLDEN_MODELS, name);
    assert_non_null(folder);
    if (model_open(&model, folder, &err) < 0)
        fail_msg("%s: %s", name, err.message);
    free(folder);
    return model;
}

static void assert_pooling(const struct model *model, const char *wanted)
{
    char name[POOLING_NAME_SIZE];
    model_pooling_name(&model->pooling, name);
    assert_string_equal(name, wanted);
}

static void every_spelling_of_a_folder_loads(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t hidden_size, dimension, max_seq_length;
        const char *pooling;
        bool normalize;
        enum activation activation;
    } models[] = {
        {"cls-32", 32, 32, 32, "cls", false, ACTIVATION_GELU},
        {"mean-64", 64, 64, 24, "mean", true, ACTIVATION_GELU},
        {"max-32", 32, 32, 24, "max", false, ACTIVATION_GELU_TANH},
        {"cls-mean-64", 64, 128, 32, "cls+mean", false, ACTIVATION_GELU},
        {"mean-32-f16", 32, 32, 32, "mean", true, ACTIVATION_RELU},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        struct model *model = open_golden(models[i].name);
        assert_string_equal(model->architecture, "bert");
        assert_int_equal(model->vocabulary_size, 173);
        assert_int_equal(model->layers, 2);
        assert_int_equal(model->heads, 4);
        assert_int_equal(model->max_positions, 40);
        assert_int_equal(model->position_offset, 0);
        assert_int_equal(model->hidden_size, models[i].hidden_size);
        assert_int_equal(model->intermediate_size, models[i].hidden_size * 3 / 2);
        assert_int_equal(model->dimension, models[i].dimension);
        assert_int_equal(model->pooled_size, models[i].dimension);
        assert_int_equal(model->max_seq_length, models[i].max_seq_length);
        assert_pooling(model, models[i].pooling);
        assert_int_equal(model->normalize, models[i].normalize);
        assert_int_equal(model->activation, models[i].activation);
        assert_int_equal(model->do_lower_case, -1);
        assert_string_equal(model->similarity, "cosine");
        assert_null(model->document_prompt);
        assert_int_equal(strlen(model->fingerprint), 64);
        assert_true(model->embedding_norm.eps == 1e-12f);
        model_close(model);
    }
}

static void the_families_differ_in_what_the_table_says(void **state)
{
    (void)state;
    static const struct {
        const char *name, *architecture;
        size_t position_offset, max_seq_length, types, buckets;
        double eps;
    } models[] = {
        {"roberta-max-32", "roberta", 2, 160, 1, 0, 1e-5},
        {"xlm-roberta-mean-32", "xlm-roberta", 2, 160, 1, 0, 1e-5},
        {"distilbert-mean-32", "distilbert", 0, 160, 0, 0, 1e-12},
        {"mpnet-mean-32", "mpnet", 2, 160, 0, 32, 1e-5},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        struct model *model = open_golden(models[i].name);
        assert_string_equal(model->architecture, models[i].architecture);
        assert_int_equal(model->position_offset, models[i].position_offset);
        assert_int_equal(model->positions_after_padding, models[i].position_offset > 0);
        assert_int_equal(model->max_seq_length, models[i].max_seq_length);
        assert_int_equal(model->type_vocabulary_size, models[i].types);
        assert_int_equal(!model->token_type_embeddings, models[i].types == 0);
        assert_int_equal(!model->relative_bias, models[i].buckets == 0);
        assert_float_equal(model->embedding_norm.eps, models[i].eps, 1e-12);
        model_close(model);
    }
}

/* RoBERTa's limit leaves out the rows up to the padding token's, wherever that is. */
static void positions_begin_after_the_padding_token(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("roberta-max-32");
    golden_copy_edit(&copy, "config.json", "\"pad_token_id\": 1", "\"pad_token_id\": 5");
    struct model *model = NULL;
    struct err err;
    if (model_open(&model, copy.folder, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(model->position_offset, 6);
    assert_int_equal(model->max_seq_length, 156);
    model_close(model);
    golden_copy_drop(&copy);
}

/* The first row of the expected hidden_0.f32 is the norm of what the tables hold for [CLS] (id 2)
 * at position 0 with type 0. */
static void check_first_embedding(const char *name)
{
    struct model *model = open_golden(name);
    size_t hidden = model->hidden_size, size;
    double row[64], mean = 0, square = 0;
    char *path = NULL, *data;
    float room[64];
    const float *word = weights_row(weights_find(model->storage, model->word_embeddings), 2, room);
    for (size_t i = 0; i < hidden; i++) {
        row[i] = (double)word[i] + (double)model->position_embeddings[i] +
                 (double)model->token_type_embeddings[i];
        mean += row[i] / (double)hidden;
    }
    for (size_t i = 0; i < hidden; i++)
        square += (row[i] - mean) * (row[i] - mean) / (double)hidden;

    assert_true(asprintf(&path, GOLDEN_MODELS "%s/expected/hidden_0.f32", name) > 0);
    assert_int_equal(file_read(&data, &size, path, 1 << 24, NULL), 0);
    for (size_t i = 0; i < hidden; i++) {
        float expected;
        memcpy(&expected, data + i * sizeof expected, sizeof expected);
        double norm =
            (row[i] - mean) / sqrt(square + 1e-12) * (double)model->embedding_norm.weight[i] +
            (double)model->embedding_norm.bias[i];
        assert_true(fabs(norm - (double)expected) < 1e-6);
    }
    free(data);
    free(path);
    model_close(model);
}

static void the_numbers_are_right_in_every_precision_and_naming(void **state)
{
    (void)state;
    check_first_embedding("cls-32");      /* f32 */
    check_first_embedding("cls-mean-64"); /* bf16 */
    check_first_embedding("mean-32-f16"); /* f16, in shards */
    check_first_embedding("max-32");      /* bert., gamma, beta */
}

static void an_f32_tensor_stays_in_the_mapped_file(void **state)
{
    (void)state;
    struct model *model = open_golden("mean-64");
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    bool found = false;
    uintptr_t place = (uintptr_t)model->layer[1].output.weight;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t start = strtoul(line, NULL, 16), end = strtoul(strchr(line, '-') + 1, NULL, 16);
        found = found || (place >= start && place < end && strstr(line, "model.safetensors"));
    }
    fclose(maps);
    model_close(model);
    assert_true(found);
}

/* Opening the copy must fail with this code, and the message must say this. */
static void expect_refusal(struct golden_copy *copy, int code, const char *says)
{
    struct err err = {0};
    struct model *model = NULL;
    int r = model_open(&model, copy->folder, &err);
    if (r != code || err.code != code || !strstr(err.message, says))
        fail_msg("wanted %d and \"%s\", got %d: %s", code, says, r, err.message);
    assert_null(model);
    golden_copy_drop(copy);
}

static void refuse_edit(const char *file, const char *old, const char *new, int code,
                        const char *says)
{
    struct golden_copy copy = golden_copy_make("cls-32");
    golden_copy_edit(&copy, file, old, new);
    expect_refusal(&copy, code, says);
}

static void what_the_forward_pass_does_not_do_is_refused_by_name(void **state)
{
    (void)state;
    refuse_edit("config.json", "\"model_type\": \"bert\"", "\"model_type\": \"nomic_bert\"",
                ERR_UNSUPPORTED, "nomic_bert");
    refuse_edit("config.json", "\"BertModel\"", "\"JinaBertModel\"", ERR_UNSUPPORTED,
                "JinaBertModel");
    refuse_edit("config.json", "\"is_decoder\": false", "\"is_decoder\": true", ERR_UNSUPPORTED,
                "is_decoder");
    refuse_edit("config.json", "{", "{\"position_embedding_type\": \"relative_key\",",
                ERR_UNSUPPORTED, "relative_key");
    refuse_edit("config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"prelu\"",
                ERR_UNSUPPORTED, "prelu");
    refuse_edit("modules.json", "pooling.Pooling", "dense.Dense", ERR_UNSUPPORTED, "Dense");
    refuse_edit("1_Pooling/config.json", "\"cls\"", "\"attention\"", ERR_UNSUPPORTED, "attention");
    refuse_edit("1_Pooling/config.json", "\"cls\"", "[\"mean\", \"middle\"]", ERR_UNSUPPORTED,
                "middle");
    refuse_edit("1_Pooling/config.json", "\"cls\"", "[]", ERR_UNSUPPORTED, "0 modes");
    refuse_edit("1_Pooling/config.json", "\"include_prompt\": true", "\"include_prompt\": 0",
                ERR_CORRUPT, "include_prompt");
    refuse_edit("config_sentence_transformers.json", "{", "{\"truncate_dim\": 0,", ERR_CORRUPT,
                "truncate_dim");
    refuse_edit("config_sentence_transformers.json", "\"cosine\"", "\"hamming\"", ERR_UNSUPPORTED,
                "hamming");
}

static void a_variant_of_a_family_is_refused_by_name(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("mpnet-mean-32");
    golden_copy_edit(&copy, "config.json", "\"relative_attention_num_buckets\": 32",
                     "\"relative_attention_num_buckets\": 64");
    expect_refusal(&copy, ERR_UNSUPPORTED, "relative_attention_num_buckets");
    copy = golden_copy_make("roberta-max-32");
    golden_copy_edit(&copy, "config.json", "\"pad_token_id\": 1", "\"pad_token_id\": 161");
    expect_refusal(&copy, ERR_CORRUPT, "max_position_embeddings");
    copy = golden_copy_make("cls-32");
    golden_copy_edit(&copy, "config.json", "\"model_type\": \"bert\"",
                     "\"model_type\": \"albert\"");
    expect_refusal(&copy, ERR_UNSUPPORTED, "albert");
    copy = golden_copy_make("cls-32");
    golden_copy_edit(&copy, "config.json", "\"model_type\": \"bert\"",
                     "\"model_type\": \"modernbert\"");
    expect_refusal(&copy, ERR_UNSUPPORTED, "modernbert");
}

static void an_unknown_module_after_pooling_is_refused_by_name(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("mean-64");
    golden_copy_edit(&copy, "modules.json", "\n]",
                     ",{\"idx\": 3, \"name\": \"3\", \"path\": \"3_CNN\", \"type\": "
                     "\"sentence_transformers.models.CNN\"}]");
    expect_refusal(&copy, ERR_UNSUPPORTED, "CNN");
}

static struct model *open_copy(const struct golden_copy *copy)
{
    struct err err;
    struct model *model = NULL;
    if (model_open(&model, copy->folder, &err) < 0)
        fail_msg("%s", err.message);
    return model;
}

static void refuse_dense(const char *file, const char *old, const char *new, int code,
                         const char *says)
{
    struct golden_copy copy = golden_copy_make("dense-16");
    golden_copy_edit(&copy, file, old, new);
    expect_refusal(&copy, code, says);
}

static void a_dense_module_that_does_not_fit_is_named(void **state)
{
    (void)state;
    refuse_dense("2_Dense/config.json", ".Tanh", ".Softmax", ERR_UNSUPPORTED, "Softmax");
    refuse_dense("2_Dense/config.json", "torch.nn", "mine", ERR_UNSUPPORTED, "mine");
    refuse_dense("2_Dense/config.json", "\"sentence_embedding\"", "\"token_embeddings\"",
                 ERR_UNSUPPORTED, "module_input_name");
    refuse_dense("2_Dense/config.json", "\"out_features\": 48", "\"out_features\": 47", ERR_CORRUPT,
                 "linear.weight");
    refuse_dense("2_Dense/config.json", "\"in_features\": 32", "\"in_features\": -1", ERR_CORRUPT,
                 "in_features");
    refuse_dense("3_LayerNorm/config.json", "48", "40", ERR_CORRUPT, "norm.weight");
    refuse_dense("modules.json", "2_Dense", "5_Dense", ERR_CORRUPT, "5_Dense");

    struct golden_copy copy = golden_copy_make("dense-16");
    golden_copy_remove(&copy, "5_Dense/model.safetensors");
    expect_refusal(&copy, ERR_NOT_FOUND, "5_Dense");
}

static void truncate_dim_cuts_what_the_modules_give(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("dense-16");
    struct model *model = open_copy(&copy);
    char whole[DIGEST_HEX_SIZE];
    assert_int_equal(model->pooled_size, 32);
    assert_int_equal(model->head_count, 5);
    assert_true(model->normalize);
    assert_int_equal(model->widest, 48);
    assert_int_equal(model->dimension, 16);
    memcpy(whole, model->fingerprint, sizeof whole);
    model_close(model);

    golden_copy_edit(&copy, "config_sentence_transformers.json", "\"truncate_dim\": 16",
                     "\"truncate_dim\": 99");
    model = open_copy(&copy);
    assert_int_equal(model->dimension, 24);
    assert_string_not_equal(model->fingerprint, whole);
    model_close(model);
    golden_copy_drop(&copy);
}

static void weights_that_do_not_fit_the_configuration_are_named(void **state)
{
    (void)state;
    refuse_edit("config.json", "\"hidden_size\": 32", "\"hidden_size\": 36", ERR_CORRUPT,
                "embedding_dimension");
    refuse_edit("config.json", "\"intermediate_size\": 48", "\"intermediate_size\": 64",
                ERR_CORRUPT, "encoder.layer.0.intermediate.dense.weight");
    refuse_edit("config.json", "\"vocab_size\": 173", "\"vocab_size\": 174", ERR_CORRUPT,
                "word_embeddings");
    refuse_edit("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", ERR_CORRUPT,
                "encoder.layer.2.attention.self.query.weight");
    refuse_edit("config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5",
                ERR_CORRUPT, "5 heads");
    refuse_edit("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2000000000",
                ERR_CORRUPT, "num_hidden_layers");
    refuse_edit("config.json", "\"vocab_size\": 173", "\"vocab_size\": -1", ERR_CORRUPT,
                "vocab_size");
    refuse_edit("config.json", "\"vocab_size\"", "\"vocab\"", ERR_CORRUPT, "vocab_size");
    refuse_edit("config.json", "{", "{{", ERR_CORRUPT, "line 1");
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct err err;
    struct model *model = NULL;
    struct golden_copy copy = golden_copy_make("cls-32");
    golden_copy_remove(&copy, "config.json");
    expect_refusal(&copy, ERR_NOT_FOUND, "config.json");

    copy = golden_copy_make("cls-32");
    golden_copy_remove(&copy, "model.safetensors");
    expect_refusal(&copy, ERR_NOT_FOUND, "model.safetensors");

    copy = golden_copy_make("mean-32-f16");
    golden_copy_remove(&copy, "model-00002-of-00002.safetensors");
    expect_refusal(&copy, ERR_NOT_FOUND, "model-00002-of-00002.safetensors");

    assert_int_equal(model_open(&model, "/nowhere", &err), ERR_NOT_FOUND);
    assert_int_equal(model_open(&model, "Makefile", &err), ERR_INVALID);
    assert_null(model);
}

static void a_pickle_is_refused_with_how_to_convert_it(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("cls-32");
    golden_copy_remove(&copy, "model.safetensors");
    golden_copy_write(&copy, "pytorch_model.bin", "PK");
    expect_refusal(&copy, ERR_UNSUPPORTED, "safetensors.torch");
}

static void an_index_that_leads_outside_the_folder_is_refused(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("mean-32-f16");
    golden_copy_edit(&copy, "model.safetensors.index.json", "model-00001-of-00002.safetensors",
                     "../other.safetensors");
    expect_refusal(&copy, ERR_CORRUPT, "weight_map");

    copy = golden_copy_make("mean-64");
    golden_copy_edit(&copy, "modules.json", "1_Pooling", "../1_Pooling");
    expect_refusal(&copy, ERR_CORRUPT, "path");
}

static void the_token_limit_comes_from_the_first_file_that_says_it(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("mean-64");
    golden_copy_write(&copy, "sentence_bert_config.json", "{\"max_seq_length\": null}");
    struct model *model = open_copy(&copy);
    assert_int_equal(model->max_seq_length, 32);
    model_close(model);

    golden_copy_remove(&copy, "sentence_bert_config.json");
    golden_copy_write(&copy, "sentence_xlm-roberta_config.json",
                      "{\"max_seq_length\": 30, \"do_lower_case\": true}");
    model = open_copy(&copy);
    assert_int_equal(model->max_seq_length, 30);
    assert_int_equal(model->do_lower_case, 1);
    model_close(model);

    /* A limit that no integer holds, as many folders have, is no limit: the positions are. */
    golden_copy_remove(&copy, "sentence_xlm-roberta_config.json");
    golden_copy_write(&copy, "tokenizer_config.json",
                      "{\"model_max_length\": 1000000000000000019884624838656}");
    model = open_copy(&copy);
    assert_int_equal(model->max_seq_length, 40);
    model_close(model);

    golden_copy_write(&copy, "sentence_bert_config.json", "{\"max_seq_length\": 512}");
    model = open_copy(&copy);
    assert_int_equal(model->max_seq_length, 40);
    model_close(model);

    golden_copy_write(&copy, "sentence_bert_config.json", "{\"max_seq_length\": -3}");
    expect_refusal(&copy, ERR_CORRUPT, "max_seq_length");
}

static void another_use_of_a_model_has_another_fingerprint(void **state)
{
    (void)state;
    struct err err;
    struct model *model = open_golden("mean-64");
    char before[DIGEST_HEX_SIZE];
    memcpy(before, model->fingerprint, sizeof before);
    assert_int_equal(model_set_max_seq_length(model, 16, &err), 0);
    assert_int_equal(model->max_seq_length, 16);
    assert_string_not_equal(model->fingerprint, before);
    assert_int_equal(model_set_max_seq_length(model, 24, &err), 0);
    assert_string_equal(model->fingerprint, before);
    assert_int_equal(model_set_max_seq_length(model, 41, &err), ERR_INVALID);
    assert_int_equal(model_set_max_seq_length(model, 0, &err), ERR_INVALID);
    assert_int_equal(model->max_seq_length, 24);
    assert_int_equal(model_escape_special_tokens(model, &err), 0);
    assert_string_not_equal(model->fingerprint, before);
    model_close(model);
}

static void without_modules_json_it_is_mean_pooling(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("cls-32");
    golden_copy_remove(&copy, "modules.json");
    struct model *model = open_copy(&copy);
    assert_pooling(model, "mean");
    assert_false(model->normalize);
    model_close(model);
    golden_copy_drop(&copy);
}

static void the_transformer_may_have_a_folder_of_its_own(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json",
                                        "tokenizer_config.json", "sentence_bert_config.json"};
    struct golden_copy copy = golden_copy_make("mean-64");
    char *below = golden_copy_path(&copy, "0_BERT");
    assert_int_equal(mkdir(below, 0755), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *from = golden_copy_path(&copy, names[i]), *to = file_join(below, names[i]);
        assert_int_equal(rename(from, to), 0);
        free(from);
        free(to);
    }
    golden_copy_edit(&copy, "modules.json", "\"path\": \"\"", "\"path\": \"0_BERT\"");
    struct model *model = open_copy(&copy);
    assert_string_equal(model->transformer_folder, below);
    assert_string_equal(model->folder, copy.folder);
    assert_int_equal(model->max_seq_length, 24);
    model_close(model);
    golden_copy_drop(&copy);
    free(below);
}

static void prompts_are_those_of_encode_query_and_encode_document(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("cls-32");
    golden_copy_write(&copy, "config_sentence_transformers.json",
                      "{\"prompts\": {\"query\": \"query: \", \"passage\": \"passage: \"},"
                      "\"default_prompt_name\": \"query\", \"similarity_fn_name\": \"dot\"}");
    struct model *model = open_copy(&copy);
    assert_string_equal(model->query_prompt, "query: ");
    assert_string_equal(model->document_prompt, "passage: ");
    assert_string_equal(model->default_prompt, "query: ");
    assert_string_equal(model->similarity, "dot");
    model_close(model);
    golden_copy_drop(&copy);
}

static void a_list_of_pooling_modes_keeps_its_order_and_repeats(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("cls-32");
    golden_copy_edit(&copy, "1_Pooling/config.json", "\"cls\"",
                     "[\"mean\", \"cls\", \"lasttoken\", \"mean\"]");
    struct model *model = open_copy(&copy);
    assert_pooling(model, "mean+cls+lasttoken+mean");
    assert_int_equal(model->pooled_size, 4 * 32);
    model_close(model);
    golden_copy_drop(&copy);
}

static void leaving_prompts_out_of_pooling_is_another_model(void **state)
{
    (void)state;
    struct golden_copy copy = golden_copy_make("cls-32");
    struct model *model = open_copy(&copy);
    char before[DIGEST_HEX_SIZE];
    assert_false(model->pooling.without_prompt);
    snprintf(before, sizeof before, "%s", model->fingerprint);
    model_close(model);
    golden_copy_edit(&copy, "1_Pooling/config.json", "\"include_prompt\": true",
                     "\"include_prompt\": false");
    model = open_copy(&copy);
    assert_true(model->pooling.without_prompt);
    assert_string_not_equal(model->fingerprint, before);
    model_close(model);
    golden_copy_drop(&copy);
}

static void the_name_of_a_pooling_lists_its_modes_in_their_order(void **state)
{
    (void)state;
    struct pooling pooling = {.modes = {POOLING_MEAN, POOLING_CLS}, .count = 2};
    char name[POOLING_NAME_SIZE];
    model_pooling_name(&pooling, name);
    assert_string_equal(name, "mean+cls");
    for (pooling.count = 0; pooling.count < POOLING_LIMIT; pooling.count++)
        pooling.modes[pooling.count] = POOLING_MEAN_SQRT_LEN;
    model_pooling_name(&pooling, name);
    assert_int_equal(strlen(name), POOLING_LIMIT * strlen("mean_sqrt_len_tokens+") - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_folder_loads),
        cmocka_unit_test(the_families_differ_in_what_the_table_says),
        cmocka_unit_test(positions_begin_after_the_padding_token),
        cmocka_unit_test(the_numbers_are_right_in_every_precision_and_naming),
        cmocka_unit_test(an_f32_tensor_stays_in_the_mapped_file),
        cmocka_unit_test(what_the_forward_pass_does_not_do_is_refused_by_name),
        cmocka_unit_test(a_variant_of_a_family_is_refused_by_name),
        cmocka_unit_test(an_unknown_module_after_pooling_is_refused_by_name),
        cmocka_unit_test(a_dense_module_that_does_not_fit_is_named),
        cmocka_unit_test(truncate_dim_cuts_what_the_modules_give),
        cmocka_unit_test(weights_that_do_not_fit_the_configuration_are_named),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_pickle_is_refused_with_how_to_convert_it),
        cmocka_unit_test(an_index_that_leads_outside_the_folder_is_refused),
        cmocka_unit_test(the_token_limit_comes_from_the_first_file_that_says_it),
        cmocka_unit_test(another_use_of_a_model_has_another_fingerprint),
        cmocka_unit_test(without_modules_json_it_is_mean_pooling),
        cmocka_unit_test(the_transformer_may_have_a_folder_of_its_own),
        cmocka_unit_test(prompts_are_those_of_encode_query_and_encode_document),
        cmocka_unit_test(a_list_of_pooling_modes_keeps_its_order_and_repeats),
        cmocka_unit_test(leaving_prompts_out_of_pooling_is_another_model),
        cmocka_unit_test(the_name_of_a_pooling_lists_its_modes_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
