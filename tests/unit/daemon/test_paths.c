/* Tests of where daemon and programs meet. What root and a user get differs, so each case runs in a
 * child with that user's id. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "tests/test.h"

typedef int paths_function(char **ret_path, struct err *err);

enum { SOME_USER = 54321 };

static void set_environment(const char *const *pairs)
{
    clearenv();
    for (; pairs && *pairs; pairs += 2)
        setenv(pairs[0], pairs[1], 1);
}

/* What the function gives to a user (or root) with this environment, "" for an error. */
static void ask(char *ret_path, size_t size, paths_function *function, uid_t user,
                const char *const *pairs)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *path = NULL;
        struct err err;
        set_environment(pairs);
        if (geteuid() != user && setresuid(user, user, user) != 0)
            _exit(2);
        if (function(&path, &err) == 0 && write(ends[1], path, strlen(path)) < 0)
            _exit(2);
        _exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], ret_path, size - 1);
    close(ends[0]);
    ret_path[length < 0 ? 0 : length] = '\0';
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void expect(paths_function *function, uid_t user, const char *const *pairs,
                   const char *expected)
{
    char path[256];
    ask(path, sizeof path, function, user, pairs);
    assert_string_equal(path, expected);
}

/* Only root can become another user; others test themselves. */
static uid_t a_user(void)
{
    return geteuid() == 0 ? SOME_USER : geteuid();
}

static void a_user_s_paths_follow_xdg(void **state)
{
    (void)state;
    const char *const pairs[] = {
        "HOME",  "/home/me",        "XDG_RUNTIME_DIR", "/run/user/7", "XDG_DATA_HOME",
        "/data", "XDG_CONFIG_HOME", "/conf",           NULL};
    expect(paths_daemon_socket, a_user(), pairs, "/run/user/7/sbertd/sbertd.sock");
    expect(paths_data_folder, a_user(), pairs, "/data/sbertd");
    expect(paths_config_file, a_user(), pairs, "/conf/sbertd/sbertd.conf");
}

static void without_xdg_all_is_in_the_home_folder(void **state)
{
    (void)state;
    const char *const pairs[] = {"HOME", "/home/me", NULL};
    expect(paths_daemon_socket, a_user(), pairs, "/home/me/.local/state/sbertd/sbertd.sock");
    expect(paths_data_folder, a_user(), pairs, "/home/me/.local/share/sbertd");
    expect(paths_config_file, a_user(), pairs, "/home/me/.config/sbertd/sbertd.conf");
}

static void relative_xdg_folders_are_ignored(void **state)
{
    (void)state;
    const char *const pairs[] = {"HOME", "/home/me", "XDG_RUNTIME_DIR", "run", "XDG_DATA_HOME",
                                 "",     NULL};
    expect(paths_daemon_socket, a_user(), pairs, "/home/me/.local/state/sbertd/sbertd.sock");
    expect(paths_data_folder, a_user(), pairs, "/home/me/.local/share/sbertd");
}

static void variables_come_first_and_empty_ones_say_nothing(void **state)
{
    (void)state;
    const char *const pairs[] = {
        "HOME", "/home/me", "SBERTD_SOCKET", "/s", "SBERTD_DATA_DIR", "/d", "SBERTD_CONFIG",
        "/c",   NULL};
    const char *const empty[] = {"HOME", "/home/me", "SBERTD_SOCKET", "", NULL};
    expect(paths_daemon_socket, a_user(), pairs, "/s");
    expect(paths_data_folder, a_user(), pairs, "/d");
    expect(paths_config_file, a_user(), pairs, "/c");
    expect(paths_daemon_socket, a_user(), empty, "/home/me/.local/state/sbertd/sbertd.sock");
}

static void root_uses_the_system_s_folders(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const char *const pairs[] = {"HOME", "/root", "XDG_RUNTIME_DIR", "/run/user/0", NULL};
    const char *const given[] = {"SBERTD_SOCKET", "/s", NULL};
    expect(paths_daemon_socket, 0, pairs, "/run/sbertd/sbertd.sock");
    expect(paths_data_folder, 0, pairs, "/var/lib/sbertd");
    expect(paths_config_file, 0, pairs, "/etc/sbertd/sbertd.conf");
    expect(paths_daemon_socket, 0, given, "/s");
}

static void without_any_home_the_error_says_so(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* a real user has a home folder in the user database */
    expect(paths_daemon_socket, SOME_USER, NULL, "");
    expect(paths_data_folder, SOME_USER, NULL, "");
}

static void a_program_takes_the_path_it_is_given(void **state)
{
    (void)state;
    char *path = NULL;
    assert_int_equal(paths_client_socket(&path, "/given", NULL), 0);
    assert_string_equal(path, "/given");
    free(path);
}

static int client_socket(char **ret_path, struct err *err)
{
    return paths_client_socket(ret_path, NULL, err);
}

static void a_program_finds_the_socket_of_its_own_daemon(void **state)
{
    (void)state;
    char folder[] = "/tmp/sbertd-paths-XXXXXX", socket[64], path[64];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(path, sizeof path, "%s/sbertd", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(socket, sizeof socket, "%s/sbertd/sbertd.sock", folder);
    fclose(fopen(socket, "w"));
    const char *const pairs[] = {"HOME", "/home/me", "XDG_RUNTIME_DIR", folder, NULL};
    const char *const given[] = {"SBERTD_SOCKET", "/nowhere/s", NULL};
    expect(client_socket, a_user(), pairs, socket);
    expect(client_socket, a_user(), given, "/nowhere/s");
    unlink(socket);
    rmdir(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_s_paths_follow_xdg),
        cmocka_unit_test(without_xdg_all_is_in_the_home_folder),
        cmocka_unit_test(relative_xdg_folders_are_ignored),
        cmocka_unit_test(variables_come_first_and_empty_ones_say_nothing),
        cmocka_unit_test(root_uses_the_system_s_folders),
        cmocka_unit_test(without_any_home_the_error_says_so),
        cmocka_unit_test(a_program_takes_the_path_it_is_given),
        cmocka_unit_test(a_program_finds_the_socket_of_its_own_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
