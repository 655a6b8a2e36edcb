/* Trying a model's folder. */
#include "cli/model/loads.h"

#include "encoder/encoder.h"

int model_loads(const char *folder, struct err *err)
{
    struct encoder *encoder;
    int r = encoder_open(&encoder, folder, NULL, err);
    if (r == 0)
        encoder_close(encoder);
    return r;
}
