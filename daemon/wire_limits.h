/* The limits of the protocol, in one table; docs/PROTOCOL.md gives the same. */
#ifndef SBERT_DAEMON_WIRE_LIMITS_H
#define SBERT_DAEMON_WIRE_LIMITS_H

enum {
    /* bodies */
    LIMIT_BODY = 32 << 20,              /* bytes of a JSON body */
    LIMIT_LINE = 32 << 20,              /* bytes of one NDJSON line */
    LIMIT_BATCH_LINES = 512,            /* NDJSON lines committed at once */
    LIMIT_BATCH_BYTES = 4 << 20,        /* and their bytes */
    LIMIT_DISCARD = 64 << 20,           /* bytes of a refused body that are read before closing */
    LIMIT_BODIES = 256 << 20,           /* bytes of all bodies in memory */
    LIMIT_ANSWER_IDS = 16 << 20,        /* bytes of an NDJSON answer; ids are left out beyond */
    LIMIT_CONNECTION_MEMORY = 64 << 10, /* a connection's buffer: request line and headers, or a
                                           piece of a body */
    LIMIT_INTERACTIVE = 16 << 10,       /* bytes of an add or embeddings body that is not bulk */

    /* what is in them */
    LIMIT_DOCUMENTS = 10000,  /* documents of a JSON add */
    LIMIT_TEXT = 16 << 20,    /* bytes of a text */
    LIMIT_ID = 512,           /* bytes of a document's id */
    LIMIT_METADATA = 1 << 20, /* bytes of a document's metadata */
    LIMIT_PATH = 4096,        /* bytes of a source's path */
    LIMIT_DELETE_IDS = 10000, /* ids of a delete */
    LIMIT_QUERIES = 256,      /* queries of a search */
    LIMIT_TOP_K = 1000,       /* hits of a search */
    LIMIT_INPUTS = 2048,      /* inputs of embeddings, texts of similarity */
    LIMIT_DIMENSION = 65536,  /* floats of a vector */
    LIMIT_LIST = 1000,        /* documents of a list */
    LIMIT_EXPORT = 8 << 20,   /* bytes after which a page of an export ends */
    LIMIT_FILTER = 10000,     /* conditions and values of a filter */
    LIMIT_FILTER_DEPTH = 16,  /* levels of a filter's nesting */

    /* connections */
    LIMIT_CONNECTIONS = 256,
    LIMIT_IDLE_SECONDS = 60,
    LIMIT_BODY_SECONDS = 300,        /* for a JSON body to arrive, or a batch of NDJSON lines */
    LIMIT_WAITING_INTERACTIVE = 128, /* requests in the queue */
    LIMIT_WAITING_BULK = 32,
};

enum { DEFAULT_TOP_K = 10, DEFAULT_LIST = 100 };

#endif
