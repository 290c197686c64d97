/* usage: network <problems
 *
 * Reads problems, one a line:
 *   OP KERNEL  N H W C  R S CF K  SH SW  DH DW  SAME|VALID|TOP,BOTTOM,LEFT,RIGHT  TOP LEFT
 * with how many rows and columns of zeros are before the input at the end,
 * and runs each of them (OP: 0 conv2d, 1 its gradient by the input, 2 by the filter) in one thread. KERNEL is the
 * kernel's name that is expected, "-" for any. Results are compared with plain sums, at some elements. Prints the kernels
 * and milliseconds of the best of a few runs; exit status 0 only if all is as expected. */
#include <convgrad/convgrad.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
  int64_t in[4], filter[4], out[4], stride[2], dilation[2];
  char padding[64];
  int64_t before[2]; /* rows and columns of zeros before the input */
} Problem;

static float *tensor(const int64_t s[4], int fill) {
  const int64_t n = s[0] * s[1] * s[2] * s[3];
  float *t = malloc((size_t)n * sizeof *t);
  /* Integers, so that sums are exact, in an order that no size repeats. */
  for (int64_t i = 0; i < n; ++i) t[i] = fill ? (float)((int)(((uint32_t)(i * fill) * 2654435761u >> 7) % 5) - 2) : NAN;
  return t;
}

static double at(const float *t, const int64_t s[4], int64_t a, int64_t b, int64_t c, int64_t d) {
  return t[((a * s[1] + b) * s[2] + c) * s[3] + d];
}

/* The input's coordinate that output position p and tap r meet. */
static int64_t row(const Problem *p, int axis, int64_t position, int64_t tap) {
  return position * p->stride[axis] + tap * p->dilation[axis] - p->before[axis];
}

static double expected(const Problem *p, int op, const float *x, const float *w, const float *dy, const int64_t i[4]) {
  const int64_t *in = p->in, *f = p->filter, *out = p->out, groups = in[3] / f[2], k_of = out[3] / groups;
  double sum = 0;
  for (int64_t r = op == 2 ? i[0] : 0; r < (op == 2 ? i[0] + 1 : f[0]); ++r) {
    for (int64_t s = op == 2 ? i[1] : 0; s < (op == 2 ? i[1] + 1 : f[1]); ++s) {
      if (op == 0) {
        const int64_t h = row(p, 0, i[1], r), v = row(p, 1, i[2], s), g = i[3] / k_of;
        if (h < 0 || h >= in[1] || v < 0 || v >= in[2]) continue;
        for (int64_t c = 0; c < f[2]; ++c) sum += at(x, in, i[0], h, v, g * f[2] + c) * at(w, f, r, s, c, i[3]);
        continue;
      }
      for (int64_t a = 0; a < out[1]; ++a) {
        for (int64_t b = 0; b < out[2]; ++b) {
          const int64_t h = row(p, 0, a, r), v = row(p, 1, b, s);
          if (op == 1 ? h != i[1] || v != i[2] : h < 0 || h >= in[1] || v < 0 || v >= in[2]) continue;
          if (op == 1) {
            const int64_t g = i[3] / f[2];
            for (int64_t k = g * k_of; k < (g + 1) * k_of; ++k) sum += at(w, f, r, s, i[3] % f[2], k) * at(dy, out, i[0], a, b, k);
          } else {
            for (int64_t n = 0; n < in[0]; ++n) sum += at(x, in, n, h, v, i[3] / k_of * f[2] + i[2]) * at(dy, out, n, a, b, i[3]);
          }
        }
      }
    }
  }
  return sum;
}

static void describe(convgrad_tensor *t, const int64_t s[4]) {
  memset(t, 0, sizeof *t);
  memcpy(t->shape, s, sizeof t->shape);
}

static double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int run(const convgrad_context *context, int op, const char *kernel, Problem *p) {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  memcpy(attrs.strides, p->stride, sizeof attrs.strides);
  memcpy(attrs.dilations, p->dilation, sizeof attrs.dilations);
  long long pad[4] = {0, 0, 0, 0};
  const int pads = sscanf(p->padding, "%lld,%lld,%lld,%lld", &pad[0], &pad[1], &pad[2], &pad[3]);
  attrs.padding = pads == 4 ? CONVGRAD_EXPLICIT : strcmp(p->padding, "SAME") == 0 ? CONVGRAD_SAME : CONVGRAD_VALID;
  for (int i = 0; i < 4; ++i) attrs.explicit_paddings[i] = pad[i];
  if (convgrad_conv2d_output_shape(&attrs, p->in, p->filter, p->out)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
  const int64_t *const sizes[3][3] = {{p->in, p->filter, p->out}, {p->filter, p->out, p->in}, {p->in, p->out, p->filter}};
  convgrad_tensor t[3];
  for (int i = 0; i < 3; ++i) describe(&t[i], sizes[op][i]);
  convgrad_plan *plan;
  if (convgrad_plan_create(context, op, &attrs, &t[0], &t[1], &t[2], &plan)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
  float *data[3] = {tensor(sizes[op][0], 1), tensor(sizes[op][1], 3), tensor(sizes[op][2], 0)};
  double best = 1e9;
  int wrong = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double start = seconds();
    if (convgrad_plan_run(plan, data[0], data[1], data[2], NULL)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
    if (seconds() - start < best) best = seconds() - start;
  }
  const float *x = op == 1 ? NULL : data[0], *w = op == 0 ? data[1] : op == 1 ? data[0] : NULL, *dy = op == 0 ? NULL : data[1];
  const int64_t *s = sizes[op][2], elements = s[0] * s[1] * s[2] * s[3];
  double largest = 0, error = 0;
  for (int64_t j = 0; j < 12; ++j) {
    const int64_t flat = j == 11 ? elements - 1 : elements * j / 11;
    const int64_t i[4] = {flat / (s[1] * s[2] * s[3]), flat / (s[2] * s[3]) % s[1], flat / s[3] % s[2], flat % s[3]};
    const double want = expected(p, op, x, w, dy, i);
    if (fabs(want) > largest) largest = fabs(want);
    if (!(fabs(data[2][flat] - want) <= error)) error = fabs(data[2][flat] - want);
  }
  /* Winograd kernels round, sums of integers too. */
  const double bound = strstr(convgrad_plan_kernel(plan), "winograd") != NULL ? 1e-4 * (largest + 1000) : 0;
  if (!(error <= bound)) wrong = fprintf(stderr, "error %g, largest value %g\n", error, largest);
  const char *ran = convgrad_plan_kernel(plan);
  if (strcmp(kernel, "-") != 0 && strcmp(kernel, ran) != 0) wrong = fprintf(stderr, "expected kernel %s\n", kernel);
  printf("%d %s %.4f\n", op, ran, best * 1e3);
  convgrad_plan_destroy(plan);
  for (int i = 0; i < 3; ++i) free(data[i]);
  return wrong != 0;
}

int main(void) {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 1;
  convgrad_context *context;
  if (convgrad_context_create(&options, &context)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
  int op, failed = 0;
  char kernel[256];
  while (scanf("%d %255s", &op, kernel) == 2) {
    Problem p;
    int64_t *const fields[] = {p.in, p.filter, p.stride, p.dilation};
    const int counts[] = {4, 4, 2, 2};
    for (int f = 0; f < 4; ++f) {
      for (int i = 0; i < counts[f]; ++i) {
        long long value;
        if (scanf("%lld", &value) != 1) return fprintf(stderr, "a problem is cut off\n"), 2;
        fields[f][i] = value;
      }
    }
    long long before[2];
    if (scanf("%63s %lld %lld", p.padding, &before[0], &before[1]) != 3) return fprintf(stderr, "a problem is cut off\n"), 2;
    for (int i = 0; i < 2; ++i) p.before[i] = before[i];
    if (run(context, op, kernel, &p)) {
      fprintf(stderr, "FAILED: op %d, input %lld %lld %lld %lld, filter %lld %lld %lld %lld\n", op, (long long)p.in[0],
              (long long)p.in[1], (long long)p.in[2], (long long)p.in[3], (long long)p.filter[0], (long long)p.filter[1],
              (long long)p.filter[2], (long long)p.filter[3]);
      failed = 1;
    }
  }
  convgrad_context_destroy(context);
  return failed;
}
