/* Tests of finding models by name and by path. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "encoder/model/registry.h"
#include "tests/test.h"

static void the_default_model_is_known_with_whole_pins(void **state)
{
    (void)state;
    const struct registry_model *model = registry_find(REGISTRY_DEFAULT_MODEL);
    assert_non_null(model);
    assert_ptr_equal(registry_find("sentence-transformers/" REGISTRY_DEFAULT_MODEL), model);
    assert_null(registry_find("someone-else/" REGISTRY_DEFAULT_MODEL));
    assert_null(registry_find(""));
    assert_true(model->file_count > 0);
    for (size_t i = 0; i < registry_count(); i++) {
        model = registry_at(i);
        for (size_t j = 0; j < model->file_count; j++) {
            const struct registry_file *file = &model->files[j];
            assert_true(file->size > 0);
            assert_int_equal(strlen(file->sha256), 64);
            assert_int_equal(strspn(file->sha256, "0123456789abcdef"), 64);
            assert_true(file->path[0] != '/' && !strstr(file->path, ".."));
        }
    }
}

static void every_known_model_is_found_by_both_of_its_names(void **state)
{
    (void)state;
    assert_int_equal(registry_count(), 16);
    for (size_t i = 0; i < registry_count(); i++) {
        const struct registry_model *model = registry_at(i);
        const char *slash = strchr(model->hub_name, '/');
        assert_ptr_equal(registry_find(model->name), model);
        assert_ptr_equal(registry_find(model->hub_name), model);
        assert_non_null(slash);
        assert_string_equal(slash + 1, model->name);
        assert_true(model->dimension == 384 || model->dimension == 768);
        assert_non_null(model->architecture);
        assert_non_null(model->hub_revision);
    }
    assert_null(registry_find("sentence-transformers/gte-small"));
}

static void set(const char *models, const char *data, const char *home)
{
    const char *const names[] = {"SBERT_MODELS", "XDG_DATA_HOME", "HOME"};
    const char *const values[] = {models, data, home};
    for (int i = 0; i < 3; i++) {
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
}

static void expect_models_folder(const char *expected)
{
    char *folder = NULL;
    struct err err;
    assert_int_equal(registry_models_folder(&folder, &err), 0);
    assert_string_equal(folder, expected);
    free(folder);
}

static void the_folder_of_models_follows_the_environment(void **state)
{
    (void)state;
    char *folder = NULL;
    struct err err;
    set("/models", "/data", "/home/me");
    expect_models_folder("/models");
    set(NULL, "/data", "/home/me");
    expect_models_folder("/data/sbertd/models");
    set("", NULL, "/home/me");
    expect_models_folder("/home/me/.local/share/sbertd/models");
    set(NULL, "relative/paths/do/not/count", "/home/me");
    expect_models_folder("/home/me/.local/share/sbertd/models");
    set(NULL, NULL, NULL);
    assert_int_equal(registry_models_folder(&folder, &err), ERR_NOT_FOUND);
    assert_null(folder);
}

static void a_model_is_found_by_name_or_by_path(void **state)
{
    (void)state;
    char models[] = "/tmp/sbertd-models-XXXXXX";
    char *folder = NULL, *mine, *default_model;
    struct err err;
    assert_non_null(mkdtemp(models));
    mine = file_join(models, "mine");
    default_model = file_join(models, REGISTRY_DEFAULT_MODEL);
    assert_int_equal(mkdir(mine, 0755), 0);
    set(models, NULL, "/nowhere");

    assert_int_equal(registry_resolve(&folder, "mine", &err), 0);
    assert_string_equal(folder, mine);
    free(folder);
    assert_int_equal(registry_resolve(&folder, mine, &err), 0);
    assert_string_equal(folder, mine);
    free(folder);
    assert_int_equal(registry_resolve(&folder, ".", &err), 0);
    assert_string_equal(folder, ".");
    free(folder);
    assert_int_equal(registry_resolve(&folder, "..", &err), 0);
    assert_string_equal(folder, "..");
    free(folder);

    assert_int_equal(registry_resolve(&folder, REGISTRY_DEFAULT_MODEL, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "run: sbert-model pull " REGISTRY_DEFAULT_MODEL));
    assert_int_equal(mkdir(default_model, 0755), 0);
    assert_int_equal(
        registry_resolve(&folder, "sentence-transformers/" REGISTRY_DEFAULT_MODEL, &err), 0);
    assert_string_equal(folder, default_model);
    free(folder);

    rmdir(default_model);
    rmdir(mine);
    rmdir(models);
    free(default_model);
    free(mine);
}

static void what_is_not_there_is_said_with_where_it_was_sought(void **state)
{
    (void)state;
    char *folder = NULL;
    struct err err;
    set("/nowhere/models", NULL, NULL);
    assert_int_equal(registry_resolve(&folder, "unheard-of", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "unheard-of in /nowhere/models"));
    assert_int_equal(registry_resolve(&folder, "./unheard-of", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "./unheard-of"));
    assert_int_equal(registry_resolve(&folder, "", &err), ERR_INVALID);
    set(NULL, NULL, NULL);
    assert_int_equal(registry_resolve(&folder, "unheard-of", &err), ERR_NOT_FOUND);
    assert_null(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_model_is_known_with_whole_pins),
        cmocka_unit_test(every_known_model_is_found_by_both_of_its_names),
        cmocka_unit_test(the_folder_of_models_follows_the_environment),
        cmocka_unit_test(a_model_is_found_by_name_or_by_path),
        cmocka_unit_test(what_is_not_there_is_said_with_where_it_was_sought),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
