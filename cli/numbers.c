/* Numbers as people read them. It doesn't follow the locale: what it prints is the same
 * everywhere. Thread-safe. */
#include "cli/numbers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *number_count(char ret_text[NUMBER_SIZE], uint64_t count)
{
    char digits[NUMBER_SIZE];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t out = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            ret_text[out++] = ',';
        ret_text[out++] = digits[i];
    }
    ret_text[out] = '\0';
    return ret_text;
}

const char *number_bytes(char ret_text[NUMBER_SIZE], uint64_t bytes)
{
    static const char *const units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        snprintf(ret_text, NUMBER_SIZE, "%" PRIu64 " B", bytes);
        return ret_text;
    }
    double value = (double)bytes / 1000;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(ret_text, NUMBER_SIZE, "%.1f %s", value, units[unit]);
    return ret_text;
}

const char *number_duration(char ret_text[NUMBER_SIZE], double seconds)
{
    /* Beyond some 30 years nobody waits for it, and the conversion stays defined. */
    uint64_t whole = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;
    if (whole >= 3600)
        snprintf(ret_text, NUMBER_SIZE, "%" PRIu64 ":%02d:%02d", whole / 3600,
                 (int)(whole / 60 % 60), (int)(whole % 60));
    else
        snprintf(ret_text, NUMBER_SIZE, "%d:%02d", (int)(whole / 60), (int)(whole % 60));
    return ret_text;
}
