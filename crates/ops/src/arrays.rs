//! Lists as parameters.

use neobank_db::Value;
use sea_query::ArrayType;

/// An array of texts, or a null of that type.
pub(crate) fn texts(texts: Option<&[String]>) -> Value {
    let texts = texts.map(|texts| Box::new(texts.iter().cloned().map(Value::from).collect()));
    Value::Array(ArrayType::String, texts)
}
