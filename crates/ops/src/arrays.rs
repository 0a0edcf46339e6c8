//! Lists as parameters.

use neobank_db::Value;
use sea_query::ArrayType;

/// Texts, or a null of their type.
pub(crate) fn texts(texts: Option<&[String]>) -> Value {
    let texts = texts.map(|texts| Box::new(texts.iter().cloned().map(Value::from).collect()));
    Value::Array(ArrayType::String, texts)
}
