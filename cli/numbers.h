/* Numbers as people read them: 60,000, 1.5 MB, 1:14. */
#ifndef SBERT_CLI_NUMBERS_H
#define SBERT_CLI_NUMBERS_H

#include <stdint.h>

/* Room for any of the texts below. */
enum { NUMBER_SIZE = 32 };

/* Each writes into `ret_text` and returns it, so that it can stand in a call to printf. */
const char *number_count(char ret_text[NUMBER_SIZE], uint64_t count);    /* "60,000" */
const char *number_bytes(char ret_text[NUMBER_SIZE], uint64_t bytes);    /* "1.5 MB" */
const char *number_duration(char ret_text[NUMBER_SIZE], double seconds); /* "1:14", "2:03:10" */

#endif
