/* glasshive: bpf(2) in user space.
 *
 * One system per process, behind one lock: every call may come from any thread. Pointers in the attribute
 * are the process's own; a bad one is -EFAULT and no crash.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef GLASSHIVE_H
#define GLASSHIVE_H

#ifdef __cplusplus
extern "C" {
#endif

/* What bpf(cmd, attr, size) would return, or -errno. `attr` points to a union bpf_attr. */
long glasshive_bpf(int cmd, void *attr, unsigned int size);

/* Closes a descriptor that glasshive_bpf gave out: 0, or -errno. Descriptors are numbers of the process's
 * own table, and never 0. */
int glasshive_close(int fd);

/* Sets the capabilities (bits of capabilities(7)) that later calls have; all of them until then. Returns 0. */
int glasshive_caps(unsigned long long mask);

#ifdef __cplusplus
}
#endif
#endif
