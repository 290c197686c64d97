#include "normalize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "example_problem.h"
#include "output_size.h"

namespace convgrad {
namespace {

using ::testing::HasSubstr;

// All (position, tap, row) that meet, in the axis's own numbering, shifted by what was dropped.
std::set<std::tuple<int64_t, int64_t, int64_t>> meetings(const Axis &axis, int64_t first_out = 0,
                                                         int64_t first_tap = 0) {
  std::set<std::tuple<int64_t, int64_t, int64_t>> all;
  for (int64_t p = 0; p < axis.out; ++p) {
    for (int64_t r = 0; r < axis.taps; ++r) {
      const Wide row = Wide{p} * axis.stride + Wide{r} * axis.dilation - axis.before;
      if (row >= 0 && row < axis.in) all.insert({p + first_out, r + first_tap, static_cast<int64_t>(row)});
    }
  }
  return all;
}

TEST(OutputSize, SamePadsTheSmallerHalfBefore) {
  EXPECT_EQ(output_size(CONVGRAD_SAME, 5, 3, 1, 1, 0, 0).before, 1);
  EXPECT_EQ(output_size(CONVGRAD_SAME, 5, 4, 1, 1, 0, 0).before, 1);  // 3 in all
  EXPECT_EQ(output_size(CONVGRAD_SAME, 6, 3, 2, 1, 0, 0).before, 0);  // 1 in all
  EXPECT_EQ(output_size(CONVGRAD_SAME, 5, 3, 2, 1, 0, 0).before, 1);
  EXPECT_EQ(output_size(CONVGRAD_SAME, 5, 3, 1, 2, 0, 0).before, 2);
  EXPECT_EQ(output_size(CONVGRAD_SAME, 5, 1, 3, 1, 0, 0).before, 0);
  EXPECT_EQ(output_size(CONVGRAD_VALID, 5, 3, 1, 1, 0, 0).before, 0);
  EXPECT_EQ(output_size(CONVGRAD_EXPLICIT, 5, 3, 1, 1, 7, 2).before, 7);
}

TEST(TrimAxis, KeepsExactlyWhatMeets) {
  int cases = 0, dropped = 0;
  for (int64_t in = 0; in <= 4; ++in) {
    for (int64_t taps = 0; taps <= 3; ++taps) {
      for (int64_t out = 0; out <= 4; ++out) {
        for (int64_t stride = 1; stride <= 4; ++stride) {
          for (int64_t dilation = 1; dilation <= 5; ++dilation) {
            for (int64_t before = 0; before <= 7; ++before) {
              const Axis axis = axis_of(in, taps, out, stride, dilation, before);
              const auto all = meetings(axis);
              TrimmedAxis trimmed;
              ++cases;
              if (!trim_axis(axis, &trimmed)) {
                EXPECT_TRUE(all.empty());
                continue;
              }
              if (trimmed.axis.taps < taps || trimmed.axis.out < out) ++dropped;
              ASSERT_EQ(meetings(trimmed.axis, trimmed.first_out, trimmed.first_tap), all)
                  << in << " " << taps << " " << out << " " << stride << " " << dilation << " " << before;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(dropped, cases / 10);
}

TEST(TrimAxis, HugeDilation) {
  for (int shift : {30, 40, 62}) {
    const int64_t dilation = int64_t{1} << shift;
    const OutputSize size = output_size(CONVGRAD_SAME, 5, 3, 1, dilation, 0, 0);
    TrimmedAxis trimmed;
    ASSERT_TRUE(trim_axis(axis_of(5, 3, 5, 1, dilation, size.before), &trimmed));
    EXPECT_EQ(trimmed.first_tap, 1);
    EXPECT_EQ(trimmed.axis.taps, 1);
    EXPECT_EQ(trimmed.axis.dilation, 1);
    EXPECT_EQ(trimmed.axis.out, 5);
    EXPECT_EQ(trimmed.axis.before, 0);
  }
}

TEST(TrimAxis, HugeStride) {
  TrimmedAxis trimmed;
  ASSERT_TRUE(trim_axis(axis_of(5, 3, 1, INT64_MAX, 1, 0), &trimmed));
  EXPECT_EQ(trimmed.axis.stride, 1);
  // Of two positions the second is far behind the input.
  ASSERT_TRUE(trim_axis(axis_of(5, 3, 2, INT64_MAX, 1, 0), &trimmed));
  EXPECT_EQ(trimmed.axis.out, 1);
  EXPECT_EQ(trimmed.axis.taps, 3);
}

TEST(TrimAxis, HugePadding) {
  TrimmedAxis trimmed;
  // One position in the middle of 2^62 rows of padding on both sides.
  ASSERT_TRUE(trim_axis(axis_of(5, 1, 3, int64_t{1} << 62, 1, int64_t{1} << 62), &trimmed));
  EXPECT_EQ(trimmed.first_out, 1);
  EXPECT_EQ(trimmed.axis.out, 1);
  EXPECT_EQ(trimmed.axis.before, 0);
  EXPECT_FALSE(trim_axis(axis_of(5, 3, 2, 1, 1, int64_t{1} << 62), &trimmed));
}

// Every dx[h] as the sum of its (tap, position) pairs: each exactly once over all phases, at the right row.
TEST(Phases, CoverEveryPairOnce) {
  int strided = 0;
  for (int64_t in = 1; in <= 7; ++in) {
    for (int64_t taps = 1; taps <= 5; ++taps) {
      for (int64_t stride = 1; stride <= 5; ++stride) {
        for (int64_t dilation = 1; dilation <= 6; ++dilation) {
          for (int64_t before = -3; before <= 4; ++before) {
            const int64_t out = 4;
            const Axis axis = axis_of(in, taps, out, stride, dilation, before);
            std::set<std::tuple<int64_t, int64_t, int64_t>> all;
            std::vector<int> written(static_cast<size_t>(in), 0);
            for (int64_t i = 0; i < phase_count(axis); ++i) {
              const Phase phase = phase_at(axis, i);
              for (int64_t row = 0; row < phase.rows; ++row) {
                const int64_t h = phase.first_row + row * stride;
                ASSERT_LT(h, in);
                ++written[static_cast<size_t>(h)];
                for (int64_t j = 0; j < phase.taps; ++j) {
                  const int64_t p = phase.min + row - j * phase.dilation;
                  if (p < 0 || p >= out) continue;
                  ASSERT_TRUE(all.insert({p, phase.first_tap + j * phase.tap_step, h}).second);
                }
              }
            }
            ASSERT_EQ(all, meetings(axis)) << in << " " << taps << " " << stride << " " << dilation;
            for (int count : written) {
              ASSERT_LE(count, 1);
              if (!phases_leave_rows(axis)) {
                ASSERT_EQ(count, 1);
              }
            }
            strided += stride > 1;
          }
        }
      }
    }
  }
  EXPECT_GT(strided, 1000);
}

// The phases of kernels for a fixed stride, dilation 1: tap r = a + stride * j meets position i - j.
TEST(Phases, RowsOfFixedStrideKernels) {
  for (int64_t in = 0; in <= 7; ++in) {
    for (int64_t taps = 1; taps <= 5; ++taps) {
      for (int64_t stride = 1; stride <= 4; ++stride) {
        for (int64_t before = -3; before <= 4; ++before) {
          const Axis axis = axis_of(in, taps, 4, stride, 1, before);
          std::set<std::tuple<int64_t, int64_t, int64_t>> all;
          int64_t rows_in_all = 0;
          for (int64_t a = 0; a < stride; ++a) {
            const PhaseRows rows = phase_rows(axis, a);
            rows_in_all += rows.rows;
            for (int64_t i = 0; i < rows.rows; ++i) {
              for (int64_t j = 0; a + stride * j < taps; ++j) {
                const int64_t p = rows.min + i - j;
                if (p >= 0 && p < 4) all.insert({p, a + stride * j, rows.first_row + i * stride});
              }
            }
          }
          ASSERT_EQ(rows_in_all, in);
          ASSERT_EQ(all, meetings(axis));
        }
      }
    }
  }
}

TEST(Normalize, EmptyResultDoesNothing) {
  const Axis axis = axis_of(5, 3, 5, 1, 1, 1);
  const Normalized normalized = normalize(problem_of(CONVGRAD_OP_CONV2D, 0, axis, axis, 2, 3));
  EXPECT_FALSE(normalized.fill);
  EXPECT_FALSE(normalized.run);
}

TEST(Normalize, EmptyReductionsAreZeros) {
  const Axis axis = axis_of(5, 3, 5, 1, 1, 1);
  // No output channels for the input's gradient, no batch for the filter's, no taps for the output.
  for (const Problem &problem : {problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, axis, axis, 2, 0),
                                 problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 0, axis, axis, 2, 3),
                                 problem_of(CONVGRAD_OP_CONV2D, 1, axis_of(5, 0, 5, 1, 1, 0), axis, 2, 3),
                                 // Every window lies in the padding.
                                 problem_of(CONVGRAD_OP_CONV2D, 1, axis_of(5, 1, 2, 1, 1, 9), axis, 2, 3)}) {
    const Normalized normalized = normalize(problem);
    EXPECT_TRUE(normalized.fill);
    EXPECT_FALSE(normalized.run);
  }
}

TEST(Normalize, DroppedPartsOfTheResultAreFilled) {
  const Axis wide = axis_of(5, 3, 5, 1, 1, 1);
  // The middle tap alone meets the single row.
  const Axis single_row = axis_of(1, 3, 1, 1, 1, 1);
  const Normalized filter = normalize(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 1, single_row, wide, 2, 3));
  EXPECT_TRUE(filter.run);
  EXPECT_TRUE(filter.fill);
  EXPECT_EQ(filter.axis[HEIGHT].taps, 1);
  EXPECT_EQ(filter.view[FILTER].size[3], 1);
  EXPECT_EQ(filter.view[FILTER].offset, 3 * 2 * 3);  // one row of 3 taps, 2 x 3 channels
  const Normalized forward = normalize(problem_of(CONVGRAD_OP_CONV2D, 1, single_row, wide, 2, 3));
  EXPECT_FALSE(forward.fill);

  // Two rows of windows see padding only.
  const Axis far_padding = axis_of(5, 3, 9, 1, 1, 4);
  const Normalized output = normalize(problem_of(CONVGRAD_OP_CONV2D, 1, far_padding, wide, 2, 3));
  EXPECT_TRUE(output.fill);
  EXPECT_EQ(output.axis[HEIGHT].out, 7);
  EXPECT_EQ(output.axis[HEIGHT].before, 2);
  EXPECT_EQ(output.view[OUTPUT].offset, 2 * 5 * 3);
  const Normalized input = normalize(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, far_padding, wide, 2, 3));
  EXPECT_FALSE(input.fill);

  const Normalized whole = normalize(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 1, single_row, wide, 2, 3), false);
  EXPECT_TRUE(whole.run);
  EXPECT_FALSE(whole.fill);
  EXPECT_EQ(whole.axis[HEIGHT].taps, 3);
  EXPECT_EQ(whole.axis[HEIGHT].before, 1);
}

TEST(Normalize, OneByOneFoldsRowsAndImages) {
  const Axis height = axis_of(5, 1, 5, 1, 1, 0), width = axis_of(7, 1, 7, 1, 1, 0);
  const Normalized normalized = normalize(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 3, height, width, 2, 4));
  EXPECT_EQ(normalized.batch, 1);
  EXPECT_EQ(normalized.axis[HEIGHT].in, 1);
  EXPECT_EQ(normalized.axis[HEIGHT].out, 1);
  EXPECT_EQ(normalized.axis[WIDTH].in, 105);
  EXPECT_EQ(normalized.axis[WIDTH].out, 105);
  EXPECT_EQ(normalized.view[INPUT].size[1], 105);
  EXPECT_EQ(normalized.view[INPUT].stride[1], 2);
  EXPECT_EQ(normalized.view[OUTPUT].size[1], 105);
  EXPECT_EQ(normalized.view[OUTPUT].size[3], 1);
}

TEST(Normalize, OneByOneFoldsAsFarAsTheLayoutAllows) {
  const Axis height = axis_of(5, 1, 5, 1, 1, 0), width = axis_of(7, 1, 7, 1, 1, 0);
  Problem problem = problem_of(CONVGRAD_OP_CONV2D, 3, height, width, 2, 4);
  problem.tensor[INPUT].stride[3] += 2;  // images apart
  Normalized normalized = normalize(problem);
  EXPECT_EQ(normalized.batch, 3);
  EXPECT_EQ(normalized.axis[WIDTH].in, 35);
  EXPECT_EQ(normalized.axis[HEIGHT].in, 1);
  problem.tensor[OUTPUT].stride[2] += 4;  // rows apart
  normalized = normalize(problem);
  EXPECT_EQ(normalized.axis[WIDTH].in, 7);
  EXPECT_EQ(normalized.axis[HEIGHT].in, 5);
}

TEST(Normalize, OtherProblemsDoNotFold) {
  const Axis plain = axis_of(5, 1, 5, 1, 1, 0);
  EXPECT_EQ(normalize(problem_of(CONVGRAD_OP_CONV2D, 3, axis_of(5, 1, 3, 2, 1, 0), plain, 2, 4)).batch, 3);
  EXPECT_EQ(normalize(problem_of(CONVGRAD_OP_CONV2D, 3, axis_of(5, 3, 5, 1, 1, 1), plain, 2, 4)).batch, 3);
  EXPECT_EQ(normalize(problem_of(CONVGRAD_OP_CONV2D, 3, axis_of(5, 1, 7, 1, 1, 2), plain, 2, 4)).axis[WIDTH].in, 25)
      << "rows in the padding are dropped first, and what is left folds";
}

TEST(Normalize, GroupsArePeeled) {
  const Axis axis = axis_of(5, 3, 5, 1, 1, 1);
  const Normalized normalized = normalize(problem_of(CONVGRAD_OP_CONV2D, 1, axis, axis, 6, 9, 3));
  EXPECT_EQ(normalized.in_channels, 2);
  EXPECT_EQ(normalized.out_channels, 3);
  EXPECT_EQ(normalized.view[INPUT].size[0], 2);
  EXPECT_EQ(normalized.view[INPUT].stride[1], 6);
  EXPECT_EQ(normalized.view[FILTER].size[0], 3);
  EXPECT_EQ(normalized.view[FILTER].size[1], 2);
  EXPECT_EQ(normalized.group_step[INPUT], 2);
  EXPECT_EQ(normalized.group_step[FILTER], 3);
  EXPECT_EQ(normalized.group_step[OUTPUT], 3);
}

TEST(FitsInt32, NamesWhatIsTooLarge) {
  const Axis axis = axis_of(5, 3, 5, 1, 1, 1);
  Text reason;
  EXPECT_TRUE(fits_int32(normalize(problem_of(CONVGRAD_OP_CONV2D, 1, axis, axis, 6, 9)), conv2d_info, &reason));

  // 5 * 5 * 2^20 * 32 floats of input.
  Problem large = problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, int64_t{1} << 20, axis, axis, 32, 1);
  EXPECT_FALSE(fits_int32(normalize(large), backprop_input_info, &reason));
  EXPECT_THAT(reason.c_str(), HasSubstr("in_backprop spans 3355443200 bytes"));
  EXPECT_THAT(reason.c_str(), HasSubstr("2147483647"));

  // Windows and taps that meet far apart, so that none of them can be dropped.
  const int64_t far = int64_t{1} << 31;
  reason.clear();
  Problem spread = problem_of(CONVGRAD_OP_CONV2D, 1, axis_of(1, 3, 3, far, far, 2 * far), axis, 1, 1);
  EXPECT_FALSE(fits_int32(normalize(spread), conv2d_info, &reason));
  EXPECT_THAT(reason.c_str(), HasSubstr("strides [2147483648,1]"));
}

// Kernels multiply a coordinate by its stride before they take the padding's share off again.
TEST(FitsInt32, CoordinatesTimesTheirStrides) {
  const Axis width = axis_of(7, 1, 7, 1, 1, 0);
  Text reason;
  for (const auto &[op, info] : {std::make_pair(CONVGRAD_OP_CONV2D, &conv2d_info),
                                 std::make_pair(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, &backprop_filter_info)}) {
    const auto fits = [&, op = op, info = info](int64_t step) {
      const Axis height = axis_of(7, 4, 4, step, step, 3 * step);
      reason.clear();
      return fits_int32(normalize(problem_of(op, 1, height, width, 4, 13)), *info, &reason);
    };
    // Rows are 28 elements apart; the last of 4 positions, rounded up by a tile, and the last of 4 taps are 38 steps.
    const int64_t most = (INT32_MAX - (7 - 1 + 32) * 4 - 3) / (38 * 28);
    EXPECT_TRUE(fits(most)) << reason.c_str();
    for (int64_t step : {most + 1, int64_t{1} << 24}) {
      EXPECT_FALSE(fits(step)) << info->name << " " << step;
      EXPECT_THAT(reason.c_str(), HasSubstr("input"));
      EXPECT_THAT(reason.c_str(), HasSubstr("2147483647"));
    }
    for (int shift : {25, 26, 27, 40}) EXPECT_FALSE(fits(int64_t{1} << shift)) << info->name << " 2^" << shift;
  }
}

// The rows of a phase are as far apart as the stride says.
TEST(FitsInt32, PhasesTimesTheirStrides) {
  Text reason;
  const auto fits = [&](int64_t in, int64_t stride, int64_t channels) {
    reason.clear();
    const Axis height = axis_of(in, 1, (in - 1) / stride + 1, stride, 1, 0);
    const Axis width = axis_of(3, 3, 1, 1, 1, 0);
    const Problem problem = problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, height, width, channels, 1);
    return fits_int32(normalize(problem), backprop_input_info, &reason);
  };
  EXPECT_TRUE(fits(9, 4, 4000000)) << reason.c_str();
  EXPECT_FALSE(fits(9, 4, 5000000));
  EXPECT_THAT(reason.c_str(), HasSubstr("in_backprop"));
  // Phases of one row have no next one, so the stride does not count.
  EXPECT_TRUE(fits(3, 1 << 29, 4)) << reason.c_str();
}

TEST(FitsInt32, OrdinaryTensorsOfAlmost2GiB) {
  const Axis same = axis_of(64, 3, 64, 1, 1, 1), same7 = axis_of(64, 7, 64, 1, 1, 3),
             half = axis_of(64, 3, 32, 2, 1, 0);
  for (convgrad_op op : {CONVGRAD_OP_CONV2D, CONVGRAD_OP_CONV2D_BACKPROP_INPUT, CONVGRAD_OP_CONV2D_BACKPROP_FILTER}) {
    for (const Axis &axis : {same, same7, half}) {
      for (int64_t batch : {1, 2, 128}) {
        const int64_t channels = ((int64_t{1} << 29) - 1) / (64 * 64) / batch;
        Text reason;
        EXPECT_TRUE(fits_int32(normalize(problem_of(op, batch, axis, axis, channels, 3)), conv2d_info, &reason))
            << reason.c_str();
        if (axis.stride > 1) continue;
        EXPECT_TRUE(fits_int32(normalize(problem_of(op, batch, axis, axis, 3, channels)), conv2d_info, &reason))
            << reason.c_str();
      }
    }
  }
}

}  // namespace
}  // namespace convgrad
