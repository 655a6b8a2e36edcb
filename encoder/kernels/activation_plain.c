/* The formulas are those of torch.nn and of the activations of the `transformers` project, with the
 * former's default parameters. */
#include "encoder/kernels/activation_plain.h"

#include <math.h>

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* log(1 + e^x), without overflow. torch's takes x itself above 20, which is the same in f32. */
static float softplus(float x)
{
    return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
}

static float clip(float x, float least, float most)
{
    return fminf(fmaxf(x, least), most);
}

static float gelu(float x)
{
    const float sqrt_half = 0.70710678118654752f;
    return x * 0.5f * erfcf(-x * sqrt_half);
}

static float gelu_tanh(float x)
{
    const float sqrt_2_over_pi = 0.79788456080286536f;
    return 0.5f * x * (1 + tanhf(sqrt_2_over_pi * (x + 0.044715f * x * x * x)));
}

/* Those that bend at points and are straight between, or nearly so. */
static float activate_pieces(enum activation activation, float x)
{
    const float selu_scale = 1.0507009873554805f, selu_alpha = 1.6732632423543772f;
    float positive = fmaxf(x, 0);

    switch (activation) {
    case ACTIVATION_RELU:
        return positive;
    case ACTIVATION_RELU6:
        return fminf(positive, 6);
    case ACTIVATION_RELU_SQUARED:
        return positive * positive;
    case ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : 0.01f * x;
    case ACTIVATION_ELU:
        return x > 0 ? x : expm1f(x);
    case ACTIVATION_SELU:
        return selu_scale * (x > 0 ? x : selu_alpha * expm1f(x));
    case ACTIVATION_HARDSWISH:
        return x * clip(x + 3, 0, 6) / 6;
    case ACTIVATION_HARDSIGMOID:
        return clip(x + 3, 0, 6) / 6;
    case ACTIVATION_HARDTANH:
        return clip(x, -1, 1);
    default:
        return x; /* ACTIVATION_IDENTITY: activate_one has the others */
    }
}

static float activate_one(enum activation activation, float x)
{
    switch (activation) {
    case ACTIVATION_GELU:
        return gelu(x);
    case ACTIVATION_GELU_TANH:
        return gelu_tanh(x);
    case ACTIVATION_GELU_10:
        return clip(gelu(x), -10, 10);
    case ACTIVATION_QUICK_GELU:
        return x * sigmoid(1.702f * x);
    case ACTIVATION_TANH:
        return tanhf(x);
    case ACTIVATION_SIGMOID:
        return sigmoid(x);
    case ACTIVATION_SILU:
        return x * sigmoid(x);
    case ACTIVATION_SOFTPLUS:
        return softplus(x);
    case ACTIVATION_SQRT_SOFTPLUS:
        return sqrtf(softplus(x));
    case ACTIVATION_MISH:
        return x * tanhf(softplus(x));
    case ACTIVATION_SOFTSIGN:
        return x / (1 + fabsf(x));
    case ACTIVATION_TANHSHRINK:
        return x - tanhf(x);
    case ACTIVATION_LOGSIGMOID:
        return -softplus(-x);
    case ACTIVATION_LAPLACE:
        return 0.5f * erfcf(-x);
    default:
        return activate_pieces(activation, x);
    }
}

void activation_plain(enum activation activation, float *x, size_t size)
{
    for (size_t i = 0; i < size; i++)
        x[i] = activate_one(activation, x[i]);
}
