/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#pragma once

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
