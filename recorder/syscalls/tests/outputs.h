/* The groups of test_outputs: each returns the number of failed tests. */
#ifndef RECORDER_SYSCALLS_TESTS_OUTPUTS_H
#define RECORDER_SYSCALLS_TESTS_OUTPUTS_H

int outputs_of_files(void);
int outputs_of_devices(void);
int outputs_of_sockets(void);
int outputs_of_processes(void);
int outputs_of_ipc(void);

#endif
