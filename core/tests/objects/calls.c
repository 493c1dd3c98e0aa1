// What an object can hold, in one file: see `object.rs`. Built with
//   clang -target bpf -O2 -g -fdebug-prefix-map=$PWD=. -c calls.c -o calls.o
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]
#define __noinline __attribute__((noinline))

typedef unsigned int u32;
typedef unsigned long long u64;

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static int (*trace_printk)(const char *format, u32 size, ...) = (void *)6;
static int (*tail_call)(void *context, void *map, u32 index) = (void *)12;
static long (*loop)(u32 times, void *callback, void *context, u64 flags) = (void *)181;

struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };

struct inner {
	__uint(type, 2);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, 12);
	__type(key, u32);
	__uint(max_entries, 3);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [0] = &first, [2] = &second } };

int last(struct xdp_md *context);

struct {
	__uint(type, 3);
	__type(key, u32);
	__uint(value_size, 4);
	__uint(max_entries, 2);
	__uint(map_flags, 0);
	__array(values, int(struct xdp_md *));
} jumps SEC(".maps") = { .values = { [1] = (void *)&last } };

u64 total;
u32 step = 3;
static volatile u32 limit = 7;
const volatile u32 scale = 5;

static __noinline u64 grow(u64 by)
{
	total += by * scale;
	return total;
}

__noinline int add(u32 by)
{
	return by > limit ? 0 : grow(by + step);
}

static long each(u32 index, void *context)
{
	*(u64 *)context += index;
	return 0;
}

SEC("xdp")
int sum(struct xdp_md *context)
{
	u64 seen = 0;
	u32 key = 1;
	loop(4, each, &seen, 0);
	u64 *value = map_lookup(&first, &key);
	if (value)
		*value += seen;
	tail_call(context, &jumps, 1);
	return add(context->rx_queue_index) + grow(2);
}

SEC("xdp")
int last(struct xdp_md *context)
{
	static const char text[] = "last %d";
	limit = 9;
	trace_printk(text, sizeof(text), (u32)grow(1));
	return 2;
}

SEC("somewhere")
int other(void *context)
{
	u32 key = 0;
	return map_lookup(&outer, &key) != 0;
}

char licence[] SEC("license") = "GPL";
