use proptest::prelude::*;

use super::*;

fn input() -> impl Strategy<Value = PoolSizeInput> {
    let load = (
        1u32..5000,
        0.001f64..10_000.0,
        0.001f64..100_000.0,
        0.0f64..10.0,
    );
    let machine = (proptest::option::of(1u32..256), 0u32..16, 1u32..64);
    let memory =
        proptest::option::of((1u64 << 20..1 << 44, 1u64..1 << 42, 1u64..1 << 32, 1u32..100));
    let reserved = (0u32..10, 0u32..10, 0u32..50);
    let threads = (1u32..64, 1u32..4);
    (load, machine, memory, reserved, threads).prop_map(
        |(load, machine, memory, reserved, threads)| {
            let mut input = PoolSizeInput::new(load.0, load.1, load.2);
            input.headroom = load.3;
            (input.physical_cores, input.spindles, input.instances) = machine;
            input.memory = memory.map(|memory| {
                ServerMemory::new(memory.0, memory.1, memory.2).with_work_mem_multiple(memory.3)
            });
            (
                input.superuser_reserved_connections,
                input.reserved_connections,
                input.other_connections,
            ) = reserved;
            (input.threads, input.connections_per_thread) = threads;
            input
        },
    )
}

proptest! {
    #[test]
    fn a_size_is_safe(input in input()) {
        let Ok(found) = pool_size(&input) else { return Ok(()) };
        let size = i64::from(found.size);
        for bound in &found.bounds {
            match bound.kind {
                BoundKind::Limit => prop_assert!(size <= bound.connections),
                BoundKind::Floor => prop_assert!(size >= bound.connections),
                BoundKind::Need | BoundKind::Advice => prop_assert!(
                    size <= bound.connections || found.binds == BoundName::DeadlockFloor
                ),
            }
        }
        let binding = found.bounds.iter().find(|bound| bound.name == found.binds).unwrap();
        prop_assert_eq!(binding.connections, size);
        // All instances together stay within the connections of the server.
        let reserved = input.superuser_reserved_connections + input.reserved_connections + input.other_connections;
        prop_assert!(found.size * input.instances + reserved <= input.max_connections);
    }

    #[test]
    #[expect(clippy::float_arithmetic, reason = "a load, no money")]
    fn larger_input_never_gives_a_smaller_size(input in input(), more in 1u32..100) {
        let Ok(before) = pool_size(&input) else { return Ok(()) };
        let mut changed = input;
        changed.max_connections += more;
        changed.physical_cores = input.physical_cores.map(|cores| cores + more);
        changed.transactions_per_second += f64::from(more);
        prop_assert!(pool_size(&changed).unwrap().size >= before.size);
    }

    #[test]
    fn nothing_panics(
        numbers in proptest::collection::vec(any::<u32>(), 9),
        floats in proptest::collection::vec(any::<f64>(), 3),
        bytes in proptest::collection::vec(any::<u64>(), 3),
    ) {
        let mut input = PoolSizeInput::new(numbers[0], floats[0], floats[1]);
        input.headroom = floats[2];
        input.physical_cores = Some(numbers[1]);
        input.spindles = numbers[2];
        input.superuser_reserved_connections = numbers[3];
        input.reserved_connections = numbers[4];
        input.other_connections = numbers[5];
        input.instances = numbers[6];
        input.threads = numbers[7];
        input.connections_per_thread = numbers[8];
        input.memory = Some(ServerMemory::new(bytes[0], bytes[1], bytes[2]).with_work_mem_multiple(numbers[0]));
        let _ = pool_size(&input);
    }
}

#[test]
fn each_bound_can_decide_the_size() {
    let demand = PoolSizeInput::new(200, 5.0, 2000.0).with_physical_cores(8);
    let cores = PoolSizeInput::new(200, 50.0, 2000.0).with_physical_cores(8);
    let mut share = cores;
    share.max_connections = 23;
    share.instances = 2;
    let mut cores_of_two = share;
    cores_of_two.max_connections = 200;
    share.physical_cores = Some(32);
    let memory = cores.with_memory(ServerMemory::new(1 << 30, 1 << 28, 1 << 26));
    let mut floor = demand;
    floor.threads = 20;
    floor.connections_per_thread = 2;
    for (input, size, binds) in [
        (demand, 13, BoundName::Demand),
        (cores, 16, BoundName::PhysicalCores),
        (cores_of_two, 8, BoundName::PhysicalCores),
        (share, 10, BoundName::FairShare),
        (memory, 4, BoundName::Memory),
        (floor, 21, BoundName::DeadlockFloor),
    ] {
        let found = pool_size(&input).unwrap();
        assert_eq!((found.size, found.binds), (size, binds), "{found}");
        assert_eq!(
            found.demand_is_met,
            matches!(binds, BoundName::Demand | BoundName::DeadlockFloor)
        );
    }
}

#[test]
fn output_shows_every_bound() {
    let input = PoolSizeInput::new(200, 50.0, 2000.0)
        .with_physical_cores(8)
        .with_memory(ServerMemory::new(32 << 30, 8 << 30, 16 << 20));
    insta::assert_snapshot!(pool_size(&input).unwrap());
}

#[test]
fn invalid_input_is_named() {
    let good = PoolSizeInput::new(200, 5.0, 2000.0);
    let change = |change: fn(&mut PoolSizeInput)| {
        let mut input = good;
        change(&mut input);
        pool_size(&input).unwrap_err().to_string()
    };
    let zero = change(|input| input.mean_hold_ms = 0.0);
    assert_eq!(
        zero,
        "mean_hold_ms is 0, but must be between 0.000001 and 86400000"
    );
    let nan = change(|input| input.transactions_per_second = f64::NAN);
    assert_eq!(
        nan,
        "transactions_per_second is NaN, but must be between 0.000001 and 1000000000"
    );
    assert!(change(|input| input.headroom = -0.1).starts_with("headroom is -0.1"));
    assert!(change(|input| input.headroom = f64::INFINITY).starts_with("headroom is inf"));
    assert!(change(|input| input.max_connections = 0).starts_with("max_connections is 0"));
    assert!(change(|input| input.max_connections = 3).contains("max_connections is 3"));
    assert!(change(|input| input.instances = 0).starts_with("instances is 0"));
    assert!(change(|input| input.physical_cores = Some(0)).starts_with("physical_cores is 0"));
    assert!(change(|input| input.threads = 0).starts_with("threads is 0"));
    let unsafe_ = change(|input| {
        input.threads = 200;
        input.connections_per_thread = 2;
    });
    assert_eq!(
        unsafe_,
        "no pool size is safe: threads that hold several connections need at least 201, but fair_share allows 197"
    );
}
