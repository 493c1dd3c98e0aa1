//! A million maps made, filled and closed: what they took comes back.

use glasshive::arena::VecMemory;
use glasshive::map::MapSpec;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;

/// Type, key, value, entries, flags of maps that are made in turns.
const MAPS: &[(u32, u32, u32, u32, u32)] = &[
    (1, 4, 8, 16, 0),
    (1, 12, 20, 16, 1),
    (2, 4, 8, 16, 0),
    (2, 4, 8, 16, 1 << 10),
    (5, 4, 8, 16, 0),
    (9, 4, 8, 4, 0),
    (10, 4, 8, 4, 2),
    (11, 8, 8, 16, 1),
    (27, 0, 0, 4096, 0),
];

#[test]
fn a_million_maps_leave_nothing() {
    let memory = VecMemory::new(1 << 20);
    let mut kernel = Kernel::new(memory, 2, 0, Box::new(Sequential::default()));
    for at in 0..1_000_000_usize {
        let (map_type, key_size, value_size, max_entries, flags) = MAPS[at % MAPS.len()];
        let spec = MapSpec { map_type, key_size, value_size, max_entries, flags, ..MapSpec::default() };
        let fd = kernel.create_map(spec).unwrap_or_else(|errno| panic!("map {at}: {errno:?}"));
        if key_size > 0 && at % 7 == 0 {
            let value = vec![1; kernel.map_value_size(fd).expect("it was just made")];
            kernel.map_update(fd, &vec![0; key_size as usize], &value, 0).expect("there is room");
        }
        kernel.close(fd).expect("it is open");
    }
    assert_eq!(kernel.resources.arena.used(), 0);
    assert_eq!(kernel.resources.arena.objects().count(), 0);
    assert_eq!(kernel.resources.maps.ids().count(), 0);
}
