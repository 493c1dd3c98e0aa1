/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#pragma once

#include <linux/stddef.h>

typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __WCHAR_TYPE__ wchar_t;
