# rrtest_add_hunt(TARGET [NAME name] [RUNS n] [SEED s] [STRATEGY s] [TIMEOUT seconds]
#                 [RUN_TIMEOUT duration] [EXPECT_EXIT n] [LABELS label...] [ARGS argument...]
#                 [INJECT injection...])
#
# Registers the CTest test hunt.TARGET (or hunt.NAME), which runs the program of TARGET with ARGS under
# n schedules (default 200) and fails if one of these runs fails. `ctest -L hunt` chooses all hunts,
# `ctest -LE hunt` leaves them out.
#
#   TIMEOUT      of the whole hunt, in seconds (default 600). Some time before it the hunt ends by
#                itself, with what it found until then.
#   RUN_TIMEOUT  of one run: 500ms, 10s, 2m (default 30s)
#   SEED         the session seed; without it a new one is drawn for each hunt, and printed
#   EXPECT_EXIT  the exit status that is right, 0 by default
#   INJECT       signals to deliver: SIGUSR1:at=futex:probability=0.2
#
# Traces of failing runs are kept in rrtest-hunts/NAME below the current binary folder. On a machine
# that cannot record, the test is skipped.
function(rrtest_add_hunt target)
    cmake_parse_arguments(PARSE_ARGV 1 HUNT "" "NAME;RUNS;SEED;STRATEGY;TIMEOUT;RUN_TIMEOUT;EXPECT_EXIT"
        "LABELS;ARGS;INJECT")
    if(HUNT_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "rrtest_add_hunt(${target}): unknown argument ${HUNT_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT TARGET ${target})
        message(FATAL_ERROR "rrtest_add_hunt(${target}): there is no such target")
    endif()
    if(NOT HUNT_NAME)
        set(HUNT_NAME ${target})
    endif()
    if(NOT HUNT_TIMEOUT)
        set(HUNT_TIMEOUT 600)
    endif()
    if(NOT HUNT_TIMEOUT MATCHES "^[0-9]+$" OR HUNT_TIMEOUT LESS 1)
        message(FATAL_ERROR
            "rrtest_add_hunt(${target}): TIMEOUT: expected seconds, got ${HUNT_TIMEOUT}")
    endif()
    math(EXPR budget_ms "${HUNT_TIMEOUT} * 900")
    set(options --out ${CMAKE_CURRENT_BINARY_DIR}/rrtest-hunts/${HUNT_NAME}
        --time-budget ${budget_ms}ms)
    foreach(name RUNS SEED STRATEGY RUN_TIMEOUT EXPECT_EXIT)
        if(DEFINED HUNT_${name})
            string(TOLOWER ${name} option)
            string(REPLACE "_" "-" option ${option})
            string(REGEX REPLACE "^run-timeout$" "timeout" option ${option})
            list(APPEND options --${option} ${HUNT_${name}})
        endif()
    endforeach()
    foreach(injection IN LISTS HUNT_INJECT)
        list(APPEND options --inject ${injection})
    endforeach()
    add_test(NAME hunt.${HUNT_NAME}
        COMMAND ${Rrtest_EXECUTABLE} run ${options} -- $<TARGET_FILE:${target}> ${HUNT_ARGS})
    set_tests_properties(hunt.${HUNT_NAME} PROPERTIES
        TIMEOUT ${HUNT_TIMEOUT}
        SKIP_RETURN_CODE 3
        LABELS "hunt;${HUNT_LABELS}")
endfunction()
