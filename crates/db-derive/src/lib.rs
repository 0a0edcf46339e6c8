//! The derive macro of `neobank-db`.

use proc_macro::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Data, DataStruct, DeriveInput, Error, Field, Fields, Ident, LitStr, parse_macro_input};

/// Derives `FromRow` for a struct with named fields: each field is read from the column of its name.
///
/// A field may have an attribute: `#[row(skip)]` gives it its default, `#[row(nested)]` reads a
/// struct from the same row, and `#[row(column = "name")]` reads the column of that name.
#[proc_macro_derive(FromRow, attributes(row))]
pub fn derive_from_row(input: TokenStream) -> TokenStream {
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
    let exact = fields
        .iter()
        .map(|field| read(field, "from_column", "from_row"));
    let lossy = fields
        .iter()
        .map(|field| read(field, "from_column_lossy", "from_row_lossy"));
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::neobank_db::FromRow for #name #arguments #conditions {
            fn from_row(
                row: &::neobank_db::driver::Row,
            ) -> ::std::result::Result<Self, ::neobank_db::RowError> {
                Ok(Self { #(#exact)* })
            }

            fn from_row_lossy(
                row: &::neobank_db::driver::Row,
            ) -> ::std::result::Result<Self, ::neobank_db::RowError> {
                Ok(Self { #(#lossy)* })
            }
        }
    }
    .into())
}

/// Returns a field with the call that reads it.
fn read(
    (ident, source): &(Ident, Source),
    from_column: &str,
    from_row: &str,
) -> proc_macro2::TokenStream {
    let from_column = Ident::new(from_column, ident.span());
    let from_row = Ident::new(from_row, ident.span());
    match source {
        Source::Column(column) => {
            quote! { #ident: ::neobank_db::FromColumn::#from_column(row, #column)?, }
        }
        Source::Nested => quote! { #ident: ::neobank_db::FromRow::#from_row(row)?, },
        Source::Default => quote! { #ident: ::std::default::Default::default(), },
    }
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
        if !attribute.path().is_ident("row") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                source = Source::Default;
            } else if meta.path.is_ident("nested") {
                source = Source::Nested;
            } else if meta.path.is_ident("column") {
                source = Source::Column(meta.value()?.parse::<LitStr>()?.value());
            } else {
                return Err(meta.error("not skip, nested or column"));
            }
            Ok(())
        })?;
    }
    Ok((ident, source))
}
