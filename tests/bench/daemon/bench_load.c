/* Asks a running daemon from many connections at once, and says how many answers came a second and
 * how long each took.
 *
 * usage: bench_load SOCKET LINES [--clients N] [--seconds S] [--pause MS] [--count N] [--route
 * search|embeddings]
 *                   [--collection NAME] [--bodies | --bulk MODEL [--precision P]]
 *
 * Each connection sends a request with one line of LINES, waits for its answer, and sends the next.
 * One thread looks after all connections, so that little of the machine is spent on asking. With
 * --bulk the same texts first go through the encoder in this process, on all processors: the rate
 * that the daemon's is compared with. Times are wall clock: compare within one run. Processor time
 * for each answer is told too, since it depends less on what else the machine does.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "daemon/wire_json.h"
#include "encoder/encoder.h"
#include "encoder/model/registry.h"

enum { CLIENTS_MAX = 1024, ANSWER_MAX = 1 << 20, LATENCIES_MAX = 1 << 22, DEFAULT_COUNT = 10000 };

struct request {
    char *bytes;
    size_t size;
};

struct connection {
    int descriptor;
    size_t sent, received;
    const struct request *request;
    double started;
    double due;   /* when it asks again; 0: an answer is under way, or it has ended */
    char *answer; /* (ANSWER_MAX) */
};

struct bench {
    const char *socket, *lines, *route, *collection, *bulk;
    enum precision precision;
    size_t clients, count;
    bool bodies;           /* the lines are requests' bodies */
    double seconds, pause; /* pause: between an answer and the next question */

    char *text;
    struct encoder_text *texts; /* (count) */
    struct request *requests;   /* (count) */
    size_t next;                /* request to be sent */

    struct connection connections[CLIENTS_MAX];
    int events;
    pid_t daemon;
    float *latencies; /* milliseconds */
    size_t answers, refused;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void die_of(const struct err *err)
{
    fprintf(stderr, "bench_load: %s\n", err->message);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        die("memory");
    return memory;
}

/* --- texts and requests --- */

static void read_texts(struct bench *bench)
{
    struct err err;
    size_t size, n = 0;
    if (file_read(&bench->text, &size, bench->lines, 1 << 30, &err) < 0)
        die_of(&err);
    bench->texts = allocate(bench->count, sizeof *bench->texts);
    for (char *rest = bench->text, *line; n < bench->count && (line = strsep(&rest, "\n"));)
        if (*line)
            bench->texts[n++] = (struct encoder_text){.text = line, .size = strlen(line)};
    if (n == 0) {
        fprintf(stderr, "bench_load: %s has no lines\n", bench->lines);
        exit(1);
    }
    bench->count = n;
}

static void make_request(const struct bench *bench, size_t i, struct request *ret)
{
    bool search = strcmp(bench->route, "search") == 0;
    struct buf body = {0}, whole = {0};
    struct json_writer writer = {.buf = &body};

    if (bench->bodies) {
        json_put_raw(&writer, bench->texts[i].text);
    } else {
        json_open(&writer, '{');
        json_key(&writer, search ? "query" : "input");
        json_text(&writer, bench->texts[i].text, bench->texts[i].size);
        if (!search)
            json_member_string(&writer, "encoding_format", "base64");
        json_close(&writer, '}');
    }
    int r = search ? buf_printf(&whole, "POST /v1/collections/%s/search", bench->collection)
                   : buf_append_string(&whole, "POST /v1/embeddings");
    r |= buf_printf(&whole,
                    " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    body.size);
    r |= buf_append(&whole, body.data, body.size);
    if (r < 0 || writer.failed)
        die("a request");
    buf_release(&body);
    *ret = (struct request){whole.data, whole.size};
}

/* --- one connection --- */

static void send_more(struct connection *connection)
{
    const struct request *request = connection->request;
    while (connection->sent < request->size) {
        ssize_t size = send(connection->descriptor, request->bytes + connection->sent,
                            request->size - connection->sent, MSG_NOSIGNAL);
        if (size < 0)
            die("send"); /* a request fits into the socket's buffer */
        connection->sent += (size_t)size;
    }
}

static void ask(struct bench *bench, struct connection *connection)
{
    connection->request = &bench->requests[bench->next++ % bench->count];
    connection->sent = connection->received = 0;
    connection->started = clock_now();
    connection->due = 0;
    send_more(connection);
}

static void open_connection(struct bench *bench, struct connection *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", bench->socket);
    connection->answer = allocate(1, ANSWER_MAX);
    connection->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0 ||
        connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        die(bench->socket);
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(connection->descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        die("the daemon's process");
    bench->daemon = peer.pid;
    if (epoll_ctl(bench->events, EPOLL_CTL_ADD, connection->descriptor, &event) != 0)
        die("epoll");
}

/* True when the whole answer is there. */
static bool is_whole(const struct connection *connection)
{
    const char *answer = connection->answer;
    const char *end = strstr(answer, "\r\n\r\n");
    const char *length = end ? strcasestr(answer, "\r\nContent-Length:") : NULL;
    if (!length)
        return false;
    size_t head = (size_t)(end - answer) + 4;
    return connection->received >= head + strtoull(length + 17, NULL, 10);
}

/* Reads what has come; true when the answer is whole. */
static bool receive(struct connection *connection)
{
    ssize_t size = recv(connection->descriptor, connection->answer + connection->received,
                        ANSWER_MAX - 1 - connection->received, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        die("the daemon closed a connection");
    if (size < 0)
        return false;
    connection->received += (size_t)size;
    connection->answer[connection->received] = '\0';
    return is_whole(connection);
}

static void take_answer(struct bench *bench, const struct connection *connection)
{
    int status = 0;
    if (sscanf(connection->answer, "HTTP/1.1 %d", &status) != 1 ||
        (status != 200 && status != 503)) {
        fprintf(stderr, "bench_load: %s\n", connection->answer);
        exit(1);
    }
    if (status == 503)
        bench->refused++;
    else if (bench->answers < LATENCIES_MAX)
        bench->latencies[bench->answers++] = (float)((clock_now() - connection->started) * 1e3);
}

/* --- the whole --- */

/* Asks where a pause is over; the milliseconds until the next one is, or -1. */
static int ask_when_due(struct bench *bench)
{
    double now = clock_now(), next = 0;
    for (size_t i = 0; i < bench->clients; i++) {
        struct connection *connection = &bench->connections[i];
        if (connection->due > 0 && connection->due <= now)
            ask(bench, connection);
        else if (connection->due > 0 && (next == 0 || connection->due < next))
            next = connection->due;
    }
    return next > 0 ? (int)((next - now) * 1e3) + 1 : -1;
}

static void run(struct bench *bench, double seconds)
{
    double end = clock_now() + seconds;
    size_t under_way = bench->clients;

    bench->answers = bench->refused = 0;
    for (size_t i = 0; i < bench->clients; i++)
        ask(bench, &bench->connections[i]);
    while (under_way > 0) {
        struct epoll_event events[64];
        int count =
            epoll_wait(bench->events, events, 64, bench->pause > 0 ? ask_when_due(bench) : -1);
        if (count < 0 && errno != EINTR)
            die("epoll");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!receive(connection))
                continue;
            take_answer(bench, connection);
            if (clock_now() >= end)
                under_way--;
            else if (bench->pause > 0)
                connection->due = clock_now() + bench->pause;
            else
                ask(bench, connection);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double share(const struct bench *bench, double of)
{
    size_t place = (size_t)(of * (double)bench->answers);
    if (bench->answers == 0)
        return 0;
    return (double)bench->latencies[place < bench->answers ? place : bench->answers - 1];
}

/* --- processor time, in seconds --- */

static double own_processor_time(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* proc(5), stat: fields 14 and 15, counted from behind the name, which may hold anything. */
static double daemon_processor_time(const struct bench *bench)
{
    char path[64], text[1024] = "";
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)bench->daemon);
    FILE *file = fopen(path, "re");
    if (!file || fread(text, 1, sizeof text - 1, file) == 0)
        die(path);
    fclose(file);
    const char *behind = strrchr(text, ')');
    if (!behind || sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2)
        die(path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* --- the report --- */

static double report(struct bench *bench, double seconds, double daemon_time, double own_time)
{
    double rate = (double)bench->answers / seconds;
    qsort(bench->latencies, bench->answers, sizeof *bench->latencies, compare);
    printf("%zu clients, %s: %.0f answers/s; ms: p50 %.2f p90 %.2f p99 %.2f p99.9 %.2f max %.2f; "
           "%zu answers, %zu refused\n",
           bench->clients, bench->route, rate, share(bench, .5), share(bench, .9),
           share(bench, .99), share(bench, .999), share(bench, 1), bench->answers, bench->refused);
    printf("processor ms an answer: %.3f the daemon, %.3f this program\n",
           daemon_time * 1e3 / (double)bench->answers, own_time * 1e3 / (double)bench->answers);
    return rate;
}

/* Texts a second through the encoder, all at once, on all processors; the best of three. */
static double measure_bulk(const struct bench *bench)
{
    struct encoder *encoder;
    const struct encoder_options how = {.precision = bench->precision};
    struct encoder_crew *crew;
    struct err err;
    char *folder;
    double best = 0;

    if (registry_resolve(&folder, bench->bulk, &err) < 0 ||
        encoder_open(&encoder, folder, &how, &err) < 0 ||
        encoder_crew_open(&crew, encoder, cpu_count(), false, &err) < 0)
        die_of(&err);
    float *vectors = allocate(bench->count, encoder_info(encoder)->dimension * sizeof *vectors);
    double least_time = 0;
    for (int round = 0; round < 3; round++) {
        double start = clock_now(), started = own_processor_time();
        if (encoder_encode(crew, bench->texts, bench->count, NULL, vectors, NULL, NULL, &err) < 0)
            die_of(&err);
        double rate = (double)bench->count / (clock_now() - start);
        best = rate > best ? rate : best;
        double time = (own_processor_time() - started) / (double)bench->count;
        least_time = round == 0 || time < least_time ? time : least_time;
    }
    printf("bulk, in this process, %s: %.0f texts/s, %.3f processor ms a text\n",
           encoder_info(encoder)->precision, best, least_time * 1e3);
    encoder_crew_close(crew);
    encoder_close(encoder);
    free(vectors);
    free(folder);
    return best;
}

/* --- the command line --- */

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct bench *bench = state->input;
    switch (key) {
    case 'c':
        bench->clients = strtoul(argument, NULL, 10);
        if (bench->clients < 1 || bench->clients > CLIENTS_MAX)
            argp_error(state, "--clients is 1 to %d", CLIENTS_MAX);
        return 0;
    case 's':
        bench->seconds = strtod(argument, NULL);
        return 0;
    case 'p':
        bench->pause = strtod(argument, NULL) / 1e3;
        return 0;
    case 'n':
        bench->count = strtoul(argument, NULL, 10);
        return 0;
    case 'r':
        bench->route = argument;
        return 0;
    case 'C':
        bench->collection = argument;
        return 0;
    case 'P':
        if (precision_parse(argument, &bench->precision, NULL) < 0)
            argp_error(state, "--precision is auto, f32, bf16 or int8");
        return 0;
    case 'B':
        bench->bodies = true;
        return 0;
    case 'b':
        bench->bulk = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_usage(state);
        *(state->arg_num == 0 ? &bench->socket : &bench->lines) = argument;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"clients", 'c', "N", 0, "connections (64)", 0},
    {"seconds", 's', "S", 0, "how long (5)", 0},
    {"pause", 'p', "MS", 0, "between an answer and the next question (none)", 0},
    {"count", 'n', "N", 0, "lines to use (10000)", 0},
    {"route", 'r', "ROUTE", 0, "search or embeddings (embeddings)", 0},
    {"collection", 'C', "NAME", 0, "to search (default)", 0},
    {"precision", 'P', "P", 0, "of --bulk (auto)", 0},
    {"bodies", 'B', NULL, 0, "LINES holds requests' bodies, one a line", 0},
    {"bulk", 'b', "MODEL", 0, "first measure the encoder alone", 0},
    {0},
};

int main(int argc, char **argv)
{
    static struct bench bench = {.clients = 64,
                                 .seconds = 5,
                                 .count = DEFAULT_COUNT,
                                 .route = "embeddings",
                                 .collection = "default"};
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "SOCKET LINES"};

    argp_parse(&argp, argc, argv, 0, NULL, &bench);
    read_texts(&bench);
    bench.requests = allocate(bench.count, sizeof *bench.requests);
    bench.latencies = allocate(LATENCIES_MAX, sizeof *bench.latencies);
    for (size_t i = 0; i < bench.count; i++)
        make_request(&bench, i, &bench.requests[i]);
    double bulk = bench.bulk ? measure_bulk(&bench) : 0;
    if ((bench.events = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll");
    for (size_t i = 0; i < bench.clients; i++)
        open_connection(&bench, &bench.connections[i]);
    run(&bench, bench.seconds < 1 ? bench.seconds / 4 : 0.25); /* to be warm */
    double start = clock_now(), own = own_processor_time(), daemon = daemon_processor_time(&bench);
    run(&bench, bench.seconds);
    double rate = report(&bench, clock_now() - start, daemon_processor_time(&bench) - daemon,
                         own_processor_time() - own);
    if (bulk > 0)
        printf("of the bulk rate: %.2f\n", rate / bulk);
    return 0;
}
