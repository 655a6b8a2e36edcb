/* The commands of sbert-model. Each prints what it has to say and returns the program's exit code.
 */
#ifndef SBERT_CLI_MODEL_COMMANDS_H
#define SBERT_CLI_MODEL_COMMANDS_H

#include <stdbool.h>

enum model_source { SOURCE_AUTO, SOURCE_HUB, SOURCE_PIP };

/* Whether a model gets the prompts that are known for it: PROMPTS_AUTO is what --prompts was not
 * given for, pull adds them and import leaves the folder as it is. */
enum model_prompts { PROMPTS_AUTO, PROMPTS_KNOWN, PROMPTS_NONE };

struct model_options {
    const char *argument; /* NAME, DIR or FILE; NULL for list */
    const char *name;     /* --name, for import and pull; or NULL */
    enum model_source source;
    enum model_prompts prompts; /* --prompts, for import and pull */
    bool all;                   /* list: in JSON, also what is known and not installed */
    bool json, yes, quiet;
};

int sbert_model_pull(const struct model_options *options);
int sbert_model_import(const struct model_options *options);
int sbert_model_verify(const struct model_options *options);
int sbert_model_list(const struct model_options *options);
int sbert_model_show(const struct model_options *options);
int sbert_model_rm(const struct model_options *options);

#endif
