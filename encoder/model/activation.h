/* The activations, by the names that configurations give them. */
#ifndef SBERT_ENCODER_MODEL_ACTIVATION_H
#define SBERT_ENCODER_MODEL_ACTIVATION_H

#include <stdbool.h>

/* The numbers are part of fingerprints: a new one goes to the end. Parameters are the defaults of
 * torch.nn, since a configuration names a class and nothing else. */
enum activation {
    ACTIVATION_GELU,      /* x/2 (1 + erf(x/sqrt 2)) */
    ACTIVATION_GELU_TANH, /* its tanh form */
    ACTIVATION_RELU,
    ACTIVATION_TANH,
    ACTIVATION_IDENTITY,
    ACTIVATION_SIGMOID,
    ACTIVATION_SILU,       /* x sigmoid(x) */
    ACTIVATION_QUICK_GELU, /* x sigmoid(1.702 x) */
    ACTIVATION_GELU_10,    /* GELU cut to [-10, 10] */
    ACTIVATION_LEAKY_RELU, /* 0.01 x below 0 */
    ACTIVATION_RELU6,
    ACTIVATION_RELU_SQUARED,
    ACTIVATION_ELU, /* e^x - 1 below 0 */
    ACTIVATION_SELU,
    ACTIVATION_SOFTPLUS, /* log(1 + e^x) */
    ACTIVATION_SQRT_SOFTPLUS,
    ACTIVATION_MISH, /* x tanh(softplus(x)) */
    ACTIVATION_HARDSWISH,
    ACTIVATION_HARDSIGMOID,
    ACTIVATION_HARDTANH,
    ACTIVATION_SOFTSIGN,
    ACTIVATION_TANHSHRINK,
    ACTIVATION_LOGSIGMOID,
    ACTIVATION_LAPLACE, /* (1 + erf(x))/2 */
};
enum { ACTIVATION_COUNT = ACTIVATION_LAPLACE + 1 };

/* By the name that the `transformers` project has in ACT2FN: "gelu_new". False where there is none.
 */
bool activation_of_transformers(const char *name, enum activation *ret_activation);

/* By the dotted path of a class of torch.nn: "torch.nn.modules.activation.Tanh". */
bool activation_of_torch(const char *path, enum activation *ret_activation);

/* The name to show: torch's class, else the one of `transformers`. */
const char *activation_name(enum activation activation);

/* The names that activation_of_transformers and activation_of_torch know, with commas between. */
extern const char activation_transformers_names[], activation_torch_names[];

#endif
