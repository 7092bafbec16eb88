/* Chains of layers on every instruction set of this CPU, against plain loops in double precision:
 * all tasks forwards, backwards, and on threads, from memory full of garbage, with guards round Y.
 *
 * Usage: test_chain [rounds]. Exits with 1 and a message at the first mismatch.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"
#include "oracle.h"
#include "problem.h"

enum { HEIGHT, WIDTH, GUARD = 16, MOST_LAYERS = 6, THREADS = 3 };

static const float guard = 12345.0f;

/* One layer: a convolution, or a pointwise one. */
struct layer {
    int is_conv;
    struct conv_geometry geometry;
    float* weights;
    struct problem pointwise; /* its matrix; the epilogue of either */
    int64_t channels, size[CONV_AXES];
    double* numbers; /* that it computes */
};

struct chain {
    const struct isa* isa;
    int layer_count, unit_count;
    struct layer layers[MOST_LAYERS];
    struct chain_unit units[MOST_LAYERS];
    int64_t batch, channels, size[CONV_AXES];
    float *x, *residual; /* contiguous; the residual may be NULL */
};

static _Noreturn void refuse(const struct chain* chain, const char* rule, double found) {
    fprintf(stderr, "test_chain: %s, but found %g: isa %s, batch %lld, input %lld x %lld x %lld\n",
            rule, found, chain->isa->name, (long long)chain->batch, (long long)chain->channels,
            (long long)chain->size[HEIGHT], (long long)chain->size[WIDTH]);
    for (int i = 0; i < chain->layer_count; i++) {
        const struct layer* layer = &chain->layers[i];
        const struct conv_geometry* g = &layer->geometry;
        fprintf(stderr, "%s to %lld x %lld x %lld, activation %s",
                layer->is_conv ? "convolution" : "pointwise", (long long)layer->channels,
                (long long)layer->size[HEIGHT], (long long)layer->size[WIDTH],
                activation_name(layer->pointwise.epilogue.activation));
        for (int axis = 0; layer->is_conv && axis < CONV_AXES; axis++) {
            fprintf(stderr, ", kernel %lld stride %lld pads %lld %lld", (long long)g->kernel[axis],
                    (long long)g->stride[axis], (long long)g->pad_begin[axis],
                    (long long)g->pad_end[axis]);
        }
        fprintf(stderr, "\n");
    }
    exit(1);
}

static float* random_floats(int64_t count) {
    float* floats = allocate(count, sizeof *floats);
    for (int64_t i = 0; i < count; i++) floats[i] = random_float();
    return floats;
}

/* --- Random chains. */

static void make_random_epilogue(struct layer* layer) {
    layer->pointwise.matrix.rows = layer->channels;
    make_epilogue(&layer->pointwise, (enum activation)random_below(ACTIVATION_COUNT), 1);
}

/* Sizes so large that numbers neither vanish nor grow. */
static void make_weights(struct layer* layer) {
    const struct conv_geometry* g = &layer->geometry;
    const int64_t taps = g->in_channels / g->groups * g->kernel[HEIGHT] * g->kernel[WIDTH];
    layer->weights = random_floats(layer->channels * taps);
    for (int64_t i = 0; i < layer->channels * taps; i++) layer->weights[i] /= sqrtf((float)taps);
}

/* Returns whether the planes are large enough. */
static int make_conv(struct layer* layer, int64_t channels, const int64_t* size, int is_first) {
    const int is_depthwise = !is_first || random_below(3) == 0;
    const int64_t kernel = random_below(2) ? 3 : 5, stride = 1 + random_below(2);
    struct conv_geometry* g = &layer->geometry;
    layer->is_conv = 1;
    g->in_channels = channels;
    g->groups = is_depthwise ? channels : 1;
    layer->channels = g->out_channels = is_depthwise ? channels : 1 + random_below(20);
    for (int axis = 0; axis < CONV_AXES; axis++) {
        g->kernel[axis] = kernel;
        g->stride[axis] = stride;
        g->dilation[axis] = 1;
        g->pad_begin[axis] = random_below((uint32_t)kernel);
        g->pad_end[axis] = random_below((uint32_t)kernel);
        const int64_t extent = size[axis] + g->pad_begin[axis] + g->pad_end[axis] - kernel;
        layer->size[axis] = extent < 0 ? 0 : extent / stride + 1;
    }
    make_weights(layer);
    make_random_epilogue(layer);
    return layer->size[HEIGHT] > 1 && layer->size[WIDTH] > 0;
}

static void make_pointwise(struct layer* layer, int64_t channels, const int64_t* size) {
    struct problem* p = &layer->pointwise;
    const int64_t block = 1 << random_below(3);
    layer->channels = block * (1 + random_below(40 / (uint32_t)block));
    p->density = 0.05 + random_below(100) / 200.0;
    make_matrix(p, layer->channels, channels, block);
    for (int axis = 0; axis < CONV_AXES; axis++) layer->size[axis] = size[axis];
    make_random_epilogue(layer);
}

static void add_to_unit(struct chain* chain, const struct layer* layer, int is_new) {
    struct status status;
    chain->unit_count += is_new;
    struct chain_unit* unit = &chain->units[chain->unit_count - 1];
    const struct epilogue* epilogue = &layer->pointwise.epilogue;
    if (layer->is_conv) {
        unit->conv =
            conv_layer_create(&layer->geometry, layer->weights, epilogue, chain->isa, &status);
    } else {
        const struct spmm_options options = {.isa = chain->isa,
                                             .pixels = random_below(2) ? layer->size[WIDTH] : 0};
        unit->pointwise = spmm_layer_create(&layer->pointwise.matrix, epilogue, &options, &status);
    }
    if (layer->is_conv ? unit->conv == NULL : unit->pointwise == NULL) {
        refuse(chain, status.message, 0);
    }
}

static struct chain random_chain(const struct isa* isa) {
    struct chain chain = {
        .isa = isa, .batch = 1 + random_below(3), .channels = 1 + random_below(9)};
    chain.size[HEIGHT] = 2 + random_below(40);
    chain.size[WIDTH] = 1 + random_below(random_below(3) ? 20 : 130);
    const int count = 2 + (int)random_below(MOST_LAYERS - 1);
    const int64_t* size = chain.size;
    int64_t channels = chain.channels;
    for (int i = 0; i < count; i++) {
        struct layer* layer = &chain.layers[i];
        const int follows_conv = i > 1 && layer[-1].is_conv;
        const int is_conv = i == 0 ? random_below(2) : !follows_conv || random_below(3) == 0;
        if (!is_conv) {
            make_pointwise(layer, channels, size);
        } else if (!make_conv(layer, channels, size, i == 0)) {
            free(layer->weights);
            release_problem(&layer->pointwise);
            *layer = (struct layer){0};
            break;
        }
        chain.layer_count++;
        add_to_unit(&chain, layer, is_conv || i == 0);
        size = layer->size;
        channels = layer->channels;
    }
    chain.x = random_floats(chain.batch * chain.channels * chain.size[HEIGHT] * chain.size[WIDTH]);
    return chain;
}

static void release(struct chain* chain) {
    for (int i = 0; i < chain->layer_count; i++) {
        free(chain->layers[i].weights);
        free(chain->layers[i].numbers);
        release_problem(&chain->layers[i].pointwise);
    }
    for (int i = 0; i < chain->unit_count; i++) {
        conv_layer_destroy((struct conv_layer*)(uintptr_t)chain->units[i].conv);
        spmm_layer_destroy((struct spmm_layer*)(uintptr_t)chain->units[i].pointwise);
    }
    free(chain->x);
    free(chain->residual);
}

/* --- The oracle. */

static double conv_at(const struct layer* layer, const double* x, const int64_t* size,
                      int64_t channel, int64_t row, int64_t column) {
    const struct conv_geometry* g = &layer->geometry;
    const int64_t group_in = g->in_channels / g->groups;
    const int64_t first = channel / (g->out_channels / g->groups) * group_in;
    const int64_t cells = g->kernel[HEIGHT] * g->kernel[WIDTH];
    double sum = layer->pointwise.epilogue.bias[channel];
    for (int64_t t = 0; t < group_in * cells; t++) {
        const int64_t y =
            row * g->stride[HEIGHT] + t % cells / g->kernel[WIDTH] - g->pad_begin[HEIGHT];
        const int64_t z = column * g->stride[WIDTH] + t % g->kernel[WIDTH] - g->pad_begin[WIDTH];
        if (y < 0 || y >= size[HEIGHT] || z < 0 || z >= size[WIDTH]) continue;
        sum += layer->weights[channel * group_in * cells + t] *
               x[((first + t / cells) * size[HEIGHT] + y) * size[WIDTH] + z];
    }
    return sum;
}

static double pointwise_at(const struct layer* layer, const double* x, int64_t plane,
                           int64_t channel, int64_t pixel) {
    const struct block_csr* m = &layer->pointwise.matrix;
    const int64_t block = channel / m->block_rows;
    double sum = layer->pointwise.epilogue.bias[channel];
    for (int64_t i = m->indptr[block]; i < m->indptr[block + 1]; i++) {
        sum += m->values[i * m->block_rows + channel % m->block_rows] *
               x[m->indices[i] * plane + pixel];
    }
    return sum;
}

/* All numbers of a layer in one image, from those of the layer before. */
static void compute(struct chain* chain, int i, int64_t image, const double* x,
                    const int64_t* size) {
    struct layer* layer = &chain->layers[i];
    const int64_t plane = layer->size[HEIGHT] * layer->size[WIDTH];
    const int64_t numbers = layer->channels * plane;
    if (layer->numbers == NULL) {
        layer->numbers = allocate(chain->batch * numbers, sizeof *layer->numbers);
    }
    const float* residual = i == chain->layer_count - 1 ? chain->residual : NULL;
    for (int64_t k = 0; k < numbers; k++) {
        const int64_t channel = k / plane, pixel = k % plane;
        double sum = layer->is_conv ? conv_at(layer, x, size, channel, pixel / layer->size[WIDTH],
                                              pixel % layer->size[WIDTH])
                                    : pointwise_at(layer, x, plane, channel, pixel);
        if (residual != NULL) sum += residual[image * numbers + k];
        layer->numbers[image * numbers + k] =
            oracle_activate(&layer->pointwise.epilogue, channel, sum);
    }
}

static void compute_all(struct chain* chain) {
    const int64_t floats = chain->channels * chain->size[HEIGHT] * chain->size[WIDTH];
    double* x = allocate(floats, sizeof *x);
    for (int64_t image = 0; image < chain->batch; image++) {
        const int64_t* size = chain->size;
        const double* numbers = x;
        for (int64_t k = 0; k < floats; k++) x[k] = chain->x[image * floats + k];
        for (int i = 0; i < chain->layer_count; i++) {
            const struct layer* layer = &chain->layers[i];
            compute(chain, i, image, numbers, size);
            size = layer->size;
            numbers = layer->numbers + image * layer->channels * size[HEIGHT] * size[WIDTH];
        }
    }
    free(x);
}

/* --- Runs. */

enum order { FORWARDS, BACKWARDS, ON_THREADS, ORDERS };

struct job {
    const struct chain_plan* plan;
    const struct chain_operands* operands;
    atomic_llong next;
};

static void run_task(const struct job* job, int64_t task, float* scratch) {
    for (int i = 0; i < SPMM_SCRATCH_FLOATS; i++) scratch[i] = NAN; /* of another task */
    chain_run_task(job->plan, job->operands, task, scratch);
}

static void* run_thread(void* argument) {
    struct job* job = argument;
    float* scratch = aligned_alloc(64, SPMM_SCRATCH_FLOATS * sizeof *scratch);
    if (scratch == NULL) exit(2);
    for (int64_t task; (task = atomic_fetch_add(&job->next, 1)) < chain_plan_tasks(job->plan);) {
        run_task(job, task, scratch);
    }
    free(scratch);
    return NULL;
}

static void run(const struct chain_plan* plan, const struct chain_operands* operands,
                enum order order) {
    struct job job = {plan, operands, 0};
    const int64_t tasks = chain_plan_tasks(plan);
    pthread_t threads[THREADS];
    memset(operands->memory, 0xff, (size_t)chain_plan_floats(plan) * sizeof(float));
    chain_begin(plan, operands->memory);
    if (order == FORWARDS) {
        run_thread(&job);
    } else if (order == BACKWARDS) {
        for (int64_t task = tasks - 1; task >= 0; task--) {
            atomic_store(&job.next, task);
            float* scratch = aligned_alloc(64, SPMM_SCRATCH_FLOATS * sizeof *scratch);
            if (scratch == NULL) exit(2);
            run_task(&job, task, scratch);
            free(scratch);
        }
    } else {
        for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, run_thread, &job);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    }
}

static void compare(const struct chain* chain, const float* y, const float* first) {
    const struct layer* last = &chain->layers[chain->layer_count - 1];
    const int64_t count = chain->batch * last->channels * last->size[HEIGHT] * last->size[WIDTH];
    double largest = 1;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(last->numbers[i]));
    for (int64_t i = 0; i < count; i++) {
        const double error = fabs(y[i] - last->numbers[i]) / largest;
        if (!(error < 1e-5)) refuse(chain, "the error must be below 1e-5 of the largest", error);
    }
    for (int64_t i = 0; i < GUARD; i++) {
        if (y[-1 - i] != guard || y[count + i] != guard) {
            refuse(chain, "nothing outside Y may be written", (double)i);
        }
    }
    if (memcmp(y, first, (size_t)count * sizeof *y) != 0) {
        refuse(chain, "the order of tasks must not change bits", 0);
    }
}

static void check_chain(struct chain* chain) {
    const struct layer* last = &chain->layers[chain->layer_count - 1];
    const int64_t plane = last->size[HEIGHT] * last->size[WIDTH];
    const int64_t count = chain->batch * last->channels * plane;
    struct status status;
    struct chain_plan* plan =
        chain_plan_create(chain->units, chain->unit_count, chain->batch, chain->size, &status);
    if (plan == NULL) refuse(chain, status.message, 0);
    if (!last->is_conv && random_below(2)) chain->residual = random_floats(count);
    compute_all(chain);
    float* memory = aligned_alloc(64, ((size_t)chain_plan_floats(plan) + 16) / 16 * 64);
    float* ys[ORDERS];
    for (enum order order = FORWARDS; order < ORDERS; order++) {
        ys[order] = allocate(count + 2 * GUARD, sizeof *ys[order]);
        for (int64_t i = 0; i < count + 2 * GUARD; i++) ys[order][i] = guard;
        const struct chain_operands operands = {
            .x = view_of(chain->x, chain->channels, chain->size[HEIGHT] * chain->size[WIDTH]),
            .residual = view_of(chain->residual, last->channels, plane),
            .y = view_of(ys[order] + GUARD, last->channels, plane),
            .memory = memory,
        };
        run(plan, &operands, order);
        compare(chain, ys[order] + GUARD, ys[FORWARDS] + GUARD);
    }
    for (enum order order = FORWARDS; order < ORDERS; order++) free(ys[order]);
    free(memory);
    chain_plan_destroy(plan);
}

int main(int argc, char** argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 10, checks = 0;
    for (const char* const* name = isa_supported_names(); *name != NULL; name++) {
        struct status status;
        const struct isa* isa = isa_request(*name, &status);
        for (int i = 0; i < 5 * rounds; i++) {
            struct chain chain = random_chain(isa);
            if (chain.unit_count > 1) {
                check_chain(&chain);
                checks++;
            }
            release(&chain);
        }
        printf("test_chain: %s is right\n", *name);
    }
    printf("test_chain: %d random chains\n", checks);
    return 0;
}
