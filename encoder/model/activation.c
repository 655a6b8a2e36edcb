/* One table of names. What each activation computes stands in encoder/kernels. */
#include "encoder/model/activation.h"

#include <stddef.h>
#include <string.h>

/* The first row of an activation gives the name to show. */
static const struct {
    enum activation activation;
    const char *transformers, *torch;
} names[] = {
    {ACTIVATION_GELU, "gelu", "GELU"},
    {ACTIVATION_GELU, "gelu_python", NULL},
    {ACTIVATION_GELU_TANH, "gelu_new", NULL},
    {ACTIVATION_GELU_TANH, "gelu_fast", NULL},
    {ACTIVATION_GELU_TANH, "gelu_pytorch_tanh", NULL},
    {ACTIVATION_GELU_TANH, "gelu_python_tanh", NULL},
    {ACTIVATION_GELU_TANH, "gelu_accurate", NULL},
    {ACTIVATION_GELU_10, "gelu_10", NULL},
    {ACTIVATION_QUICK_GELU, "quick_gelu", NULL},
    {ACTIVATION_RELU, "relu", "ReLU"},
    {ACTIVATION_RELU6, "relu6", "ReLU6"},
    {ACTIVATION_RELU_SQUARED, "relu2", NULL},
    {ACTIVATION_LEAKY_RELU, "leaky_relu", "LeakyReLU"},
    {ACTIVATION_SILU, "silu", "SiLU"},
    {ACTIVATION_SILU, "swish", NULL},
    {ACTIVATION_TANH, "tanh", "Tanh"},
    {ACTIVATION_SIGMOID, "sigmoid", "Sigmoid"},
    {ACTIVATION_IDENTITY, "linear", "Identity"},
    {ACTIVATION_MISH, "mish", "Mish"},
    {ACTIVATION_HARDSWISH, "hardswish", "Hardswish"},
    {ACTIVATION_LAPLACE, "laplace", NULL},
    {ACTIVATION_SQRT_SOFTPLUS, "sqrtsoftplus", NULL},
    {ACTIVATION_ELU, NULL, "ELU"},
    {ACTIVATION_ELU, NULL, "CELU"},
    {ACTIVATION_SELU, NULL, "SELU"},
    {ACTIVATION_SOFTPLUS, NULL, "Softplus"},
    {ACTIVATION_HARDSIGMOID, NULL, "Hardsigmoid"},
    {ACTIVATION_HARDTANH, NULL, "Hardtanh"},
    {ACTIVATION_SOFTSIGN, NULL, "Softsign"},
    {ACTIVATION_TANHSHRINK, NULL, "Tanhshrink"},
    {ACTIVATION_LOGSIGMOID, NULL, "LogSigmoid"},
};
enum { NAMES = sizeof names / sizeof names[0] };

const char activation_transformers_names[] =
    "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, gelu_python, gelu_python_tanh, gelu_accurate, "
    "gelu_10, quick_gelu, relu, relu2, relu6, leaky_relu, silu, swish, tanh, sigmoid, linear, "
    "mish, hardswish, laplace, sqrtsoftplus";
const char activation_torch_names[] =
    "Identity, Tanh, ReLU, GELU, Sigmoid, SiLU, LeakyReLU, ELU, CELU, SELU, Softplus, Mish, ReLU6, "
    "Hardswish, Hardsigmoid, Hardtanh, Softsign, Tanhshrink, LogSigmoid";

bool activation_of_transformers(const char *name, enum activation *ret_activation)
{
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].transformers && strcmp(names[i].transformers, name) == 0) {
            *ret_activation = names[i].activation;
            return true;
        }
    }
    return false;
}

bool activation_of_torch(const char *path, enum activation *ret_activation)
{
    static const char package[] = "torch.nn.";
    const char *dot = strrchr(path, '.');

    if (!dot || strncmp(path, package, sizeof package - 1) != 0)
        return false;
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].torch && strcmp(names[i].torch, dot + 1) == 0) {
            *ret_activation = names[i].activation;
            return true;
        }
    }
    return false;
}

const char *activation_name(enum activation activation)
{
    for (size_t i = 0; i < NAMES; i++)
        if (names[i].activation == activation)
            return names[i].torch ? names[i].torch : names[i].transformers;
    return "unknown";
}
