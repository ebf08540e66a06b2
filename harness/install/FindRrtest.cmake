# Finds rrtest by its program alone, for projects that carry this file and RrtestHunt.cmake in their
# CMAKE_MODULE_PATH. Sets Rrtest_FOUND, Rrtest_EXECUTABLE and Rrtest_VERSION, and defines
# rrtest_add_hunt().
find_program(Rrtest_EXECUTABLE rrtest DOC "The rrtest program")
mark_as_advanced(Rrtest_EXECUTABLE)
if(Rrtest_EXECUTABLE)
    execute_process(COMMAND ${Rrtest_EXECUTABLE} --version
        OUTPUT_VARIABLE Rrtest_VERSION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    string(REGEX REPLACE "^rrtest " "" Rrtest_VERSION "${Rrtest_VERSION}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Rrtest REQUIRED_VARS Rrtest_EXECUTABLE
    VERSION_VAR Rrtest_VERSION)
if(Rrtest_FOUND)
    include("${CMAKE_CURRENT_LIST_DIR}/RrtestHunt.cmake")
endif()
