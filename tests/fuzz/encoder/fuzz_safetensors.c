/* Fuzzes the safetensors reader: any bytes are refused, or every tensor lies within them, has the
 * size that its shape and dtype make, and is found by its name. */
#include <stdlib.h>

#include "encoder/model/safetensors.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct safetensors *file;
    struct err err = {0};

    if (safetensors_parse(&file, data, size, "input", &err) < 0) {
        require(err.code < 0 && err.message[0] != '\0');
        return 0;
    }
    size_t sum = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct tensor *tensor = safetensors_at(file, i);
        size_t elements = 1;
        for (size_t j = 0; j < tensor->dimensions; j++)
            elements *= tensor->shape[j];
        require(safetensors_find(file, tensor->name) == tensor);
        require(tensor->data >= data && tensor->size <= size);
        require(tensor->data + tensor->size <= data + size);
        if (tensor->dtype == DTYPE_F32)
            require(tensor->size == elements * 4);
        if (tensor->dtype == DTYPE_F16 || tensor->dtype == DTYPE_BF16)
            require(tensor->size == elements * 2);
        sum += tensor->size;
    }
    require(sum < size);
    safetensors_close(file);
    return 0;
}
