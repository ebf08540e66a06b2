/* Old mistakes on purpose: RRTEST_FAULT=name,... at run time. Tests switch them on to show that
 * they would be seen. */
#ifndef RECORDER_PATCH_FAULT_H
#define RECORDER_PATCH_FAULT_H

enum patch_fault {
    /* The retry is a flag of the task: whichever call ends next in it is patched. */
    PATCH_FAULT_FLAG_PER_TASK = 1 << 0,
    /* Regions are written whoever stands in them. */
    PATCH_FAULT_IGNORE_OCCUPANCY = 1 << 1,
    /* Nobody thinks of the kernel's going back to a call's instruction. */
    PATCH_FAULT_IGNORE_RESTART = 1 << 2,
    /* The retry patches where the thread is, without looking at what lies there. */
    PATCH_FAULT_NO_IP_CHECK = 1 << 3,
    /* What was deferred is forgotten. */
    PATCH_FAULT_FORGET_RETRY = 1 << 4,
};

/* Of the environment; names that are no faults of this module are passed over. */
unsigned patch_faults_from_environment(void);

#endif
