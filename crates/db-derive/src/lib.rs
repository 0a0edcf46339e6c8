//! The derive macro `FromQueryResult` of `neobank-db`.
//!
//! SeaORM's own derive of the same name generates paths that begin with `sea_orm::`, which only a
//! crate that depends on SeaORM can resolve. This one generates paths of `neobank_db`.

use proc_macro::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Data, DataStruct, DeriveInput, Error, Field, Fields, Ident, LitStr, parse_macro_input};

/// Derives `FromQueryResult` for a struct with named fields: each field is read from the column of
/// its name.
///
/// A field may have an attribute: `#[sea_orm(skip)]` gives it its default,
/// `#[sea_orm(nested)]` reads a struct from the same row, and `#[sea_orm(from_alias = "name")]`
/// reads the column of that name.
#[proc_macro_derive(FromQueryResult, attributes(sea_orm))]
pub fn derive_from_query_result(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input).unwrap_or_else(|error| error.into_compile_error().into())
}

fn expand(input: DeriveInput) -> Result<TokenStream, Error> {
    let Data::Struct(DataStruct {
        fields: Fields::Named(fields),
        ..
    }) = input.data
    else {
        let message = "a row is read into a struct with named fields";
        return Err(Error::new(input.ident.span(), message));
    };
    let name = &input.ident;
    let (generics, arguments, conditions) = input.generics.split_for_impl();
    let fields: Vec<(Ident, Source)> = fields.named.iter().map(field).collect::<Result<_, _>>()?;
    let idents: Vec<&Ident> = fields.iter().map(|(ident, _)| ident).collect();
    // Every column is read before the first null ends the reading, so that any other error comes
    // before a null.
    let reads = fields.iter().map(|(ident, source)| match source {
        Source::Column(column) => quote! {
            let #ident = match row.try_get_nullable(pre, #column) {
                Err(error @ ::neobank_db::sea_orm::TryGetError::DbErr(_)) => return Err(error),
                other => other,
            };
        },
        Source::Nested => quote! {
            let nested = ::neobank_db::sea_orm::FromQueryResult::from_query_result_nullable(row, pre);
            let #ident = match nested {
                Err(error @ ::neobank_db::sea_orm::TryGetError::DbErr(_)) => return Err(error),
                other => other,
            };
        },
        Source::Default => quote! {
            let #ident = Ok::<_, ::neobank_db::sea_orm::TryGetError>(
                ::std::default::Default::default(),
            );
        },
    });
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::neobank_db::sea_orm::FromQueryResult for #name #arguments #conditions {
            fn from_query_result(
                row: &::neobank_db::sea_orm::QueryResult,
                pre: &str,
            ) -> ::std::result::Result<Self, ::neobank_db::sea_orm::DbErr> {
                Ok(<Self as ::neobank_db::sea_orm::FromQueryResult>::from_query_result_nullable(row, pre)?)
            }

            fn from_query_result_nullable(
                row: &::neobank_db::sea_orm::QueryResult,
                pre: &str,
            ) -> ::std::result::Result<Self, ::neobank_db::sea_orm::TryGetError> {
                #(#reads)*
                Ok(Self { #(#idents: #idents?,)* })
            }
        }
    }
    .into())
}

/// The source of a field's value.
enum Source {
    /// The column with this name.
    Column(String),
    /// The columns of a nested struct.
    Nested,
    /// The default of the field's type.
    Default,
}

fn field(field: &Field) -> Result<(Ident, Source), Error> {
    let Some(ident) = field.ident.clone() else {
        return Err(Error::new_spanned(field, "a field has a name"));
    };
    let mut source = Source::Column(ident.unraw().to_string());
    for attribute in &field.attrs {
        if !attribute.path().is_ident("sea_orm") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                source = Source::Default;
            } else if meta.path.is_ident("nested") {
                source = Source::Nested;
            } else if meta.path.is_ident("from_alias") {
                source = Source::Column(meta.value()?.parse::<LitStr>()?.value());
            } else {
                return Err(meta.error("not skip, nested or from_alias"));
            }
            Ok(())
        })?;
    }
    Ok((ident, source))
}
