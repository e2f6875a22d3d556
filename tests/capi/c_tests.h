/* The tests that are written in C. */
#ifndef RWKV_TESTS_C_TESTS_H
#define RWKV_TESTS_C_TESTS_H

#define C_TESTS(TEST)                                           \
  TEST(clients_rwkv_dart)                                       \
  TEST(clients_rwkv_dart_each_step_on_its_own_thread)           \
  TEST(clients_rwkv_mobile_flutter)                             \
  TEST(clients_rwkv_mobile_flutter_each_step_on_its_own_thread) \
  TEST(clients_application)                                     \
  TEST(clients_application_each_step_on_its_own_thread)         \
  TEST(checklist_01_all_symbols_and_structures)                 \
  TEST(checklist_02_backend_list)                               \
  TEST(checklist_03_null_handles_and_no_model)                  \
  TEST(checklist_04_flags_are_0_or_1)                           \
  TEST(checklist_05_starts_copy_and_ends_are_final)             \
  TEST(checklist_06_response_buffer)                            \
  TEST(checklist_07_completion_on_the_callers_thread)           \
  TEST(checklist_08_pointers_that_are_never_null)               \
  TEST(checklist_09_setters_take_nothing)                       \
  TEST(checklist_10_log_lines)                                  \
  TEST(checklist_11_speeds_and_progress)                        \
  TEST(checklist_12_stop_in_every_phase)                        \
  TEST(checklist_13_speech_properties_in_both_orders)           \
  TEST(checklist_14_nothing_is_printed)                         \
  TEST(hostile_arguments_of_every_function)                     \
  TEST(threads_every_function_while_a_model_works)              \
  TEST(threads_release_while_generating)                        \
  TEST(threads_release_while_loading)                           \
  TEST(threads_results_outlive_the_thread_that_asked)

#ifdef __cplusplus
extern "C" {
#endif
#define DECLARE(name) void name(void);
C_TESTS(DECLARE)
#undef DECLARE
#ifdef __cplusplus
}
#endif
#endif
