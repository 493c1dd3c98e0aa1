/* How long a task was away: two tracepoint programs that share a map, and a histogram by powers of two. */
#include "include/context.h"

struct {
	uint_field(type, MAP_HASH);
	type_field(key, u64);
	type_field(value, u64);
	uint_field(max_entries, 4096);
} started SEC(".maps");

struct {
	uint_field(type, MAP_ARRAY);
	type_field(key, u32);
	type_field(value, u64);
	uint_field(max_entries, 32);
} histogram SEC(".maps");

static always_inline u32 power_of_two(u64 value)
{
	u32 power = 0;

	for (u32 step = 32; step; step >>= 1)
		if (value >> step) {
			value >>= step;
			power += step;
		}
	return power;
}

SEC("raw_tracepoint/sys_enter")
int enter(struct raw_tracepoint *context)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&started, &task, &now, UPDATE_ANY);
	return 0;
}

SEC("raw_tracepoint/sys_exit")
int leave(struct raw_tracepoint *context)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 *begin = bpf_map_lookup_elem(&started, &task);

	if (!begin)
		return 0;

	u32 slot = power_of_two(bpf_ktime_get_ns() - *begin);
	u64 *count = bpf_map_lookup_elem(&histogram, &slot);
	if (count)
		__sync_fetch_and_add(count, 1);
	bpf_map_delete_elem(&started, &task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
