// A landscape drawn by marching rays through noise, and a blur over the result.

struct Scene {
    eye: vec4<f32>,
    target_point: vec4<f32>,
    sun: vec4<f32>,
    resolution: vec2<f32>,
    time: f32,
    octaves: i32,
}

@group(0) @binding(0) var<uniform> scene: Scene;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var picture_sampler: sampler;

struct Screen {
    @builtin(position) clip: vec4<f32>,
    @location(0) uv: vec2<f32>,
}

@vertex
fn fullscreen(@builtin(vertex_index) index: u32) -> Screen {
    var corners = array<vec2<f32>, 3>(vec2<f32>(-1.0, -1.0), vec2<f32>(3.0, -1.0), vec2<f32>(-1.0, 3.0));
    let corner = corners[index];
    return Screen(vec4<f32>(corner, 0.0, 1.0), corner * 0.5 + 0.5);
}

fn hash(p: vec2<f32>) -> f32 {
    let q = fract(p * vec2<f32>(123.34, 456.21));
    let r = q + dot(q, q + 45.32);
    return fract(r.x * r.y);
}

fn noise(p: vec2<f32>) -> f32 {
    let cell = floor(p);
    let f = fract(p);
    let u = f * f * (3.0 - 2.0 * f);
    let a = hash(cell);
    let b = hash(cell + vec2<f32>(1.0, 0.0));
    let c = hash(cell + vec2<f32>(0.0, 1.0));
    let d = hash(cell + vec2<f32>(1.0, 1.0));
    return mix(mix(a, b, u.x), mix(c, d, u.x), u.y);
}

fn height(p: vec2<f32>) -> f32 {
    let turn = mat2x2<f32>(0.8, 0.6, -0.6, 0.8);
    var sum = 0.0;
    var amplitude = 1.0;
    var at = p;
    for (var octave = 0; octave < scene.octaves; octave++) {
        sum += amplitude * noise(at);
        at = turn * at * 2.03;
        amplitude *= 0.5;
    }
    return sum;
}

fn normal_at(p: vec2<f32>, spread: f32) -> vec3<f32> {
    let dx = height(p - vec2<f32>(spread, 0.0)) - height(p + vec2<f32>(spread, 0.0));
    let dz = height(p - vec2<f32>(0.0, spread)) - height(p + vec2<f32>(0.0, spread));
    return normalize(vec3<f32>(dx, 2.0 * spread, dz));
}

fn march(origin: vec3<f32>, direction: vec3<f32>) -> f32 {
    var distance = 0.1;
    loop {
        let here = origin + direction * distance;
        let above = here.y - height(here.xz);
        if above < 0.001 * distance {
            break;
        }
        distance += 0.4 * above;
        if distance > 60.0 {
            return -1.0;
        }
        continuing {
            distance += 0.002;
        }
    }
    return distance;
}

fn sky(direction: vec3<f32>) -> vec3<f32> {
    let glow = pow(max(dot(direction, scene.sun.xyz), 0.0), 64.0);
    return mix(vec3<f32>(0.6, 0.75, 0.9), vec3<f32>(0.2, 0.4, 0.8), max(direction.y, 0.0)) + vec3<f32>(1.0, 0.8, 0.5) * glow;
}

@fragment
fn landscape(in: Screen) -> @location(0) vec4<f32> {
    let aspect = scene.resolution.x / scene.resolution.y;
    let p = (in.uv * 2.0 - 1.0) * vec2<f32>(aspect, 1.0);
    let forward = normalize(scene.target_point.xyz - scene.eye.xyz);
    let right = normalize(cross(forward, vec3<f32>(0.0, 1.0, 0.0)));
    let up = cross(right, forward);
    let direction = normalize(p.x * right + p.y * up + 1.8 * forward);
    let distance = march(scene.eye.xyz, direction);
    if distance < 0.0 {
        return vec4<f32>(sky(direction), 1.0);
    }
    let hit = scene.eye.xyz + direction * distance;
    let n = normal_at(hit.xz, 0.002 * distance);
    let sunlight = max(dot(n, scene.sun.xyz), 0.0);
    let rock = mix(vec3<f32>(0.3, 0.25, 0.2), vec3<f32>(0.9), smoothstep(1.1, 1.3, hit.y));
    let grass = vec3<f32>(0.2, 0.4, 0.1);
    let ground = select(rock, grass, n.y > 0.8 && hit.y < 1.0);
    let shaded = ground * (0.2 + 0.8 * sunlight);
    let fog = 1.0 - exp(-0.0008 * distance * distance);
    return vec4<f32>(mix(shaded, sky(direction), fog), 1.0);
}

@fragment
fn blur(in: Screen) -> @location(0) vec4<f32> {
    let texel = 1.0 / scene.resolution;
    var weights = array<f32, 5>(0.227, 0.194, 0.121, 0.054, 0.016);
    var sum = textureSample(picture, picture_sampler, in.uv).rgb * weights[0];
    for (var i = 1; i < 5; i++) {
        let offset = vec2<f32>(texel.x * f32(i), 0.0);
        sum += textureSample(picture, picture_sampler, in.uv + offset).rgb * weights[i];
        sum += textureSample(picture, picture_sampler, in.uv - offset).rgb * weights[i];
    }
    return vec4<f32>(sum, 1.0);
}
