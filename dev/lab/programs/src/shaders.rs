//! A compiler: shaders from one language to two others.

use naga::{
    ShaderStage,
    back::{glsl, msl},
    front::wgsl,
    proc::BoundsCheckPolicies,
    valid::{Capabilities, ValidationFlags, Validator},
};

use super::Program;

pub const PROGRAM: Program = Program {
    name: "shaders",
    about: "compiles WGSL shaders to Metal and to GLSL: parsing, validation, code generation (naga)",
    input: || {
        [
            include_str!("../inputs/mesh.wgsl"),
            include_str!("../inputs/particles.wgsl"),
            include_str!("../inputs/terrain.wgsl"),
        ]
        .join(SEPARATOR)
    },
    run,
};

/// Stands between two shaders.
const SEPARATOR: &str = "\n// ----\n";

fn run(sources: &str) -> usize {
    sources.split(SEPARATOR).map(compile).sum()
}

/// The length of the shader in the other languages.
fn compile(source: &str) -> usize {
    let module = wgsl::parse_str(source).expect("the input is WGSL");
    let info = Validator::new(ValidationFlags::all(), Capabilities::default())
        .validate(&module)
        .expect("the input is valid");

    let options = msl::Options {
        lang_version: (2, 4),
        ..msl::Options::default()
    };
    let (metal, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
        .expect("writes Metal");

    let options = glsl::Options {
        version: glsl::Version::new_gles(310),
        ..glsl::Options::default()
    };
    let glsl_len: usize = module
        .entry_points
        .iter()
        .map(|entry| {
            let mut text = String::new();
            let pipeline = glsl::PipelineOptions {
                entry_point: entry.name.clone(),
                shader_stage: entry.stage,
                multiview: None,
            };
            glsl::Writer::new(
                &mut text,
                &module,
                &info,
                &options,
                &pipeline,
                BoundsCheckPolicies::default(),
            )
            .and_then(|mut writer| writer.write())
            .expect("writes GLSL");
            assert!(entry.stage != ShaderStage::Compute || text.contains("local_size_x"));
            text.len()
        })
        .sum();
    metal.len() + glsl_len
}
