/* What the examples use of eBPF: integer types, how a map is declared, and the helpers that they call
 * (numbers and signatures as the bpf-helpers man page and the uapi header have them). */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed int s32;
typedef signed long long s64;

#define SEC(name) __attribute__((section(name), used))
#define always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))

/* A map is a structure of pointers, whose types carry the numbers into BTF. */
#define uint_field(name, value) int (*name)[value]
#define type_field(name, value) typeof(value) *name

enum { MAP_HASH = 1, MAP_ARRAY = 2 };
/* Where an offset counts from. */
enum { HEADER_LINK = 0, HEADER_NETWORK = 1 };
enum { UPDATE_ANY = 0, UPDATE_NOEXIST = 1, UPDATE_EXIST = 2 };

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_skb_load_bytes_relative)(const void *skb, u32 offset, void *to, u32 len, u32 header) = (void *)68;

/* The packet is big-endian. */
#define ntohs(x) __builtin_bswap16(x)
#define htons(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
