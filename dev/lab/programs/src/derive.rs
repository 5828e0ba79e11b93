//! A compiler's front half: source text to tokens to syntax trees, a pass that derives implementations, and back to
//! source text.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Field, Fields, File, Ident, Item, ItemEnum, ItemStruct};

use super::Program;

pub const PROGRAM: Program = Program {
    name: "derive",
    about: "parses Rust types, derives an encoder, a decoder and a builder for each, and formats the result as source \
            (syn, quote, prettyplease)",
    input: || include_str!("../inputs/model.rs").to_owned(),
    run,
};

fn run(source: &str) -> usize {
    let mut file: File = syn::parse_file(source).expect("the input is Rust");
    let mut derived = Vec::new();
    for item in &file.items {
        match item {
            Item::Struct(item) => {
                derived.push(codec_of_struct(item));
                derived.push(builder(item));
            }
            Item::Enum(item) => derived.push(codec_of_enum(item)),
            _ => {}
        }
    }
    for tokens in derived {
        let items: File = syn::parse2(tokens).expect("what is derived is Rust");
        file.items.extend(items.items);
    }
    prettyplease::unparse(&file).len()
}

/// The names under which a variant's or struct's fields are bound, and a pattern that binds them.
fn bindings(fields: &Fields) -> (Vec<Ident>, TokenStream) {
    match fields {
        Fields::Named(named) => {
            let names: Vec<Ident> = named
                .named
                .iter()
                .filter_map(|field| field.ident.clone())
                .collect();
            let pattern = quote!({ #(#names),* });
            (names, pattern)
        }
        Fields::Unnamed(unnamed) => {
            let names: Vec<Ident> = (0..unnamed.unnamed.len())
                .map(|at| format_ident!("field_{at}"))
                .collect();
            let pattern = quote!((#(#names),*));
            (names, pattern)
        }
        Fields::Unit => (Vec::new(), TokenStream::new()),
    }
}

fn codec(name: &Ident, encode: &TokenStream, decode: &TokenStream) -> TokenStream {
    quote! {
        impl crate::codec::Encode for #name {
            fn encode(&self, sink: &mut impl crate::codec::Sink) -> Result<(), crate::codec::Error> {
                #encode
                Ok(())
            }
        }

        impl crate::codec::Decode for #name {
            fn decode(source: &mut impl crate::codec::Source) -> Result<Self, crate::codec::Error> {
                #decode
            }
        }
    }
}

/// Reads each field into a variable of its name.
fn decode_fields(fields: &Fields, names: &[Ident]) -> TokenStream {
    let types = fields.iter().map(|field| &field.ty);
    quote! {
        #(let #names = <#types as crate::codec::Decode>::decode(source)?;)*
    }
}

fn codec_of_struct(item: &ItemStruct) -> TokenStream {
    let name = &item.ident;
    let (names, pattern) = bindings(&item.fields);
    let decode_fields = decode_fields(&item.fields, &names);
    let encode = quote! {
        let Self #pattern = self;
        #(crate::codec::Encode::encode(#names, sink)?;)*
    };
    let decode = quote! {
        #decode_fields
        Ok(Self #pattern)
    };
    codec(name, &encode, &decode)
}

fn codec_of_enum(item: &ItemEnum) -> TokenStream {
    let name = &item.ident;
    let mut encoders = Vec::new();
    let mut decoders = Vec::new();
    for (tag, variant) in item.variants.iter().enumerate() {
        let tag = tag as u32;
        let variant_name = &variant.ident;
        let (names, pattern) = bindings(&variant.fields);
        let decode_fields = decode_fields(&variant.fields, &names);
        encoders.push(quote! {
            Self::#variant_name #pattern => {
                sink.tag(#tag)?;
                #(crate::codec::Encode::encode(#names, sink)?;)*
            }
        });
        decoders.push(quote! {
            #tag => {
                #decode_fields
                Ok(Self::#variant_name #pattern)
            }
        });
    }
    let encode = quote!(match self { #(#encoders)* });
    let decode = quote! {
        match source.tag()? {
            #(#decoders)*
            other => Err(crate::codec::Error::Tag(stringify!(#name), other)),
        }
    };
    codec(name, &encode, &decode)
}

fn builder(item: &ItemStruct) -> TokenStream {
    let name = &item.ident;
    let builder = format_ident!("{name}Builder");
    let fields: Vec<(&Ident, &Field)> = item
        .fields
        .iter()
        .filter_map(|field| Some((field.ident.as_ref()?, field)))
        .collect();
    let names: Vec<&Ident> = fields.iter().map(|(name, _)| *name).collect();
    let types: Vec<_> = fields.iter().map(|(_, field)| &field.ty).collect();
    let setters = fields.iter().map(|(name, field)| {
        let ty = &field.ty;
        let doc = format!("Sets `{name}`.");
        quote! {
            #[doc = #doc]
            pub fn #name(mut self, #name: impl Into<#ty>) -> Self {
                self.#name = Some(#name.into());
                self
            }
        }
    });
    quote! {
        #[derive(Default)]
        pub struct #builder {
            #(#names: Option<#types>,)*
        }

        impl #builder {
            #(#setters)*

            pub fn build(self) -> Result<#name, crate::codec::Error> {
                Ok(#name {
                    #(#names: self.#names.ok_or(crate::codec::Error::Missing(stringify!(#names)))?,)*
                })
            }
        }
    }
}
