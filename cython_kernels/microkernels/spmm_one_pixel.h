/* One pixel: vectors hold rows instead of pixels. Part of spmm_body.h, which includes it.
 *
 * The channels of X then lie next to each other, so that no panel is needed, and a step multiplies
 * the four weights of a group, loaded at once, by the pixels of their channels. */

typedef float spmm_rows __attribute__((vector_size(SPMM_GROUP_ROWS * sizeof(float))));

/* Of each row of a group, the pixel that its weight multiplies. */
SPMM_INLINE spmm_rows spmm_gather(const float* x, uint64_t step_channels, const int nr) {
    const float first = x[(uint16_t)step_channels];
    if (nr == SPMM_GROUP_ROWS) return (spmm_rows){first, first, first, first};
    const float second = x[(uint16_t)(step_channels >> 16)];
    if (nr == 2) return (spmm_rows){first, first, second, second};
    return (spmm_rows){first, second, x[(uint16_t)(step_channels >> 32)], x[step_channels >> 48]};
}

SPMM_INLINE spmm_rows spmm_one_pixel_step(spmm_rows sum, const float* x, const float* values,
                                          const uint16_t* channels, const int nr) {
    const spmm_rows pixels = spmm_gather(x, spmm_load_channels(channels, nr), nr);
    spmm_rows weights;
    memcpy(&weights, values, sizeof weights);
    return sum + weights * pixels;
}

SPMM_INLINE void spmm_one_pixel_part(const struct spmm_tile* t, const int nr) {
    const int width = SPMM_GROUP_ROWS / nr;
    const float *x = t->panel, *values = t->values;
    const uint16_t *channels = t->channels, *group_rows = t->group_rows;
    for (int64_t g = 0; g < t->groups; g++, group_rows += width) {
        /* Four sums, because one would wait for itself. */
        spmm_rows sum[4] = {{0.0f}};
        int left = t->group_steps[g];
        for (; left >= 4; left -= 4, values += 4 * SPMM_GROUP_ROWS, channels += 4 * width) {
            SPMM_UNROLL for (int i = 0; i < 4; i++) {
                sum[i] = spmm_one_pixel_step(sum[i], x, values + i * SPMM_GROUP_ROWS,
                                             channels + i * width, nr);
            }
        }
        for (; left > 0; left--, values += SPMM_GROUP_ROWS, channels += width) {
            sum[0] = spmm_one_pixel_step(sum[0], x, values, channels, nr);
        }
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        /* A group may hold a row twice, so all are read before any is written. */
        if (!t->first) {
            SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
                sum[0][r] += t->y[spmm_row(group_rows, r, nr)];
            }
        }
        SPMM_UNROLL for (int r = 0; r < SPMM_GROUP_ROWS; r++) {
            t->y[spmm_row(group_rows, r, nr)] = sum[0][r];
        }
    }
}

static void SPMM_PASTE(spmm_one_pixel_, SPMM_ISA)(const struct spmm_tile* t, int64_t nr) {
    switch (nr) {
        case 1:
            spmm_one_pixel_part(t, 1);
            break;
        case 2:
            spmm_one_pixel_part(t, 2);
            break;
        default:
            spmm_one_pixel_part(t, SPMM_GROUP_ROWS);
            break;
    }
}

static void SPMM_PASTE(spmm_finish_rows_, SPMM_ISA)(const struct spmm_tile* t, const float* sums,
                                                    int64_t rows) {
    const vec minimum = vec_set1(t->minimum), maximum = vec_set1(t->maximum);
    for (int64_t row = 0; row < rows; row += SPMM_LANES) {
        const int count = (int)(rows - row < SPMM_LANES ? rows - row : SPMM_LANES);
        vec x = vec_add(vec_load_part(sums + row, count), vec_load_part(t->bias + row, count));
        if (t->residual != NULL) x = vec_add(x, vec_load_part(t->residual + row, count));
        x = vec_min(maximum, vec_max(minimum, x));
        vec slope = t->slope != NULL ? vec_load_part(t->slope + row, count) : vec_set1(t->alpha);
        vec_store_part(t->y + row, spmm_activate(t->activation, x, slope), count);
    }
}
