/* Errors, colour and widths for the programs. It doesn't draw: progress.c does. The program's name
 * is the only state, set once at start; the rest is thread-safe as stdio is. */
#include "cli/terminal.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include "base/standard.h"
#include "base/utf8.h"

static const char *program_name = "sbertd";
static char program_version[64];

/* For what argp prints and then exits: --help, --version. */
static void check_output(void)
{
    if (terminal_finish(EXIT_FOUND) != EXIT_FOUND)
        _exit(EXIT_ERROR);
}

void terminal_setup(const char *program)
{
    program_name = program;
    snprintf(program_version, sizeof program_version, "%s (sbertd) %s", program, SBERTD_VERSION);
    argp_program_version = program_version;
    argp_err_exit_status = EXIT_ERROR;
    /* Two lines of every --help that tell nobody anything. */
    setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
    standard_hold();
    atexit(check_output);
}

/* Names of files and words of others come into messages: what would steer the terminal is shown as
 * a question mark. */
static void print_safely(const char *message)
{
    for (; *message; message++) {
        unsigned char byte = (unsigned char)*message;
        bool steers = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F;
        fputc(steers ? '?' : byte, stderr);
    }
}

static void print(const char *colour, const char *kind, const char *format, va_list arguments)
{
    bool coloured = terminal_colour(STDERR_FILENO);
    char *message = NULL;
    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    flockfile(stderr);
    fprintf(stderr, "%s%s: %s%s", coloured ? colour : "", program_name, kind,
            coloured ? "\x1b[0m" : "");
    print_safely(message ? message : format);
    fputc('\n', stderr);
    funlockfile(stderr);
    free(message);
}

int terminal_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print("\x1b[31m", "", format, arguments);
    va_end(arguments);
    return EXIT_ERROR;
}

int terminal_fail(const struct err *err)
{
    return terminal_error("%s", err->message);
}

void terminal_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print("\x1b[33m", "warning: ", format, arguments);
    va_end(arguments);
}

bool terminal_colour(int fd)
{
    const char *none = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if ((none && *none) || (term && strcmp(term, "dumb") == 0))
        return false;
    return isatty(fd) == 1;
}

int terminal_width(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    long value = columns ? strtol(columns, NULL, 10) : 0;
    return value > 0 && value < INT_MAX ? (int)value : 80;
}

/* The columns of the character at text[0..size) and its length in bytes. */
static int character_columns(const char *text, size_t size, size_t *ret_length)
{
    uint32_t code_point = 0;
    size_t length = utf8_decode(text, size, &code_point);
    *ret_length = length ? length : 1;
    return length ? utf8proc_charwidth((utf8proc_int32_t)code_point) : 1;
}

int terminal_columns(const char *text, size_t size)
{
    int columns = 0;
    for (size_t at = 0, length = 0; at < size; at += length) {
        int wide = character_columns(text + at, size - at, &length);
        if (columns > INT_MAX - wide)
            return INT_MAX;
        columns += wide;
    }
    return columns;
}

size_t terminal_fit(const char *text, size_t size, int columns)
{
    int used = 0;
    size_t at = 0;
    for (size_t length = 0; at < size; at += length) {
        used += character_columns(text + at, size - at, &length);
        if (used > columns)
            break;
    }
    return at;
}

int terminal_finish(int code)
{
    struct err err;
    return standard_flush(&err) < 0 ? terminal_fail(&err) : code;
}
