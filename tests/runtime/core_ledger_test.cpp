// Who computes when, worked out with times of our own.
#include "runtime/core_ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace rwkv {
namespace {

using Time = CoreLedger::Time;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// Somebody who computes for `turn`, is away for `gap`, and comes again.
struct Worker {
  double weight = 1;
  int threads = 1;
  microseconds turn{1000};
  microseconds gap{100};
  Time from{};               // comes first
  Time until = Time::max();  // does not come again after this
  CoreLedger::User user{};
  bool asked = false;
  Time next{};  // comes, or ends what runs
  double core_seconds = 0;
  microseconds longest_wait{0};
  Time asked_at{};
};

// Plays everybody's turns from time 0 to `end`, and checks that no core is used twice.
void play(int cores, std::vector<Worker*> workers, Time end) {
  CoreLedger ledger(cores);
  for (Worker* w : workers) {
    w->user.weight = w->weight;
    w->next = w->from;
    ledger.join(w->user);
  }
  std::vector<bool> was_running(workers.size(), false);
  for (Time now{}; now < end; now += microseconds(50)) {
    ledger.serve(now);
    for (std::size_t i = 0; i < workers.size(); ++i) {
      Worker& w = *workers[i];
      if (w.asked && ledger.runs(w.user) && now >= w.next && was_running[i]) {
        w.core_seconds += std::chrono::duration<double>(w.turn).count() * std::min(w.threads, cores);
        ledger.end(w.user, now);
        w.asked = was_running[i] = false;
        w.next = now + w.gap;
      } else if (!w.asked && now >= w.next && now < w.until) {
        w.asked_at = now;
        ledger.ask(w.user, w.threads, now);
        w.asked = true;
      }
    }
    int used = 0;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      Worker& w = *workers[i];
      if (!ledger.runs(w.user)) continue;
      used += std::min(w.threads, cores);
      if (was_running[i]) continue;
      was_running[i] = true;
      w.next = now + w.turn;
      w.longest_wait = std::max(w.longest_wait, std::chrono::duration_cast<microseconds>(now - w.asked_at));
    }
    ASSERT_LE(used, cores);
  }
}

Time at(int ms) { return Time(milliseconds(ms)); }

TEST(CoreLedger, WeightsOneToThreeGiveCoreTimeOneToThree) {
  for (const auto& [light_turn, heavy_turn] : {std::pair(1000, 1000), std::pair(5000, 800), std::pair(700, 6000)}) {
    Worker light{.weight = 1, .threads = 2, .turn = microseconds(light_turn)};
    Worker heavy{.weight = 3, .threads = 2, .turn = microseconds(heavy_turn)};
    play(2, {&light, &heavy}, at(4000));
    EXPECT_NEAR(heavy.core_seconds / light.core_seconds, 3.0, 0.15) << light_turn << " " << heavy_turn;
    // Hardly anything is lost: the gaps in which the cores are kept for the heavy one.
    EXPECT_GT(heavy.core_seconds + light.core_seconds, 0.8 * 2 * 4.0);
  }
}

TEST(CoreLedger, AMeasureOfCoreSecondsNotOfTurnsOrTime) {
  Worker wide{.threads = 4, .turn = microseconds(2000)};
  Worker one{.threads = 1, .turn = microseconds(2000)};
  Worker another{.threads = 1, .turn = microseconds(2000)};
  play(4, {&wide, &one, &another}, at(6000));
  // All weigh the same and get the same: the wide one a quarter of the turns of the others.
  EXPECT_NEAR(one.core_seconds / another.core_seconds, 1.0, 0.1);
  EXPECT_NEAR(wide.core_seconds / one.core_seconds, 1.0, 0.25);
}

TEST(CoreLedger, WhoFitsRunsAtOnceWhateverTheWeights) {
  Worker a{.weight = 1, .threads = 1};
  Worker b{.weight = 100, .threads = 1};
  play(2, {&a, &b}, at(500));
  EXPECT_EQ(a.longest_wait, microseconds(0));
  EXPECT_EQ(b.longest_wait, microseconds(0));
}

TEST(CoreLedger, ANewcomerHasNoClaimToThePastAndNoDebt) {
  Worker old{.threads = 2};
  Worker newcomer{.threads = 2, .from = at(1000)};
  play(2, {&old, &newcomer}, at(2000));
  EXPECT_NEAR(newcomer.core_seconds, 1.0, 0.15);    // half of 2 cores for a second
  EXPECT_NEAR(old.core_seconds, 1.8 + 1.0, 0.3);    // all of them, but for its gaps, and then half
  EXPECT_LT(old.longest_wait, microseconds(2500));  // the newcomer goes once before it, not for a second
  EXPECT_LT(newcomer.longest_wait, microseconds(2500));
}

TEST(CoreLedger, TimeNobodyCompetedForIsNotHeldAgainstAnybody) {
  // Both run at once for a second; the light one has then used many times its share. A third one that needs both cores
  // shares with them by weight, and nobody catches up.
  Worker light{.weight = 0.1, .threads = 1};
  Worker heavy{.weight = 10, .threads = 1};
  Worker wide{.weight = 10, .threads = 2, .from = at(1000)};
  play(2, {&light, &heavy, &wide}, at(1500));
  EXPECT_GT(heavy.core_seconds, 1.0 * 0.85);
  EXPECT_LT(heavy.longest_wait, microseconds(5000));
  EXPECT_LT(wide.longest_wait, microseconds(5000));
}

TEST(CoreLedger, OneWhoNeedsAllCoresIsNotOvertakenForEver) {
  Worker wide{.threads = 2, .turn = microseconds(1000)};
  Worker a{.threads = 1, .turn = microseconds(1100), .gap = microseconds(50)};
  Worker b{.threads = 1, .turn = microseconds(900), .gap = microseconds(50)};
  play(2, {&wide, &a, &b}, at(2000));
  EXPECT_LT(wide.longest_wait, microseconds(6000));
  EXPECT_GT(wide.core_seconds, 0.8);
}

TEST(CoreLedger, CoresAreNotKeptForOneWhoRestsNorLongForOneWhoStaysAway) {
  CoreLedger ledger(2);
  CoreLedger::User first;
  CoreLedger::User second;
  first.weight = 100;  // always the one who should go next
  ledger.join(first);
  ledger.join(second);
  Time now = at(0);
  const auto turn = [&](CoreLedger::User& user) {
    ledger.ask(user, 2, now);
    EXPECT_TRUE(ledger.runs(user));
    now += milliseconds(10);
    ledger.end(user, now);
  };
  turn(second);
  turn(first);
  ledger.ask(second, 2, now);
  EXPECT_FALSE(ledger.runs(second));
  EXPECT_TRUE(ledger.is_crowded(first, now));
  ledger.rest(first, now);
  EXPECT_TRUE(ledger.runs(second));
  now += milliseconds(10);
  ledger.end(second, now);
  turn(first);
  ledger.ask(second, 2, now);
  ledger.serve(now + milliseconds(1));
  EXPECT_FALSE(ledger.runs(second));
  ledger.serve(now + milliseconds(11));
  EXPECT_TRUE(ledger.runs(second));
}

TEST(CoreLedger, OneThatHasNotComputedYetSeesThatOthersNeedTheCores) {
  CoreLedger ledger(2);
  CoreLedger::User streams;
  CoreLedger::User is_new;
  ledger.join(streams);
  ledger.join(is_new);
  EXPECT_FALSE(ledger.is_crowded(is_new, at(0)));
  ledger.ask(streams, 2, at(0));
  EXPECT_TRUE(ledger.is_crowded(is_new, at(1)));
  ledger.end(streams, at(2));
  EXPECT_TRUE(ledger.is_crowded(is_new, at(100)));
  EXPECT_FALSE(ledger.is_crowded(is_new, at(1000)));
}

TEST(CoreLedger, WhoGivesUpIsOutOfTheWay) {
  CoreLedger ledger(1);
  CoreLedger::User runs;
  CoreLedger::User waits;
  CoreLedger::User last;
  for (CoreLedger::User* user : {&runs, &waits, &last}) ledger.join(*user);
  ledger.ask(runs, 1, at(0));
  ledger.ask(waits, 1, at(1));
  ledger.ask(last, 1, at(2));
  ledger.withdraw(waits, at(3));
  ledger.end(runs, at(4));
  ledger.rest(runs, at(4));
  EXPECT_FALSE(ledger.runs(waits));
  EXPECT_TRUE(ledger.runs(last));
}

}  // namespace
}  // namespace rwkv
