/* How far two vectors are apart, and the way back: in double, since vectors are short beside the
 * transformer. As torch.nn.functional has them: pairwise_distance adds 1e-6 to each difference, and
 * cosine_similarity divides by lengths of at least 1e-8. */
#include <math.h>
#include <stddef.h>

#include "encoder/train/loss.h"

static const double difference_eps = 1e-6, least_length = 1e-8;

struct lengths {
    double product, x, y;
};

static struct lengths measure(const float *x, const float *y, size_t size)
{
    struct lengths sums = {0};
    for (size_t i = 0; i < size; i++) {
        sums.product += (double)x[i] * (double)y[i];
        sums.x += (double)x[i] * (double)x[i];
        sums.y += (double)y[i] * (double)y[i];
    }
    sums.x = fmax(sqrt(sums.x), least_length);
    sums.y = fmax(sqrt(sums.y), least_length);
    return sums;
}

double loss_cosine(const float *x, const float *y, size_t size)
{
    struct lengths sums = measure(x, y, size);
    return sums.product / (sums.x * sums.y);
}

void loss_cosine_back(const float *x, const float *y, size_t size, double factor, float *x_gradient,
                      float *y_gradient)
{
    struct lengths sums = measure(x, y, size);
    double inverse = factor / (sums.x * sums.y), cosine = factor * sums.product / (sums.x * sums.y);
    double x_share = cosine / (sums.x * sums.x), y_share = cosine / (sums.y * sums.y);

    for (size_t i = 0; i < size; i++) {
        double x_back = inverse * (double)y[i] - x_share * (double)x[i];
        double y_back = inverse * (double)x[i] - y_share * (double)y[i];
        x_gradient[i] += (float)x_back;
        y_gradient[i] += (float)y_back;
    }
}

static double difference(float x, float y)
{
    return (double)x - (double)y + difference_eps;
}

double loss_distance(enum distance distance, const float *x, const float *y, size_t size)
{
    double sum = 0;

    if (distance == DISTANCE_COSINE)
        return 1 - loss_cosine(x, y, size);
    for (size_t i = 0; i < size; i++) {
        double d = difference(x[i], y[i]);
        sum += distance == DISTANCE_MANHATTAN ? fabs(d) : d * d;
    }
    return distance == DISTANCE_MANHATTAN ? sum : sqrt(sum);
}

void loss_distance_back(enum distance distance, const float *x, const float *y, size_t size,
                        double factor, float *x_gradient, float *y_gradient)
{
    if (distance == DISTANCE_COSINE) {
        loss_cosine_back(x, y, size, -factor, x_gradient, y_gradient);
        return;
    }
    double length = loss_distance(distance, x, y, size);
    if (length == 0)
        return;
    for (size_t i = 0; i < size; i++) {
        double d = difference(x[i], y[i]), slope = d / length;
        if (distance == DISTANCE_MANHATTAN)
            slope = d > 0 ? 1 : d < 0 ? -1 : 0;
        x_gradient[i] += (float)(factor * slope);
        y_gradient[i] -= (float)(factor * slope);
    }
}
