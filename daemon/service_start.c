/* `sbertd start`: the model, then a `sbertd run` of its own session, then waiting until it is
 * ready.
 *
 * It prints; it is part of the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon/service.h"
#include "daemon/service_control.h"
#include "daemon/service_probe.h"
#include "encoder/model/registry.h"

extern char **environ;

/* How often a starting daemon is asked whether it is ready: at first, and at most, by when it has
 * more to load than a few collections. And when a wait is explained. */
enum { ASK_SOON_MS = 1, ASK_LATER_MS = 50, LOG_TAIL = 2000 };
#define EXPLAIN_AFTER_SECONDS 3.0
#define EXPLAIN_EVERY_SECONDS 2.0

static int fail(const struct err *err)
{
    fprintf(stderr, "sbertd: %s\n", err->message);
    return CONTROL_FAILED;
}

/* --- the model --- */

/* The program of that name beside this one. */
static int sibling(char *path, size_t size, const char *name, struct err *err)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length < 0)
        return err_set_errno(err, errno, "cannot tell where sbertd is");
    self[length] = '\0';
    if ((size_t)snprintf(path, size, "%s/%s", dirname(self), name) >= size)
        return err_set(err, ERR_LIMIT, "the path of %s is too long", name);
    return 0;
}

static int pull(const char *model, struct err *err)
{
    char path[PATH_MAX];
    int status;
    pid_t child;
    int r = sibling(path, sizeof path, "sbert-model", err);

    if (r < 0)
        return r;
    char *const arguments[] = {path, (char[]){"pull"}, strdup(model), NULL};
    if (!arguments[2])
        return err_memory(err, "a command");
    int error = posix_spawn(&child, path, NULL, NULL, arguments, environ);
    free(arguments[2]);
    if (error)
        return err_set_errno(err, error, "cannot run %s", path);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for %s", path);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_NOT_FOUND, "sbert-model could not pull %s", model);
    return 0;
}

int control_need_model(const struct settings *settings, struct err *err)
{
    const char *model = settings->model ? settings->model : REGISTRY_DEFAULT_MODEL;
    char *folder = NULL;
    int r = registry_resolve(&folder, model, err);

    free(folder);
    if (r != ERR_NOT_FOUND || !registry_find(model))
        return r;
    if (settings->pull)
        return pull(model, err);
    return err_set(err, ERR_NOT_FOUND,
                   "the model %s is not installed; run: sbert-model pull %s, or start with --pull",
                   model, model);
}

/* --- the child --- */

/* In the child: a session of its own, the log for its output, no folder kept busy. */
static void become_daemon(char **arguments, int log)
{
    int null = open("/dev/null", O_RDONLY);

    setsid();
    if (null < 0 || chdir("/") != 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(127);
    close_range(3, ~0U, 0); /* whatever the caller had open is none of ours */
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static char **child_arguments(const struct settings *settings,
                              const char *const given[SETTING_COUNT])
{
    char **options = settings_arguments(settings, given);
    size_t count = 0;

    while (options && options[count])
        count++;
    char **arguments = options ? calloc(count + 3, sizeof *arguments) : NULL;
    if (!arguments) {
        settings_free_arguments(options);
        return NULL;
    }
    arguments[0] = strdup("sbertd");
    arguments[1] = strdup("run");
    memcpy(arguments + 2, options, count * sizeof *options);
    free(options);
    if (arguments[0] && arguments[1])
        return arguments;
    settings_free_arguments(arguments);
    return NULL;
}

/* Opens the log for appending; *ret_offset is where this run's lines will begin. */
static int open_log(const char *path, int *ret_log, off_t *ret_offset, struct err *err)
{
    int log = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (log < 0)
        return err_set_errno(err, errno, "cannot open the log %s", path);
    *ret_offset = lseek(log, 0, SEEK_END);
    *ret_log = log;
    return 0;
}

static int launch(struct settings *settings, const char *const given[SETTING_COUNT], int log,
                  pid_t *ret_child, struct err *err)
{
    char **arguments = child_arguments(settings, given);
    if (!arguments)
        return err_memory(err, "a command");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become_daemon(arguments, log);
    settings_free_arguments(arguments);
    if (child < 0)
        return err_set_errno(err, errno, "cannot start a process");
    *ret_child = child;
    return 0;
}

/* --- waiting --- */

static void show_log(int log, off_t offset)
{
    char text[LOG_TAIL + 1];
    off_t end = lseek(log, 0, SEEK_END);

    if (end - offset > LOG_TAIL)
        offset = end - LOG_TAIL;
    ssize_t size = pread(log, text, LOG_TAIL, offset);
    if (size > 0)
        fwrite(text, 1, (size_t)size, stderr);
}

/* Whether the daemon of this process says that it is ready; else `doing` gets what it is at, ""
 * where it does not say. */
static bool is_ready(const struct settings *settings, pid_t child, char *doing, size_t size)
{
    struct buf body = {0};
    struct err ignored;
    pid_t pid = 0;
    int status = 0;
    json_t *answer = NULL;
    bool answers = service_probe(settings->socket, "/health", &status, &body, &pid, &ignored) == 0;

    *doing = '\0';
    if (answers && status == 503 &&
        json_parse(&answer, body.data, body.size, "the answer", &ignored) == 0) {
        const json_t *error = json_object_get(answer, "error");
        const char *message = json_string_value(json_object_get(error, "message"));
        snprintf(doing, size, "%s", message ? message : "");
    }
    json_decref(answer);
    buf_release(&body);
    return answers && status == 200 && pid == child;
}

/* What a long wait is told, no more often than it can be read. */
struct explanation {
    double next; /* when the next line may come */
    bool begun;
};

static void explain(struct explanation *explanation, const char *doing, pid_t process,
                    const char *log_path)
{
    if (clock_now() < explanation->next)
        return;
    if (!explanation->begun)
        fprintf(stderr, "sbertd: still loading (process %d); its log is %s\n", (int)process,
                log_path);
    if (*doing)
        fprintf(stderr, "sbertd: %s\n", doing);
    explanation->begun = true;
    explanation->next = clock_now() + EXPLAIN_EVERY_SECONDS;
}

/* Waits until the process is ready (0), or is gone (ERR_NOT_FOUND). */
static int wait_ready(const struct settings *settings, pid_t process, const char *log_path,
                      struct err *err)
{
    struct explanation explanation = {.next = clock_now() + EXPLAIN_AFTER_SECONDS};
    struct pollfd end = {.events = POLLIN};
    char doing[256];
    int r = 0, wait = ASK_SOON_MS;

    if ((end.fd = pidfd_open(process, 0)) < 0)
        return err_set_errno(err, errno, "cannot watch process %d", (int)process);
    while (!is_ready(settings, process, doing, sizeof doing)) {
        if (poll(&end, 1, wait) > 0) {
            r = err_set(err, ERR_NOT_FOUND, "the service did not start");
            break;
        }
        wait = wait < ASK_LATER_MS ? wait + ASK_SOON_MS : wait;
        explain(&explanation, doing, process, log_path);
    }
    close(end.fd);
    return r;
}

static void print_ready(const struct settings *settings, double seconds)
{
    struct buf body = {0};
    struct err err;
    json_t *status = NULL;
    int code = 0;

    if (service_probe(settings->socket, "/v1/status", &code, &body, NULL, &err) == 0 &&
        code == 200 && json_parse(&status, body.data, body.size, "the status", &err) == 0)
        printf("sbertd is ready: %s, %lld dimensions, socket %s (%.2f s)\n",
               json_string_value(json_object_get(status, "model")),
               (long long)json_integer_value(json_object_get(status, "dimension")),
               settings->socket, seconds);
    else
        printf("sbertd is ready: socket %s (%.2f s)\n", settings->socket, seconds);
    json_decref(status);
    buf_release(&body);
}

/* A daemon is there already: waits for it if it is still loading. */
static int join_running(const struct settings *settings, pid_t process)
{
    struct err err = {0};

    if (wait_ready(settings, process, "its own", &err) < 0)
        return fail(&err);
    printf("sbertd is running already (process %d) on %s\n", (int)process, settings->socket);
    return CONTROL_DONE;
}

int control_start(const struct settings *given_settings, const char *const given[SETTING_COUNT])
{
    struct settings settings = *given_settings;
    struct err err = {0};
    double started = clock_now();
    char *own_log = NULL;
    pid_t process;
    off_t offset = 0;
    int log = -1, r, code = CONTROL_FAILED;

    if (service_find(settings.socket, settings.data_folder, &process, &err) == 0) {
        struct buf body = {0};
        int status;
        r = service_probe(settings.socket, "/health", &status, &body, NULL, &err);
        buf_release(&body);
        if (r == 0)
            return join_running(&settings, process);
        err_set(&err, ERR_BUSY,
                "process %d holds the data folder %s; it listens on another socket, or is stopping",
                (int)process, settings.data_folder);
        return fail(&err);
    }
    if (control_need_model(&settings, &err) < 0 ||
        file_make_folder(settings.data_folder, 0700, &err) < 0)
        return fail(&err);
    if (!settings.log_file)
        settings.log_file = own_log = file_join(settings.data_folder, "sbertd.log");
    if (!settings.log_file) {
        err_memory(&err, "a path");
        return fail(&err);
    }
    if ((r = open_log(settings.log_file, &log, &offset, &err)) == 0 &&
        (r = launch(&settings, given, log, &process, &err)) == 0)
        r = wait_ready(&settings, process, settings.log_file, &err);
    if (r == 0) {
        print_ready(&settings, clock_now() - started);
        code = CONTROL_DONE;
    } else {
        code = fail(&err);
        if (log >= 0)
            show_log(log, offset);
    }
    if (log >= 0)
        close(log);
    free(own_log);
    return code;
}
