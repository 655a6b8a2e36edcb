/* Any bytes as the daemon's configuration file: it is refused by file and line, or gives settings
 * whose paths are absolute. */
#include <stdint.h>
#include <string.h>

#include "daemon/settings.h"
#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
    if (path && *path != '/')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *file;
    struct settings settings = {0};
    struct err err = {0};
    if (memory_folder_open())
        file = memory_folder_file("sbertd.conf");
    memory_folder_write(file, data, size);

    const char *const given[SETTING_COUNT] = {[SETTING_CONFIG] = file};
    int r = settings_load(&settings, given, &err);
    if (r < 0) {
        if (err.code != r || !err.message[0] || r == ERR_INTERNAL)
            abort();
        return 0;
    }
    check_path(settings.socket);
    check_path(settings.data_folder);
    check_path(settings.log_file);
    if (!settings.socket || !settings.data_folder || settings.threads < 0 ||
        (settings.socket_mode & ~(mode_t)0777))
        abort();
    char **arguments = settings_arguments(&settings, given);
    if (!arguments)
        abort();
    settings_free_arguments(arguments);
    settings_release(&settings);
    return 0;
}
