/* Downloads from the model hub. One caller at a time. */
#include "cli/model/hub.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/model/folders.h"
#include "cli/model/listing.h"
#include "cli/model/pinned.h"

#define HUB_ENDPOINT "https://huggingface.co"

enum {
    FRUITLESS_LIMIT = 4, /* attempts in a row that brought nothing, once something came */
    LISTING_LIMIT = 8 << 20,
    LISTING_PAGES = 1000,
    STALL_SECONDS = 30, /* without a byte: the connection is given up and tried anew */
    HTTP_OK = 200,
    HTTP_ERRORS = 400,
    HTTP_UNAUTHORIZED = 401, /* the hub's answer for what does not exist, too */
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_RANGE_REFUSED = 416,
};

/* One file on its way. */
struct download {
    CURL *curl;
    const struct registry_file *file;
    char *url, *path, *part;
    FILE *stream;   /* appends to `part` */
    uint64_t have;  /* bytes in `part` */
    uint64_t start; /* where this attempt began */
    bool began;     /* the body of this attempt has begun */
    bool too_large;
    struct progress *progress;
    uint64_t before;              /* bytes of the files before this one */
    char reason[CURL_ERROR_SIZE]; /* libcurl's, as long as `curl` lives */
};

static size_t take_bytes(char *bytes, size_t one, size_t size, void *argument)
{
    struct download *download = argument;
    long status = 0;
    (void)one;

    curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= HTTP_ERRORS)
        return size;
    if (!download->began && status == HTTP_OK && download->have > 0) {
        /* The server does not do ranges and sends all of it again. */
        if (fflush(download->stream) != 0 || ftruncate(fileno(download->stream), 0) < 0)
            return 0;
        download->have = 0;
    }
    download->began = true;
    if (size > download->file->size - download->have) {
        download->too_large = true;
        return 0;
    }
    size_t written = fwrite(bytes, 1, size, download->stream);
    download->have += written;
    progress_update(download->progress, download->before + download->have);
    return written;
}

/* What every request has. */
static CURLcode set_common(CURL *curl, const char *url, char *reason, int connect_seconds)
{
    CURLcode bad = curl_easy_setopt(curl, CURLOPT_URL, url);

    bad |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    bad |= curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    bad |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)connect_seconds);
    bad |= curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    bad |= curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    bad |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(curl, CURLOPT_USERAGENT, "sbertd/" SBERTD_VERSION);
    bad |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    return bad;
}

static int set_options(struct download *download, int connect_seconds, struct err *err)
{
    CURL *curl = download->curl;
    CURLcode bad = set_common(curl, download->url, download->reason, connect_seconds);

    bad |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    bad |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, download);
    return bad == CURLE_OK ? 0 : err_set(err, ERR_INTERNAL, "libcurl refuses an option");
}

/* Failures of the connection, after which the rest may still come. */
static bool may_go_on(CURLcode code)
{
    return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
           code == CURLE_COULDNT_CONNECT || code == CURLE_HTTP2_STREAM || code == CURLE_HTTP2;
}

/* One request for what is missing. 0 when the file is complete, 1 when it broke off and may be
 * asked for again. */
static int attempt(struct download *download, struct err *err)
{
    char range[32];
    long status = 0;

    snprintf(range, sizeof range, "%" PRIu64 "-", download->have);
    curl_easy_setopt(download->curl, CURLOPT_RANGE, download->have ? range : NULL);
    download->start = download->have;
    download->began = false;
    errno = 0;
    CURLcode code = curl_easy_perform(download->curl);
    curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &status);

    if (download->too_large)
        return err_set(err, ERR_CORRUPT, "%s is larger than the %" PRIu64 " bytes expected",
                       download->url, download->file->size);
    if (code == CURLE_WRITE_ERROR)
        return err_set_errno(err, errno ? errno : EIO, "cannot write %s", download->part);
    if (may_go_on(code))
        return 1;
    if (code != CURLE_OK)
        return err_set(err, ERR_IO, "%s: %s", download->url,
                       *download->reason ? download->reason : curl_easy_strerror(code));
    if (status == HTTP_RANGE_REFUSED)
        return err_set(err, ERR_CORRUPT, "%s has no bytes after %" PRIu64, download->url,
                       download->have);
    if (status >= HTTP_ERRORS)
        return err_set(err, status == HTTP_NOT_FOUND ? ERR_NOT_FOUND : ERR_IO,
                       "%s: the server answers %ld", download->url, status);
    if (download->have < download->file->size)
        return err_set(err, ERR_CORRUPT, "%s has %" PRIu64 " bytes where %" PRIu64 " are expected",
                       download->url, download->have, download->file->size);
    return 0;
}

/* Asks again while it goes forward, and a few times where it does not, with growing pauses. Where
 * nothing ever came, the first failure is final. */
static int receive(struct download *download, int connect_seconds, struct err *err)
{
    bool any = false;
    int fruitless = 0;

    int r = set_options(download, connect_seconds, err);
    while (r == 0 && download->have < download->file->size) {
        r = attempt(download, err);
        if (r <= 0)
            break;
        r = 0;
        bool forward = download->began && download->have > download->start;
        any = any || forward;
        fruitless = forward ? 0 : fruitless + 1;
        if (!any || fruitless >= FRUITLESS_LIMIT)
            r = err_set(err, ERR_IO, "%s: %s", download->url, download->reason);
        else if (fruitless > 0)
            sleep(1U << (fruitless - 1));
    }
    return r;
}

static int open_part(struct download *download, struct err *err)
{
    int r = folders_make_above(download->part, err);
    if (r < 0)
        return r;
    download->stream = fopen(download->part, "ae");
    if (!download->stream)
        return err_set_errno(err, errno, "cannot write %s", download->part);
    off_t size = fseeko(download->stream, 0, SEEK_END) < 0 ? -1 : ftello(download->stream);
    if (size < 0 || (uint64_t)size > download->file->size) {
        if (ftruncate(fileno(download->stream), 0) < 0)
            return err_set_errno(err, errno, "cannot write %s", download->part);
        size = 0;
    }
    download->have = (uint64_t)size;
    return 0;
}

static int close_part(struct download *download, struct err *err)
{
    int failed = 0;
    if (!download->stream)
        return 0;
    if (fflush(download->stream) != 0 || fsync(fileno(download->stream)) < 0)
        failed = errno;
    if (fclose(download->stream) != 0 && !failed)
        failed = errno;
    download->stream = NULL;
    return failed ? err_set_errno(err, failed, "cannot write %s", download->part) : 0;
}

/* Receives, checks, and gives the file its name. What is not the pinned file is removed. */
static int fetch_once(struct download *download, int connect_seconds, struct err *err)
{
    struct err closing;
    int r = open_part(download, err);
    if (r == 0)
        r = receive(download, connect_seconds, err);
    int closed = close_part(download, r == 0 ? err : &closing);
    if (r == 0)
        r = closed;
    if (r == 0)
        r = pinned_check_file(download->part, download->file, err);
    if (r == ERR_CORRUPT) {
        unlink(download->part);
        return err_prefix(err, "%s is not the file that was expected and was dropped",
                          download->url);
    }
    if (r == 0 && rename(download->part, download->path) < 0)
        r = err_set_errno(err, errno, "cannot create %s", download->path);
    return r;
}

static int fetch_file(struct download *download, int connect_seconds, struct err *err)
{
    int r;
    bool resumed = download->file->sha256 && file_exists(download->part);

    /* Without a hash, what is there may be of another time. */
    if (!download->file->sha256)
        unlink(download->part);
    else if (pinned_check_file(download->path, download->file, NULL) == 0)
        return 0;
    r = fetch_once(download, connect_seconds, err);
    /* The part may have been of another file: once more from the start. */
    if (resumed && r == ERR_CORRUPT)
        r = fetch_once(download, connect_seconds, err);
    return r;
}

/* The hub's address without a / at its end, and its length. */
static const char *hub_endpoint(int *ret_length)
{
    const char *endpoint = getenv("HF_ENDPOINT");

    if (!endpoint || !*endpoint)
        endpoint = HUB_ENDPOINT;
    size_t length = strlen(endpoint);
    while (length > 0 && endpoint[length - 1] == '/')
        length--;
    *ret_length = (int)length;
    return endpoint;
}

/* The address of a file at the hub, in fresh memory; NULL when memory runs out. */
static char *hub_url(const struct registry_model *model, const struct registry_file *file)
{
    int length;
    const char *endpoint = hub_endpoint(&length);
    char *url;

    int n = asprintf(&url, "%.*s/%s/resolve/%s/%s", length, endpoint, model->hub_name,
                     model->hub_revision, file->path);
    return n < 0 ? NULL : url;
}

static size_t take_listing(char *bytes, size_t one, size_t size, void *argument)
{
    struct buf *json = argument;
    (void)one;
    if (size > LISTING_LIMIT - json->size || buf_append(json, bytes, size) < 0)
        return 0;
    return size;
}

/* Where the answer to `url` says that it goes on, in fresh memory; NULL where it ends. */
static int next_page(CURL *curl, const char *url, char **ret_url, struct err *err)
{
    struct curl_header *header;
    char *next = NULL, *resolved = NULL, *whole;

    *ret_url = NULL;
    for (size_t i = 0;
         !next && curl_easy_header(curl, "Link", i, CURLH_HEADER, -1, &header) == CURLHE_OK; i++)
        next = listing_next(header->value);
    if (!next)
        return 0;
    CURLU *address = curl_url();
    bool good = address && curl_url_set(address, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_set(address, CURLUPART_URL, next, 0) == CURLUE_OK &&
                curl_url_get(address, CURLUPART_URL, &resolved, 0) == CURLUE_OK;
    int r = good ? 0 : err_set(err, ERR_CORRUPT, "%s goes on at no address: %.200s", url, next);
    whole = good ? strdup(resolved) : NULL;
    if (good && !whole)
        r = err_memory(err, "a download");
    *ret_url = whole;
    curl_free(resolved);
    curl_url_cleanup(address);
    free(next);
    return r;
}

static int request_listing(CURL *curl, const char *url, int connect_seconds, struct buf *json,
                           struct err *err)
{
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode bad = set_common(curl, url, reason, connect_seconds);

    bad |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_listing);
    bad |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, json);
    if (bad != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl refuses an option");
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_WRITE_ERROR)
        return err_set(err, ERR_LIMIT, "%s: the listing is larger than %d MiB", url,
                       LISTING_LIMIT >> 20);
    if (code != CURLE_OK)
        return err_set(err, ERR_IO, "%s: %s", url, *reason ? reason : curl_easy_strerror(code));
    if (status == HTTP_NOT_FOUND || status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN)
        return err_set(err, ERR_NOT_FOUND,
                       "the hub has no such model that anyone may read (%s answers %ld)", url,
                       status);
    if (status != HTTP_OK)
        return err_set(err, ERR_IO, "%s: the server answers %ld", url, status);
    return 0;
}

/* Adds a page, a list, to those before it. */
static int add_page(json_t *all, const struct buf *page, const char *url, struct err *err)
{
    json_t *list =
        json_loadb(page->data ? page->data : "", page->size, JSON_REJECT_DUPLICATES, NULL);
    int r = json_is_array(list) ? 0 : err_set(err, ERR_CORRUPT, "%s is no JSON list", url);

    if (r == 0 && json_array_extend(all, list) < 0)
        r = err_memory(err, "a listing");
    json_decref(list);
    return r;
}

/* Asks for a listing page after page, and makes one list of them. Frees the first page's `url`. */
static int request_pages(CURL *curl, char *url, int connect_seconds, struct buf *json,
                         struct err *err)
{
    json_t *all = json_array();
    size_t bytes = 0;
    char *text = NULL;
    int r = all ? 0 : err_memory(err, "a listing");

    for (int pages = 1; r == 0 && url; pages++) {
        struct buf page = {0};
        char *next = NULL;
        if ((r = request_listing(curl, url, connect_seconds, &page, err)) == 0 &&
            (r = next_page(curl, url, &next, err)) == 0)
            r = add_page(all, &page, url, err);
        bytes += page.size;
        if (r == 0 && (pages == LISTING_PAGES || bytes > LISTING_LIMIT))
            r = err_set(err, ERR_LIMIT, "%s: the listing has over %d pages or %d MiB", url,
                        LISTING_PAGES, LISTING_LIMIT >> 20);
        buf_release(&page);
        free(url);
        url = next;
    }
    free(url);
    if (r == 0 && (!(text = json_dumps(all, JSON_COMPACT)) || buf_append_string(json, text) < 0))
        r = err_memory(err, "a listing");
    free(text);
    json_decref(all);
    return r;
}

int hub_list(const char *hub_name, int connect_seconds, struct buf *json, struct err *err)
{
    int length;
    const char *endpoint = hub_endpoint(&length);
    char *url = NULL;
    CURL *curl = curl_easy_init();

    if (!curl)
        return err_set(err, ERR_INTERNAL, "libcurl does not start");
    if (asprintf(&url, "%.*s/api/models/%s/tree/main?recursive=true", length, endpoint, hub_name) <
        0)
        url = NULL;
    int r =
        url ? request_pages(curl, url, connect_seconds, json, err) : err_memory(err, "a download");
    curl_easy_cleanup(curl);
    return r;
}

int hub_fetch(const struct registry_model *model, const char *folder, int connect_seconds,
              struct progress *progress, struct err *err)
{
    struct download download = {.progress = progress, .curl = curl_easy_init()};
    int r = download.curl ? 0 : err_set(err, ERR_INTERNAL, "libcurl does not start");

    for (size_t i = 0; r == 0 && i < model->file_count; i++) {
        download.file = &model->files[i];
        download.url = hub_url(model, download.file);
        download.path = file_join(folder, download.file->path);
        if (!download.url || !download.path ||
            asprintf(&download.part, "%s.part", download.path) < 0)
            r = err_memory(err, "a download");
        else
            r = fetch_file(&download, connect_seconds, err);
        download.before += download.file->size;
        if (r == 0)
            progress_update(progress, download.before);
        free(download.url);
        free(download.path);
        free(download.part);
        download.url = download.path = download.part = NULL;
    }
    curl_easy_cleanup(download.curl);
    return r;
}
