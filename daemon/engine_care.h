/* Care of what is on disk: checked and backed up while the engine runs; checked, repaired and
 * restored where none does.
 *
 * Threads: the calls with an engine are as its others; those with a folder take its lock, so that
 * ERR_BUSY says which process has it.
 */
#ifndef SBERT_DAEMON_ENGINE_CARE_H
#define SBERT_DAEMON_ENGINE_CARE_H

#include "daemon/engine.h"
#include "storage/backup.h"

/* What a check found; strings from the arena. */
struct engine_check {
    const char **problems; /* something is wrong with the data */
    size_t problem_count;
    const char **notes; /* costs time and nothing else, as a snapshot that is damaged */
    size_t note_count;
    size_t collections;
    int64_t documents, passages;
};

/* SQLite's check of the file and ours of what the tables promise; then that each index holds just
 * the store's passages, with their vectors. Changes of a collection wait while it is compared.
 * Failing is failing to check; what is wrong stands in *ret_check. */
int engine_check(struct engine *engine, struct arena *arena, struct engine_check *ret_check,
                 struct err *err);

/* The same of a folder that no daemon runs on; of the indexes it looks at the snapshots'
 * checksums. */
int engine_check_folder(const char *data_folder, struct arena *arena,
                        struct engine_check *ret_check, struct err *err);

/* As store_backup. One at a time: ERR_BUSY. */
int engine_backup(struct engine *engine, const char *path, struct err *err);
/* Pages of the backup under way; both 0: there is none. */
void engine_backup_progress(struct engine *engine, int64_t *ret_done, int64_t *ret_total);

/* As store_restore; index snapshots of what was there go. */
int engine_restore(const char *data_folder, const char *backup, bool replace, char **ret_kept,
                   struct err *err);

struct engine_repair {
    bool needed;                  /* false: the store was whole and is as it was */
    struct store_salvage salvage; /* where it was needed */
    char *kept;                   /* where the damaged store is now, in fresh memory, or NULL */
};

/* Makes a damaged store whole by salvage (the damaged one is kept), and removes the index snapshots
 * so that the next start builds the indexes from the store. */
int engine_repair(const char *data_folder, struct engine_repair *ret_repair, struct err *err);

#endif
