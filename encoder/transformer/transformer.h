/* The transformer's forward pass: token ids in, hidden states and pooled vectors out.
 *
 * A transformer is a model with its weights prepared for one backend and one instruction set. It is
 * constant after opening and shared by all threads; each thread brings a workspace. The forward
 * pass allocates nothing. No padding: the sequences of a batch stand behind each other, and only
 * attention and pooling look at where one ends.
 */
#ifndef SBERT_ENCODER_TRANSFORMER_TRANSFORMER_H
#define SBERT_ENCODER_TRANSFORMER_TRANSFORMER_H

#include "base/err.h"
#include "encoder/kernels/kernels.h"
#include "encoder/kernels/matmul.h"
#include "encoder/model/model.h"
#include "encoder/transformer/team.h"
#include "encoder/transformer/workspace.h"

struct transformer;

/* Prepares the model's weights. The model must outlive the transformer. */
int transformer_open(struct transformer **ret_transformer, const struct model *model,
                     const struct kernels *kernels, const struct matmul_backend *backend,
                     struct err *err);
void transformer_close(struct transformer *transformer); /* accepts NULL */

/* Where its packed weights are from, in a clause: for people. */
const char *transformer_weights_source(const struct transformer *transformer);

/* The backend that it was opened with, for sizing workspaces. */
const struct matmul_backend *transformer_backend(const struct transformer *transformer);

/* workspace->x (tokens, hidden_size) = the embeddings of workspace->batch, normed. No sequence may
 * be empty or longer than the model has positions. The workspace is one for this transformer's
 * backend; workspace->input goes along with x. */
void transformer_embed(const struct transformer *transformer, struct workspace *workspace);

/* workspace->x = layer(workspace->x), for layer in [0, model->layers). With a team, the calling
 * thread leads it; the result is the same bit for bit. `team` may be NULL. */
void transformer_run_layer(const struct transformer *transformer, size_t layer,
                           struct workspace *workspace, struct team *team);

/* Embeddings and all layers. */
void transformer_forward(const struct transformer *transformer, struct workspace *workspace,
                         struct team *team);

/* Pools sequence `i` of workspace->x, without its first `left_out` tokens (see pooling_run), and
 * runs the modules that follow: ret_vector (dimension). */
void transformer_pool(const struct transformer *transformer, const struct workspace *workspace,
                      size_t i, size_t left_out, float *ret_vector);

#endif
