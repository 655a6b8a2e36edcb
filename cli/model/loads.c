/* Trying a model's folder. */
#include "cli/model/loads.h"

#include "encoder/cross_encoder.h"
#include "encoder/encoder.h"

int model_loads(const char *folder, struct err *err)
{
    struct encoder *encoder;
    struct cross_encoder *cross;
    int r = encoder_open(&encoder, folder, NULL, err);
    if (r == 0)
        encoder_close(encoder);
    if (r != ERR_UNSUPPORTED || cross_encoder_open(&cross, folder, NULL, NULL) < 0)
        return r;
    cross_encoder_close(cross);
    return 0;
}
