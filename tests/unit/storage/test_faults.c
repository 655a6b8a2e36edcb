/* Tests of the store when things go wrong: killed at any moment, a full disk, a failing sync; and
 * that what is acknowledged was synced before.
 *
 * Each runs this same program as a child in a role of its own, mostly with tests/fault/sync_shim.c
 * preloaded. A child says what it has done on its standard output, a line each.
 */
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/unit/storage/fixture.h"

extern char **environ;

/* Under ThreadSanitizer, which looks for races and not for what is lost, a few rounds will do, and
 * fewer and larger texts to fill a disk with. */
#ifdef __SANITIZE_THREAD__
enum { ROUNDS = 4, FILLING = 60000 };
#else
enum { ROUNDS = 20, FILLING = 20000 };
#endif

enum {
    BATCH = 5, /* documents of a put by a child */
    SMALL_DISK = 36 << 20,
    NOT_ALLOWED = 77, /* exit code of a child that may not mount */
};

/* --- children --- */

/* The child's side of a world: in a folder that the parent made. */
static struct world *child_world(const char *folder)
{
    static struct world world;
    snprintf(world.folder, sizeof world.folder, "%s", folder);
    snprintf(world.path, sizeof world.path, "%s/store.sqlite3", folder);
    return &world;
}

static void child_fails(struct world *world, const char *what)
{
    fprintf(stderr, "child: %s: %s\n", what, world->err.message);
    _exit(1);
}

#define child_expect(world, condition)                                                             \
    do {                                                                                           \
        if (!(condition))                                                                          \
            child_fails(world, #condition);                                                        \
    } while (0)

static void child_open(struct world *world)
{
    child_expect(world, store_open(&world->store, world->path, &world->err) == 0);
    if (store_collection_find(world->store, "c", &world->collection, &world->err) < 0)
        world_create_collection(world, "c", &world->collection);
}

static void say(struct world *world, const char *line)
{
    child_expect(world, write(STDOUT_FILENO, line, strlen(line)) == (ssize_t)strlen(line));
}

/* Puts BATCH documents, "<number>.0" and on, whose texts have `size` bytes; returns the code. */
static int put_batch(struct world *world, int number, size_t size)
{
    struct made made[BATCH];
    struct store_document documents[BATCH];
    enum store_state did[BATCH];
    struct store_changes changes;
    struct arena arena = {0};
    char ids[BATCH][32];
    for (int i = 0; i < BATCH; i++) {
        snprintf(ids[i], sizeof ids[i], "%d.%d", number, i);
        char *text = arena_alloc(&arena, size + 32, 1);
        child_expect(world, text);
        memset(text, 'x', size);
        memcpy(text, ids[i], strlen(ids[i]));
        documents[i] = *make_document(&made[i], ids[i], text, NULL, "f", (float)(number + 1));
    }
    int r = store_put(world->store, world->collection.key, documents, BATCH, did, &arena, &changes,
                      &world->err);
    arena_release(&arena);
    return r;
}

static int delete_batch(struct world *world, int number)
{
    const char *ids[BATCH];
    char names[BATCH][32];
    struct store_changes changes;
    struct arena arena = {0};
    size_t deleted = 0;
    for (int i = 0; i < BATCH; i++) {
        snprintf(names[i], sizeof names[i], "%d.%d", number, i);
        ids[i] = names[i];
    }
    int r = store_delete(world->store, world->collection.key, ids, BATCH, NULL, &deleted, &arena,
                         &changes, &world->err);
    store_tidy(world->store);
    arena_release(&arena);
    child_expect(world, r < 0 || deleted == BATCH);
    return r;
}

static void child_counts(struct world *world, int64_t batches)
{
    child_expect(world,
                 store_collection_find(world->store, "c", &world->collection, &world->err) == 0);
    child_expect(world, world->collection.documents == batches * BATCH);
    child_expect(world, store_check(world->store, &world->err) == 0);
}

/* A second collection comes, fills and goes: nothing of it is acknowledged, all of it is in the way
 * of the first. */
static void churn(struct world *world)
{
    struct store_collection kept = world->collection;
    if (store_collection_find(world->store, "churn", &world->collection, &world->err) < 0)
        world_create_collection(world, "churn", &world->collection);
    for (int i = 0; i < 20; i++)
        child_expect(world, put_batch(world, i, 3000) == 0);
    child_expect(world,
                 store_collection_drop(world->store, world->collection.key, &world->err) == 0);
    store_tidy(world->store);
    world->collection = kept;
}

/* Puts, and sometimes deletes, until it is killed: "+N" and "-N" once a batch is acknowledged. */
static void role_until_killed(struct world *world)
{
    child_open(world);
    int number = (int)(world->collection.sequence * 2 + 1000);
    for (;; number++) {
        char line[32];
        child_expect(world, put_batch(world, number, 300) == 0);
        snprintf(line, sizeof line, "+%d\n", number);
        say(world, line);
        if (number % 16 == 10)
            churn(world);
        if (number % 4 != 3)
            continue;
        /* the parent may not learn of this one, so it takes a "-" before for "either way" */
        snprintf(line, sizeof line, "?%d\n", number);
        say(world, line);
        child_expect(world, delete_batch(world, number) == 0);
        snprintf(line, sizeof line, "-%d\n", number);
        say(world, line);
    }
}

static void role_acknowledge(struct world *world)
{
    child_open(world);
    for (int i = 0; i < 12; i++) {
        child_expect(world, put_batch(world, i, 300) == 0);
        say(world, "put\n");
    }
    for (int i = 0; i < 6; i++) {
        child_expect(world, delete_batch(world, i) == 0);
        say(world, "delete\n");
    }
    world_close(world);
}

static int fill(struct world *world, int first)
{
    int number = first, r = 0;
    while ((r = put_batch(world, number, FILLING)) == 0)
        number++;
    child_expect(world, r == ERR_NO_SPACE);
    return number;
}

/* The disk fills, and all goes on: reading, deleting, opening, and putting once there is room. */
static void role_full_disk(struct world *world)
{
    child_open(world);
    int filled = fill(world, 0);
    child_expect(world, filled > 20);
    child_counts(world, filled);
    child_expect(world, put_batch(world, filled, FILLING) == ERR_NO_SPACE);
    child_expect(world, delete_batch(world, 0) == 0);
    child_counts(world, filled - 1);
    world_close(world);

    child_open(world);
    child_counts(world, filled - 1);
    for (int i = 1; i < filled; i++)
        child_expect(world, delete_batch(world, i) == 0);
    child_counts(world, 0);
    child_expect(world, fill(world, filled) > filled + 20);
    child_expect(world,
                 store_collection_drop(world->store, world->collection.key, &world->err) == 0);
    store_tidy(world->store);
    world_create_collection(world, "c", &world->collection);
    child_expect(world, put_batch(world, 1, FILLING) == 0);
    child_counts(world, 1);
    world_close(world);
}

/* The disk has no byte left, not even for the reserve; then there is room again. */
static void role_no_room_at_all(struct world *world)
{
    child_open(world);
    child_expect(world, put_batch(world, 1, 300) == 0);
    child_expect(world, put_batch(world, 2, 300) == 0);
    world_close(world);
    char path[128];
    snprintf(path, sizeof path, "%s.reserve", world->path);
    child_expect(world, unlink(path) == 0);
    setenv("SHIM_NO_SPACE_AFTER", "1", 1);
    child_open(world);
    child_counts(world, 2);
    child_expect(world, put_batch(world, 3, 300) == ERR_NO_SPACE);
    child_expect(world, delete_batch(world, 1) == ERR_NO_SPACE);
    child_counts(world, 2);
    unsetenv("SHIM_NO_SPACE_AFTER");
    child_expect(world, put_batch(world, 3, 300) == 0);
    child_expect(world, delete_batch(world, 1) == 0);
    child_counts(world, 2);
    world_close(world);
}

/* A put whose sync fails is not acknowledged and leaves nothing. */
static void role_failing_sync(struct world *world)
{
    child_open(world);
    child_expect(world, put_batch(world, 1, 300) == 0);
    setenv("SHIM_FAIL_SYNC_AFTER", "0", 1);
    child_expect(world, put_batch(world, 2, 300) == ERR_IO);
    child_counts(world, 1);
    child_expect(world, delete_batch(world, 1) == ERR_IO);
    child_counts(world, 1);
    unsetenv("SHIM_FAIL_SYNC_AFTER");
    child_expect(world, put_batch(world, 2, 300) == 0);
    world_close(world);
    child_open(world);
    child_counts(world, 2);
    world_close(world);
}

static bool write_setting(const char *path, const char *text)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    bool done = descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    if (descriptor >= 0)
        close(descriptor);
    return done;
}

/* A mount namespace of its own; who is not root needs a user namespace that knows him for that. */
static bool unshare_mounts(void)
{
    char users[64], groups[64];
    snprintf(users, sizeof users, "%u %u 1", geteuid(), geteuid());
    snprintf(groups, sizeof groups, "%u %u 1", getegid(), getegid());
    if (geteuid() == 0)
        return unshare(CLONE_NEWNS) == 0;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_setting("/proc/self/uid_map", users) &&
           write_setting("/proc/self/setgroups", "deny") &&
           write_setting("/proc/self/gid_map", groups);
}

/* The same on a small disk of its own, where that may be mounted; it goes with the process. */
static void role_full_tmpfs(struct world *world)
{
    char options[32];
    snprintf(options, sizeof options, "size=%d", (int)SMALL_DISK);
    if (!unshare_mounts() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", world->folder, "tmpfs", 0, options) < 0)
        _exit(NOT_ALLOWED);
    role_full_disk(world);
}

static const struct role {
    const char *name;
    void (*run)(struct world *world);
} roles[] = {
    {"until-killed", role_until_killed}, {"acknowledge", role_acknowledge},
    {"full-disk", role_full_disk},       {"no-room-at-all", role_no_room_at_all},
    {"failing-sync", role_failing_sync}, {"full-tmpfs", role_full_tmpfs},
};

/* --- the parent's side --- */

struct child {
    pid_t pid;
    FILE *output;
};

/* The shim stands beside the tests of this build. */
static void shim_path(char ret_path[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", ret_path, PATH_MAX - 64);
    assert_true(size > 0);
    ret_path[size] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(ret_path, '/') = '\0';
    strcat(ret_path, "/fault/sync_shim.so");
    assert_true(file_exists(ret_path));
}

/* Starts this program in a role; `settings` (ends with NULL) are added to its environment. */
static struct child start(const char *role, const char *folder, char *const *settings)
{
    struct child child;
    int ends[2];
    char *arguments[] = {strdup("test_faults"), strdup(role), strdup(folder), NULL};
    char *environment[256] = {NULL};
    size_t count = 0;
    for (; settings && *settings; settings++)
        environment[count++] = *settings;
    for (char **entry = environ; *entry && count < 255; entry++)
        environment[count++] = *entry;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO), 0);
    assert_int_equal(
        posix_spawn(&child.pid, "/proc/self/exe", &actions, NULL, arguments, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child.output = fdopen(ends[0], "r");
    assert_non_null(child.output);
    for (size_t i = 0; i < 3; i++)
        free(arguments[i]);
    return child;
}

static int wait_for(struct child *child)
{
    int status = -1;
    char line[64];
    while (fgets(line, sizeof line, child->output))
        continue;
    fclose(child->output);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    return status;
}

/* Runs a role with the shim preloaded; further `setting` (may be NULL). The log is <folder>.log. */
static void run_with_shim(struct world *world, const char *role, const char *setting)
{
    char shim[PATH_MAX], preload[PATH_MAX + 16], log[128], folder[128], copy[128];
    shim_path(shim);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", shim);
    snprintf(log, sizeof log, "SHIM_LOG=%s.log", world->folder);
    snprintf(folder, sizeof folder, "SHIM_FOLDER=%s", world->folder);
    snprintf(copy, sizeof copy, "%s", setting ? setting : "UNUSED=");
    /* AddressSanitizer would rather be the first library; behind the shim it works as well. */
    char first[] = "ASAN_OPTIONS=verify_asan_link_order=0";
    char *settings[] = {preload, log, folder, copy, first, NULL};
    world_close(world);
    struct child child = start(role, world->folder, settings);
    assert_int_equal(wait_for(&child), 0);
}

static char *take_log(struct world *world)
{
    char path[128];
    char *log = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s.log", world->folder);
    expect_ok(world, file_read(&log, &size, path, 1 << 26, &world->err));
    unlink(path);
    return log;
}

/* --- killed --- */

enum { NUMBERS = 1 << 20 };

/* What the parent knows of each batch. */
enum fate { UNKNOWN, THERE, GONE, EITHER };

static void note_line(unsigned char *fates, const char *line)
{
    int number = atoi(line + 1);
    assert_true(number > 0 && number < NUMBERS && strchr(line, '\n'));
    fates[number] = line[0] == '+' ? THERE : line[0] == '-' ? GONE : EITHER;
}

static void check_fates(struct world *world, const unsigned char *fates)
{
    for (int number = 0; number < NUMBERS; number++) {
        char id[32];
        if (fates[number] != THERE && fates[number] != GONE)
            continue;
        snprintf(id, sizeof id, "%d.%d", number, BATCH - 1);
        if (has_document(world, id) != (fates[number] == THERE))
            fail_msg("batch %d is not as it was acknowledged", number);
    }
}

static void what_was_acknowledged_survives_being_killed(void **state)
{
    struct world *world = *state;
    unsigned char *fates = calloc(NUMBERS, 1);
    assert_non_null(fates);
    unsigned seed = 12345; /* the moment within a batch is the scheduler's choice anyway */
    for (int round = 0; round < ROUNDS; round++) {
        world_close(world);
        struct child child = start("until-killed", world->folder, NULL);
        char line[64];
        int lines = 1 + (int)(rand_r(&seed) % 40);
        for (int i = 0; i < lines && fgets(line, sizeof line, child.output); i++)
            note_line(fates, line);
        for (int spin = rand_r(&seed) % 200000; spin > 0; spin--)
            __asm__ volatile("" ::: "memory");
        assert_int_equal(kill(child.pid, SIGKILL), 0);
        while (fgets(line, sizeof line, child.output) && strchr(line, '\n'))
            note_line(fates, line);
        assert_true(WIFSIGNALED(wait_for(&child)));
        expect_ok(world, store_open(&world->store, world->path, &world->err));
        refresh(world);
        expect_ok(world, store_check(world->store, &world->err));
        check_fates(world, fates);
    }
    assert_true(world->collection.documents > ROUNDS);
    assert_int_equal(world->collection.documents % BATCH, 0);
    free(fates);
}

/* --- synced before acknowledged --- */

/* Looks through a log: each line on the pipe must come after a sync of the store's log, and nothing
 * may have been written to that between the two. Returns the number of acknowledgements, or -1. */
static int acknowledged_after_sync(const char *log)
{
    bool written = false, synced = false;
    int count = 0;
    for (const char *line = log; *line; line = strchr(line, '\n') + 1) {
        char op[16], path[256];
        long long bytes;
        assert_int_equal(sscanf(line, "%15s %lld %255[^\n]", op, &bytes, path), 3);
        bool wal = strlen(path) > 4 && strcmp(path + strlen(path) - 4, "-wal") == 0;
        if (wal && strcmp(op, "write") == 0)
            written = true, synced = false;
        if (wal && strcmp(op, "sync") == 0)
            synced = true;
        if (strncmp(path, "pipe:", 5) != 0)
            continue;
        if (!written || !synced)
            return -1;
        count++;
        written = synced = false;
    }
    return count;
}

static void the_sync_comes_before_the_acknowledgement(void **state)
{
    struct world *world = *state;
    run_with_shim(world, "acknowledge", NULL);
    char *log = take_log(world);
    assert_int_equal(acknowledged_after_sync(log), 18);
    free(log);
}

static void a_missing_sync_would_be_seen(void **state)
{
    (void)state;
    assert_int_equal(
        acknowledged_after_sync("write 8 /f/s-wal\nsync 0 /f/s-wal\nwrite 4 pipe:[1]\n"), 1);
    assert_int_equal(acknowledged_after_sync("write 8 /f/s-wal\nwrite 4 pipe:[1]\n"), -1);
    assert_int_equal(acknowledged_after_sync("write 8 /f/s-wal\nsync 0 /f/s\nwrite 4 pipe:[1]\n"),
                     -1);
    assert_int_equal(acknowledged_after_sync(
                         "sync 0 /f/s-wal\nwrite 8 /f/s-wal\nwrite 4 pipe:[1]\nsync 0 /f/s-wal\n"),
                     -1);
}

/* --- full disks and failing ones --- */

static void a_full_disk_stops_puts_and_nothing_else(void **state)
{
    struct world *world = *state;
    char setting[64];
    snprintf(setting, sizeof setting, "SHIM_NO_SPACE_AFTER=%d", SMALL_DISK);
    run_with_shim(world, "full-disk", setting);
    char *log = take_log(world);
    assert_non_null(strstr(log, "no-space "));
    free(log);
    world_reopen(world);
    expect_ok(world, store_check(world->store, &world->err));
}

static void a_full_file_system_is_as_the_shim_makes_it(void **state)
{
    struct world *world = *state;
    struct child child = start("full-tmpfs", world->folder, NULL);
    int status = wait_for(&child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
        print_message("this user may not mount a small file system\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void a_disk_without_any_room_can_still_be_read(void **state)
{
    struct world *world = *state;
    run_with_shim(world, "no-room-at-all", NULL);
    free(take_log(world));
    world_reopen(world);
    expect_ok(world, store_check(world->store, &world->err));
}

static void a_put_whose_sync_fails_is_not_acknowledged(void **state)
{
    struct world *world = *state;
    run_with_shim(world, "failing-sync", NULL);
    char *log = take_log(world);
    assert_non_null(strstr(log, "no-sync "));
    free(log);
    world_reopen(world);
    expect_ok(world, store_check(world->store, &world->err));
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(int count, char **arguments)
{
    if (count == 3) {
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
            if (strcmp(arguments[1], roles[i].name) == 0)
                return roles[i].run(child_world(arguments[2])), 0;
        return 2;
    }
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_was_acknowledged_survives_being_killed),
        WORLD_TEST(the_sync_comes_before_the_acknowledgement),
        cmocka_unit_test(a_missing_sync_would_be_seen),
        WORLD_TEST(a_full_disk_stops_puts_and_nothing_else),
        WORLD_TEST(a_full_file_system_is_as_the_shim_makes_it),
        WORLD_TEST(a_disk_without_any_room_can_still_be_read),
        WORLD_TEST(a_put_whose_sync_fails_is_not_acknowledged),
    };
    return cmocka_run_group_tests_name("storage: faults", tests, NULL, NULL);
}
