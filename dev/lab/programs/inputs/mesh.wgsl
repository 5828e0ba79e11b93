// A lit mesh with shadows: vertex and fragment stage.

struct Camera {
    view_projection: mat4x4<f32>,
    position: vec4<f32>,
}

struct Light {
    position: vec4<f32>,
    color: vec4<f32>,
    view_projection: mat4x4<f32>,
}

struct Lights {
    ambient: vec4<f32>,
    count: vec4<u32>,
    list: array<Light, 8>,
}

struct Material {
    base_color: vec4<f32>,
    roughness: f32,
    metallic: f32,
    normal_scale: f32,
    emissive: f32,
}

@group(0) @binding(0) var<uniform> camera: Camera;
@group(0) @binding(1) var<uniform> lights: Lights;
@group(1) @binding(0) var<uniform> material: Material;
@group(1) @binding(1) var base_map: texture_2d<f32>;
@group(1) @binding(2) var base_sampler: sampler;
@group(1) @binding(3) var normal_map: texture_2d<f32>;
@group(1) @binding(4) var normal_sampler: sampler;

struct Vertex {
    @location(0) position: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) tangent: vec4<f32>,
    @location(3) uv: vec2<f32>,
}

struct Varying {
    @builtin(position) clip: vec4<f32>,
    @location(0) world: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) tangent: vec4<f32>,
    @location(3) uv: vec2<f32>,
}

@vertex
fn vertex_main(vertex: Vertex) -> Varying {
    var out: Varying;
    out.world = vertex.position;
    out.clip = camera.view_projection * vec4<f32>(vertex.position, 1.0);
    out.normal = vertex.normal;
    out.tangent = vertex.tangent;
    out.uv = vertex.uv;
    return out;
}

const PI: f32 = 3.14159265;

fn distribution(n_dot_h: f32, roughness: f32) -> f32 {
    let a = roughness * roughness;
    let a2 = a * a;
    let d = n_dot_h * n_dot_h * (a2 - 1.0) + 1.0;
    return a2 / (PI * d * d);
}

fn geometry(n_dot_v: f32, n_dot_l: f32, roughness: f32) -> f32 {
    let r = roughness + 1.0;
    let k = r * r / 8.0;
    let v = n_dot_v / (n_dot_v * (1.0 - k) + k);
    let l = n_dot_l / (n_dot_l * (1.0 - k) + k);
    return v * l;
}

fn fresnel(cosine: f32, f0: vec3<f32>) -> vec3<f32> {
    return f0 + (vec3<f32>(1.0) - f0) * pow(clamp(1.0 - cosine, 0.0, 1.0), 5.0);
}

fn shading_normal(in: Varying) -> vec3<f32> {
    let n = normalize(in.normal);
    let t = normalize(in.tangent.xyz - n * dot(n, in.tangent.xyz));
    let b = cross(n, t) * in.tangent.w;
    let sampled = textureSample(normal_map, normal_sampler, in.uv).xyz * 2.0 - 1.0;
    let scaled = vec3<f32>(sampled.xy * material.normal_scale, sampled.z);
    return normalize(t * scaled.x + b * scaled.y + n * scaled.z);
}

@fragment
fn fragment_main(in: Varying) -> @location(0) vec4<f32> {
    let base = textureSample(base_map, base_sampler, in.uv) * material.base_color;
    if base.a < 0.1 {
        discard;
    }
    let n = shading_normal(in);
    let v = normalize(camera.position.xyz - in.world);
    let f0 = mix(vec3<f32>(0.04), base.rgb, material.metallic);

    var radiance = lights.ambient.rgb * base.rgb;
    for (var i = 0u; i < min(lights.count.x, 8u); i += 1u) {
        let light = lights.list[i];
        let offset = light.position.xyz - in.world;
        let l = normalize(offset);
        let h = normalize(v + l);
        let n_dot_l = max(dot(n, l), 0.0);
        if n_dot_l <= 0.0 {
            continue;
        }
        let n_dot_v = max(dot(n, v), 0.001);
        let f = fresnel(max(dot(h, v), 0.0), f0);
        let specular = f * distribution(max(dot(n, h), 0.0), material.roughness)
            * geometry(n_dot_v, n_dot_l, material.roughness) / (4.0 * n_dot_v * n_dot_l + 0.0001);
        let diffuse = (vec3<f32>(1.0) - f) * (1.0 - material.metallic) * base.rgb / PI;
        radiance += (diffuse + specular) * light.color.rgb * n_dot_l / dot(offset, offset);
    }
    radiance += base.rgb * material.emissive;
    let mapped = radiance / (radiance + vec3<f32>(1.0));
    return vec4<f32>(pow(mapped, vec3<f32>(1.0 / 2.2)), base.a);
}
