/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What programs are written with: sections, the fields of a map's definition, the helpers. */
#pragma once

#include <linux/stddef.h>
#include <linux/types.h>

#include <bpf/bpf_helper_defs.h>

#define SEC(name) __attribute__((section(name), used))

/* A map is a structure in ".maps" whose members' types carry its properties. */
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#define __hidden __attribute__((visibility("hidden")))

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define barrier() asm volatile("" ::: "memory")
/* Keeps a value in its register, so that a comparison just made is one of the value used later. */
#define barrier_var(variable) asm volatile("" : "+r"(variable))

#define bpf_printk(format, ...)                                                 \
	({                                                                      \
		static const char text[] = format;                              \
		bpf_trace_printk(text, sizeof(text), ##__VA_ARGS__);            \
	})
