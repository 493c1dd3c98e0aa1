// SPDX-License-Identifier: MIT OR Apache-2.0
// A map of maps with an element of its own, a lock in a value, events of as many CPUs as there are. Built as:
// clang -target bpf -mcpu=v3 -O2 -g -fdebug-compilation-dir=. -c nested.c -o nested.o

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, type) type *name
#define __array(name, type) type *name[]

typedef unsigned int u32;
typedef unsigned long long u64;

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_perf_event_output)(void *ctx, void *map, u64 flags, void *data, u64 size) = (void *)25;
static void (*const bpf_spin_lock)(void *lock) = (void *)93;
static void (*const bpf_spin_unlock)(void *lock) = (void *)94;

struct bpf_spin_lock {
	u32 val;
};

struct account {
	struct bpf_spin_lock lock;
	u32 padding;
	u64 balance;
};

struct counts {
	__uint(type, 2);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} inner SEC(".maps");

struct {
	__uint(type, 12);
	__uint(max_entries, 2);
	__type(key, u32);
	__array(values, struct counts);
} outer SEC(".maps") = { .values = { [1] = &inner } };

struct {
	__uint(type, 1);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, struct account);
} accounts SEC(".maps");

struct {
	__uint(type, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

SEC("tc")
int nested(void *ctx)
{
	u32 one = 1, two = 2;
	struct account *account = bpf_map_lookup_elem(&accounts, &one);
	void *counts = bpf_map_lookup_elem(&outer, &one);
	u64 *count;

	bpf_perf_event_output(ctx, &events, 0xffffffffULL, &one, sizeof(one));
	if (account) {
		bpf_spin_lock(&account->lock);
		account->balance += 5;
		bpf_spin_unlock(&account->lock);
	}
	if (!counts)
		return 0;
	count = bpf_map_lookup_elem(counts, &two);
	if (!count)
		return 0;
	*count += 1;
	return 1;
}

char licence_text[] SEC("license") = "GPL";
