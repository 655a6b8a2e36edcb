/* The derivative of every activation, number by number. Where one has a corner, the slope is that
 * of torch.autograd. The functions themselves are in encoder/kernels/activation_plain.c. */
#include <math.h>

#include "encoder/train/arithmetic.h"

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 30 ? x : log1p(exp(x));
}

/* The derivative of x Phi(x). */
static double gelu_slope(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

static double gelu_tanh_slope(double x)
{
    const double factor = sqrt(2 / M_PI), cubic = 0.044715;
    double t = tanh(factor * (x + cubic * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * factor * (1 + 3 * cubic * x * x);
}

/* Of x sigmoid(factor x). */
static double silu_slope(double x, double factor)
{
    double s = sigmoid(factor * x);
    return s + factor * x * s * (1 - s);
}

static double mish_slope(double x)
{
    double t = tanh(softplus(x));
    return t + x * (1 - t * t) * sigmoid(x);
}

/* Those that are straight in pieces, and the exponential ones. */
static double piecewise_slope(enum activation activation, double x)
{
    const double selu_scale = 1.0507009873554804934193349852946;
    const double selu_alpha = 1.6732632423543772848170429916717;
    switch (activation) {
    case ACTIVATION_RELU:
        return x > 0;
    case ACTIVATION_LEAKY_RELU:
        return x > 0 ? 1 : 0.01;
    case ACTIVATION_RELU6:
        return x > 0 && x < 6;
    case ACTIVATION_RELU_SQUARED:
        return x > 0 ? 2 * x : 0;
    case ACTIVATION_ELU:
        return x > 0 ? 1 : exp(x);
    case ACTIVATION_SELU:
        return selu_scale * (x > 0 ? 1 : selu_alpha * exp(x));
    case ACTIVATION_HARDSWISH:
        return x < -3 ? 0 : x <= 3 ? x / 3 + 0.5 : 1;
    case ACTIVATION_HARDSIGMOID:
        return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case ACTIVATION_HARDTANH:
        return x > -1 && x < 1;
    default:
        return 1; /* ACTIVATION_IDENTITY: activation_slope has the others */
    }
}

static double slope(enum activation activation, double x)
{
    double t = tanh(x);
    switch (activation) {
    case ACTIVATION_GELU:
        return gelu_slope(x);
    case ACTIVATION_GELU_10:
        return x > -10 && x < 10 ? gelu_slope(x) : 0;
    case ACTIVATION_GELU_TANH:
        return gelu_tanh_slope(x);
    case ACTIVATION_TANH:
        return 1 - t * t;
    case ACTIVATION_SIGMOID:
        return sigmoid(x) * sigmoid(-x);
    case ACTIVATION_SILU:
        return silu_slope(x, 1);
    case ACTIVATION_QUICK_GELU:
        return silu_slope(x, 1.702);
    case ACTIVATION_SOFTPLUS:
        return sigmoid(x);
    case ACTIVATION_SQRT_SOFTPLUS:
        return 0.5 * sigmoid(x) / sqrt(softplus(x));
    case ACTIVATION_MISH:
        return mish_slope(x);
    case ACTIVATION_SOFTSIGN:
        return 1 / ((1 + fabs(x)) * (1 + fabs(x)));
    case ACTIVATION_TANHSHRINK:
        return t * t;
    case ACTIVATION_LOGSIGMOID:
        return sigmoid(-x);
    case ACTIVATION_LAPLACE:
        return exp(-x * x) / sqrt(M_PI);
    default:
        return piecewise_slope(activation, x);
    }
}

float activation_slope(enum activation activation, float x)
{
    return (float)slope(activation, (double)x);
}
