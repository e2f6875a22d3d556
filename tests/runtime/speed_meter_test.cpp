#include "runtime/speed_meter.h"

#include <gtest/gtest.h>

namespace rwkv {
namespace {

TEST(SpeedMeter, ProgressIsThatOfAllTasksOfARun) {
  SpeedMeter speeds;
  EXPECT_EQ(speeds.prefill_progress(), 0);
  speeds.add_task(60);
  speeds.add_task(40);
  speeds.add_progress(25);
  EXPECT_EQ(speeds.prefill_progress(), 0.25);
  speeds.remove_task(40);  // the second one is cancelled before it began
  EXPECT_DOUBLE_EQ(speeds.prefill_progress(), 25.0 / 60);
}

TEST(SpeedMeter, TheFiguresOfARunStayUntilTheNextBegins) {
  SpeedMeter speeds;
  speeds.add_task(100);
  speeds.add_progress(50);
  speeds.add_prefill(50, 0.5);
  speeds.add_decode(2, 0.1);
  speeds.remove_task(50);
  EXPECT_EQ(speeds.prefill_progress(), 0.5);
  EXPECT_DOUBLE_EQ(speeds.prefill_speed(), 100);
  EXPECT_DOUBLE_EQ(speeds.decode_speed(), 20);
  speeds.add_task(10);
  EXPECT_EQ(speeds.prefill_progress(), 0);
  EXPECT_EQ(speeds.prefill_speed(), 0);
  EXPECT_EQ(speeds.decode_speed(), 0);
}

}  // namespace
}  // namespace rwkv
