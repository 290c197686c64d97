/* usage: network <problems
 *
 * Reads problems, one a line:
 *   KERNEL TOP LEFT conv2d_backprop_filter f32 n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC
 * the kernel that is expected, "-" for any, how many rows and columns of zeros are before the input, and the problem with
 * all of its words, and runs each of them in one thread. Results are compared with plain sums, at some elements. Prints
 * the kernels and milliseconds of the best of a few runs; exit status 0 only if all is as expected. */
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
  convgrad_dtype dtype;
} Problem;

typedef struct {
  float *f; /* one of them is NULL */
  double *d;
} Data;

static double value(Data t, int64_t i) { return t.f ? (double)t.f[i] : t.d[i]; }

static Data tensor(const int64_t s[4], convgrad_dtype dtype, int fill) {
  const size_t n = (size_t)(s[0] * s[1] * s[2] * s[3]);
  Data t = {NULL, NULL};
  if (dtype == CONVGRAD_FLOAT64) {
    t.d = malloc(n * sizeof *t.d);
  } else {
    t.f = malloc(n * sizeof *t.f);
  }
  for (size_t i = 0; i < n; ++i) {
    /* Integers, so that sums are exact, in an order that no size repeats. */
    const double v = fill ? (double)((int)(((uint32_t)(i * (size_t)fill) * 2654435761u >> 7) % 5) - 2) : (double)NAN;
    if (t.f) {
      t.f[i] = (float)v;
    } else {
      t.d[i] = v;
    }
  }
  return t;
}

static double at(Data t, const int64_t s[4], int64_t a, int64_t b, int64_t c, int64_t d) {
  return value(t, ((a * s[1] + b) * s[2] + c) * s[3] + d);
}

/* The input's coordinate that output position p and tap r meet. */
static int64_t row(const Problem *p, int axis, int64_t position, int64_t tap) {
  return position * p->stride[axis] + tap * p->dilation[axis] - p->before[axis];
}

static double expected(const Problem *p, int op, Data x, Data w, Data dy, const int64_t i[4]) {
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

static void describe(convgrad_tensor *t, const int64_t s[4], convgrad_dtype dtype) {
  memset(t, 0, sizeof *t);
  t->dtype = dtype;
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
  for (int i = 0; i < 3; ++i) describe(&t[i], sizes[op][i], p->dtype);
  convgrad_plan *plan;
  if (convgrad_plan_create(context, op, &attrs, &t[0], &t[1], &t[2], &plan)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
  Data data[3];
  void *memory[3];
  for (int i = 0; i < 3; ++i) {
    data[i] = tensor(sizes[op][i], p->dtype, i == 0 ? 1 : i == 1 ? 3 : 0);
    memory[i] = data[i].f ? (void *)data[i].f : (void *)data[i].d;
  }
  double best = 1e9;
  int wrong = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double start = seconds();
    if (convgrad_plan_run(plan, memory[0], memory[1], memory[2], NULL)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
    if (seconds() - start < best) best = seconds() - start;
  }
  const Data none = {NULL, NULL};
  const Data x = op == 1 ? none : data[0], w = op == 0 ? data[1] : op == 1 ? data[0] : none, dy = op == 0 ? none : data[1];
  const int64_t *s = sizes[op][2], elements = s[0] * s[1] * s[2] * s[3];
  double largest = 0, error = 0;
  for (int64_t j = 0; j < 12; ++j) {
    const int64_t flat = j == 11 ? elements - 1 : elements * j / 11;
    const int64_t i[4] = {flat / (s[1] * s[2] * s[3]), flat / (s[2] * s[3]) % s[1], flat / s[3] % s[2], flat % s[3]};
    const double want = expected(p, op, x, w, dy, i);
    if (fabs(want) > largest) largest = fabs(want);
    if (!(fabs(value(data[2], flat) - want) <= error)) error = fabs(value(data[2], flat) - want);
  }
  /* Winograd kernels round, sums of integers too. */
  const double bound = strstr(convgrad_plan_kernel(plan), "winograd") != NULL ? 1e-4 * (largest + 1000) : 0;
  if (!(error <= bound)) wrong = fprintf(stderr, "error %g, largest value %g\n", error, largest);
  const char *ran = convgrad_plan_kernel(plan);
  if (strcmp(kernel, "-") != 0 && strcmp(kernel, ran) != 0) wrong = fprintf(stderr, "expected kernel %s\n", kernel);
  printf("%d %s %.4f\n", op, ran, best * 1e3);
  convgrad_plan_destroy(plan);
  for (int i = 0; i < 3; ++i) free(memory[i]);
  return wrong != 0;
}

int main(void) {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 1;
  convgrad_context *context;
  if (convgrad_context_create(&options, &context)) return fprintf(stderr, "%s\n", convgrad_last_error()), 1;
  static const char *const ops[] = {"conv2d", "conv2d_backprop_input", "conv2d_backprop_filter"};
  int failed = 0;
  char line[512];
  while (fgets(line, sizeof line, stdin)) {
    char kernel[256], name[32], dtype[8];
    long long before[2], n, h, w, c, r[2], k, s[2], d[2], groups;
    Problem p;
    const int words = sscanf(line,
                             "%255s %lld %lld %31s %7s n%lld h%lld w%lld c%lld r%lldx%lld k%lld s%lldx%lld d%lldx%lld p%63s "
                             "g%lld NHWC",
                             kernel, &before[0], &before[1], name, dtype, &n, &h, &w, &c, &r[0], &r[1], &k, &s[0], &s[1], &d[0],
                             &d[1], p.padding, &groups);
    if (words != 18 || groups < 1) return fprintf(stderr, "no problem: %s", line), 2;
    p.dtype = strcmp(dtype, "f64") == 0 ? CONVGRAD_FLOAT64 : CONVGRAD_FLOAT32;
    const int64_t in[4] = {n, h, w, c}, filter[4] = {r[0], r[1], c / groups, k};
    memcpy(p.in, in, sizeof in);
    memcpy(p.filter, filter, sizeof filter);
    for (int i = 0; i < 2; ++i) {
      p.stride[i] = s[i];
      p.dilation[i] = d[i];
      p.before[i] = before[i];
    }
    int op = 0;
    while (op < 2 && strcmp(ops[op], name) != 0) ++op;
    if (run(context, op, kernel, &p)) {
      fprintf(stderr, "FAILED: %s", line);
      failed = 1;
    }
  }
  convgrad_context_destroy(context);
  return failed;
}
