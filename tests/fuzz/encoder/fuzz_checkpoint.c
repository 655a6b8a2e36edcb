/* Fuzzes the state of a training's checkpoint: any bytes are refused with a reason, or give a step
 * in range and objects. (The file around it is safetensors: fuzz_safetensors.) */
#include <stdlib.h>

#include "encoder/train/trainer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct checkpoint_state state;
    struct err err = {0};

    if (checkpoint_parse(&state, data, size, "input", &err) < 0) {
        require(err.code < 0 && err.message[0] != '\0');
        return 0;
    }
    require(state.step <= 1u << 30);
    require(json_is_object(state.settings) && json_is_object(state.caller));
    json_decref(state.json);
    return 0;
}
