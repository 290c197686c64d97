#include "divide/slices.h"

#include <algorithm>

namespace convgrad {
namespace {

// A slice is a call, which takes about a microsecond: so many multiply-adds take some ten.
constexpr double kLeastMultiplyAdds = 1 << 20;
// By the estimate below slices are to take at most this part of the time that the kernel's own tasks would.
constexpr double kGain = 0.87;
// And at most so many times their work: other programs may want the cores, or the other halves of them.
constexpr double kMostWork = 2;

bool is_filter_gradient(const Normalized &problem) { return result_of(problem.op) == FILTER; }

// Dimensions of an image's view.
enum { CHANNELS = 0, COLUMNS = image_dimension(WIDTH), ROWS = image_dimension(HEIGHT), IMAGES = 3 };

// What an image's third way cuts.
int lines_of(const Normalized &problem) { return problem.view[result_of(problem.op)].size[ROWS] > 1 ? ROWS : COLUMNS; }

// Columns are cut where they are pixels of a matrix product, which 1x1 folds into one row.
bool is_product(const Normalized &problem) {
  const Axis &axis = problem.axis[WIDTH];
  return axis.taps == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
}

// The result as a plane of channels by channels or pixels, and what pieces of it cost.
struct Plane {
  int64_t extent[Slices::kWays];
  int64_t grain[Slices::kWays];  // a slice has a multiple of so many
  int64_t pixels;                // of a row, where the third way cuts rows; else 1
  double packing[2];             // the cost of what is packed for an element of each side, for one of the reduction
  int64_t across, down;          // tasks of the kernel along the sides

  double cost(double first, double second) const { return first * second + packing[0] * first + packing[1] * second; }
  double cost_of(const int64_t size[Slices::kWays]) const {
    int64_t most[Slices::kWays];
    for (int way = 0; way < Slices::kWays; ++way) most[way] = std::min(size[way], extent[way]);
    return cost(static_cast<double>(most[0]), static_cast<double>(most[1] * most[2] * pixels));
  }
  // On average: the last ones have less.
  double cost_of_task(bool filter_packed_once) const {
    const auto first = static_cast<double>(extent[0]), second = static_cast<double>(extent[1] * extent[2] * pixels);
    const double a = first / static_cast<double>(across), b = second / static_cast<double>(down);
    return cost(a, b) - (filter_packed_once ? packing[0] * a * (1 - 1 / static_cast<double>(down)) : 0);
  }
};

Plane filter_plane(const Kernel &kernel, const Normalized &problem) {
  return {{problem.in_channels, problem.out_channels, 1},
          {kernel.slice.in_channels, kernel.slice.out_channels, 1},
          1,
          {kernel.packing.image, kernel.packing.image},
          divide_up(problem.in_channels, kernel.task.in_channels),
          divide_up(problem.out_channels, kernel.task.out_channels)};
}

// Tasks of an image's pixels.
int64_t tasks_down(const Kernel &kernel, const Normalized &problem) {
  const int64_t *size = problem.view[result_of(problem.op)].size;
  if (kernel.task.tiles != 0) {
    const int64_t tiles =
        divide_up(size[COLUMNS], kernel.pixel_tile) * divide_up(size[ROWS], kernel.pixel_tile) * problem.batch;
    return divide_up(tiles, kernel.task.tiles);
  }
  // A strided gradient's tasks are of a phase.
  const auto of_phase = [&](int dimension, const Axis &axis) {
    return problem.op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT ? divide_up(size[dimension], axis.stride) : size[dimension];
  };
  return divide_up(of_phase(COLUMNS, problem.axis[WIDTH]), kernel.task.columns) *
         divide_up(of_phase(ROWS, problem.axis[HEIGHT]), kernel.task.rows) *
         divide_up(problem.batch, kernel.task.images);
}

Plane image_plane(const Kernel &kernel, const Normalized &problem) {
  const int64_t *size = problem.view[result_of(problem.op)].size;
  const int lines = lines_of(problem);
  Plane plane = {};
  plane.extent[0] = size[CHANNELS];
  plane.extent[1] = problem.batch;
  plane.extent[2] = size[lines];
  plane.grain[0] = kernel.slice.channels;
  plane.grain[1] = kernel.slice.images;
  plane.grain[2] = lines == ROWS ? kernel.slice.rows : is_product(problem) ? kernel.slice.columns : size[COLUMNS];
  plane.pixels = lines == ROWS ? size[COLUMNS] : 1;
  plane.across = divide_up(size[CHANNELS], kernel.task.channels);
  plane.down = tasks_down(kernel, problem);
  plane.packing[0] = kernel.packing.filter;
  plane.packing[1] = kernel.packing.image;
  return plane;
}

// The time of so many pieces of this cost.
double time_of(int64_t pieces, int32_t num_threads, double cost) {
  return static_cast<double>(divide_up(pieces, num_threads)) * cost;
}

// `count` slices or fewer, of equal size in whole grains.
void cut(const Plane &plane, int way, int64_t count, Slices *slices) {
  const int64_t grains = divide_up(plane.extent[way], plane.grain[way]);
  slices->size[way] = divide_up(grains, std::clamp<int64_t>(count, 1, grains)) * plane.grain[way];
  slices->count[way] = divide_up(plane.extent[way], slices->size[way]);
}

// 1, 2, 3, 4, 6, 8, 12, ...: enough to choose from, and few for any number of threads.
int64_t next_count(int64_t count) {
  const bool power_of_two = (count & (count - 1)) == 0;
  return count == 1 ? 2 : power_of_two ? count / 2 * 3 : count / 3 * 4;
}

double multiply_adds(const Normalized &problem) {
  double product = static_cast<double>(problem.in_channels) * static_cast<double>(problem.out_channels) *
                   static_cast<double>(problem.batch);
  for (const Axis &axis : problem.axis) product *= static_cast<double>(axis.taps) * static_cast<double>(axis.out);
  return product;
}

}  // namespace

Slices slices_of(const Kernel &kernel, const Normalized &problem, int64_t parts, int32_t num_threads) {
  const Slices whole;
  const double most_pieces = multiply_adds(problem) / kLeastMultiplyAdds;
  const auto pieces_of = [parts](int64_t slices) { return static_cast<double>(parts * slices); };
  if (num_threads == 1 || !kernel.has_known_tasks() || problem.groups != 1 || pieces_of(2) > most_pieces) return whole;
  const Plane plane = is_filter_gradient(problem) ? filter_plane(kernel, problem) : image_plane(kernel, problem);
  const bool packs_whole_filter = kernel.packed_filter_channels != 0;
  // Parts are pieces already, each with all the kernel's tasks in it.
  const double cost_of_whole = plane.cost_of(plane.extent);
  const int64_t pieces = parts > 1 ? parts : plane.across * plane.down;
  const double piece_cost = parts > 1 ? cost_of_whole : plane.cost_of_task(packs_whole_filter);
  const double most_work = kMostWork * static_cast<double>(pieces) * piece_cost;
  double least_time = kGain * time_of(pieces, num_threads, piece_cost);
  if (pieces_of(1) * cost_of_whole / num_threads >= least_time) return whole;  // no slices could be as good
  Slices best;
  const int64_t most = std::min(2 * int64_t{num_threads}, divide_up(plane.extent[0], plane.grain[0]));
  for (int64_t first = 1; first <= most; first = next_count(first)) {
    Slices slices;
    cut(plane, 0, first, &slices);
    int64_t others;
    for (int64_t wanted = 2 * int64_t{num_threads}; wanted > 0; wanted = others > 1 ? wanted / 2 : 0) {
      // Where a filter is packed whole, each slice packs that of its channels.
      others = packs_whole_filter ? 1 : divide_up(wanted, parts * slices.count[0]);
      cut(plane, 1, others, &slices);
      cut(plane, 2, divide_up(others, slices.count[1]), &slices);
      const int64_t all = parts * slices.all();
      const double cost = plane.cost_of(slices.size), time = time_of(all, num_threads, cost);
      if (pieces_of(slices.all()) <= most_pieces && static_cast<double>(all) * cost <= most_work && time < least_time) {
        best = slices;
        least_time = time;
      }
    }
  }
  return best;
}

Normalized slice_of(const Normalized &problem, const Slices &slices, int64_t index) {
  Normalized slice = problem;
  int64_t first, size;
  const auto next_way = [&](int way, int64_t extent) {
    first = index % slices.count[way] * slices.size[way];
    size = slices.count[way] == 1 ? extent : std::min(slices.size[way], extent - first);
    index /= slices.count[way];
  };
  View &filter = slice.view[FILTER], &input = slice.view[INPUT], &output = slice.view[OUTPUT];
  if (is_filter_gradient(problem)) {
    next_way(0, problem.in_channels);
    crop(&input, CHANNELS, first, slice.in_channels = size);
    crop(&filter, 1, first, size);
    next_way(1, problem.out_channels);
    crop(&output, CHANNELS, first, slice.out_channels = size);
    crop(&filter, 0, first, size);
    return slice;
  }
  const Role role = result_of(problem.op);
  View &image = slice.view[role], &other = role == INPUT ? output : input;
  next_way(0, image.size[CHANNELS]);
  crop(&image, CHANNELS, first, (role == INPUT ? slice.in_channels : slice.out_channels) = size);
  crop(&filter, role == INPUT ? 1 : 0, first, size);
  next_way(1, problem.batch);
  crop(&image, IMAGES, first, slice.batch = size);
  crop(&other, IMAGES, first, size);
  if (slices.count[2] == 1) return slice;
  const int lines = lines_of(problem);
  next_way(2, image.size[lines]);
  if (lines == ROWS) {
    crop(&slice, role, HEIGHT, first, size);
  } else {  // of a product: a column meets one
    crop(&image, COLUMNS, first, slice.axis[WIDTH].in = size);
    crop(&other, COLUMNS, first, slice.axis[WIDTH].out = size);
  }
  return slice;
}

}  // namespace convgrad
