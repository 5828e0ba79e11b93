// Particles that attract each other: one step of the simulation, and a histogram of their speeds.

struct Particle {
    position: vec4<f32>,
    velocity: vec4<f32>,
}

struct Step {
    delta: f32,
    softening: f32,
    damping: f32,
    count: u32,
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> source: array<Particle>;
@group(0) @binding(2) var<storage, read_write> destination: array<Particle>;
@group(0) @binding(3) var<storage, read_write> histogram: array<atomic<u32>, 64>;

const TILE: u32 = 64u;
var<workgroup> tile: array<vec4<f32>, 64>;
var<workgroup> local_histogram: array<atomic<u32>, 64>;

fn pull(here: vec3<f32>, other: vec4<f32>) -> vec3<f32> {
    let offset = other.xyz - here;
    let distance_squared = dot(offset, offset) + step.softening;
    let inverse = inverseSqrt(distance_squared);
    return offset * (other.w * inverse * inverse * inverse);
}

@compute @workgroup_size(64)
fn advance(@builtin(global_invocation_id) global: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = global.x;
    var particle = source[min(index, step.count - 1u)];
    var force = vec3<f32>(0.0);
    for (var first = 0u; first < step.count; first += TILE) {
        let at = first + local;
        if at < step.count {
            tile[local] = source[at].position;
        } else {
            tile[local] = vec4<f32>(0.0);
        }
        workgroupBarrier();
        for (var i = 0u; i < TILE; i += 4u) {
            force += pull(particle.position.xyz, tile[i]);
            force += pull(particle.position.xyz, tile[i + 1u]);
            force += pull(particle.position.xyz, tile[i + 2u]);
            force += pull(particle.position.xyz, tile[i + 3u]);
        }
        workgroupBarrier();
    }
    let velocity = (particle.velocity.xyz + force * step.delta) * step.damping;
    let position = particle.position.xyz + velocity * step.delta;
    if index < step.count {
        destination[index].velocity = vec4<f32>(velocity, particle.velocity.w);
        destination[index].position = vec4<f32>(position, particle.position.w);
    }
}

fn bucket(speed: f32) -> u32 {
    switch u32(speed) {
        case 0u: { return u32(speed * 16.0); }
        case 1u, 2u, 3u: { return 16u + u32(speed * 8.0) - 8u; }
        default: { return min(40u + u32(log2(speed) * 4.0), 63u); }
    }
}

@compute @workgroup_size(64)
fn count_speeds(@builtin(global_invocation_id) global: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    atomicStore(&local_histogram[local], 0u);
    workgroupBarrier();
    if global.x < step.count {
        let speed = length(source[global.x].velocity.xyz);
        atomicAdd(&local_histogram[bucket(speed)], 1u);
    }
    workgroupBarrier();
    let counted = atomicLoad(&local_histogram[local]);
    if counted > 0u {
        atomicAdd(&histogram[local], counted);
    }
}
