/* The protocol as an OpenAPI 3.1 document: daemon/openapi.json, built into the program. */
#ifndef SBERT_DAEMON_OPENAPI_H
#define SBERT_DAEMON_OPENAPI_H

#include <stddef.h>

/* JSON text of *ret_size bytes. */
const char *openapi_document(size_t *ret_size);

#endif
