/* openapi.json as it was when this file was compiled: the assembler puts its bytes between two
 * labels. The Makefile names the file as a dependency of this one. */
#include "daemon/openapi.h"

__asm__(".section .rodata\n"
        "openapi_begin: .incbin \"daemon/openapi.json\"\n"
        "openapi_end:\n"
        ".previous\n");

extern const char openapi_begin[], openapi_end[];

const char *openapi_document(size_t *ret_size)
{
    *ret_size = (size_t)(openapi_end - openapi_begin);
    return openapi_begin;
}
