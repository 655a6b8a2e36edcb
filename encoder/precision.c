/* The names of the precisions. */
#include "encoder/precision.h"

#include <string.h>

static const char *const names[] = {
    [PRECISION_AUTO] = "auto",
    [PRECISION_F32] = "f32",
    [PRECISION_BF16] = "bf16",
    [PRECISION_INT8] = "int8",
};

int precision_parse(const char *name, enum precision *ret_precision, struct err *err)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) {
            *ret_precision = (enum precision)i;
            return 0;
        }
    return err_set(err, ERR_INVALID, "no precision '%.64s': auto, f32, bf16 and int8 are known",
                   name);
}

const char *precision_name(enum precision precision)
{
    return names[precision];
}
