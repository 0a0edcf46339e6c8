//! The parts of pages: amounts, times, texts, tables and fields.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use maud::{Markup, html};
use neobank_domain::printable::printable;
use neobank_domain::{AccountId, Money};

/// Writes a text of the database or of a person. It stays apart from the texts around it, whatever
/// its direction, and its invisible characters are shown.
pub(super) fn text(given: &str) -> Markup {
    html! { bdi { (printable(given)) } }
}

/// Writes an amount with its currency, in groups of three digits.
pub(super) fn money(amount: Money) -> Markup {
    let code = amount.currency().code();
    html! {
        span.money.negative[amount.amount().is_sign_negative()] {
            (grouped(&amount.amount().to_string())) " " span.currency { (code) }
        }
    }
}

/// Writes an amount without its currency, for columns that name it.
pub(super) fn number(amount: Money) -> Markup {
    html! {
        span.money.negative[amount.amount().is_sign_negative()] {
            (grouped(&amount.amount().to_string()))
        }
    }
}

/// Writes a movement: a credit with a plus.
pub(super) fn movement(amount: Money) -> Markup {
    let is_credit = amount.is_positive();
    let digits = grouped(&amount.amount().to_string());
    html! {
        span.money.credit[is_credit] { @if is_credit { "+" } (digits) }
    }
}

/// Returns an amount with a comma between groups of three digits, and a minus sign.
pub(super) fn grouped(amount: &str) -> String {
    let (sign, digits) = match amount.strip_prefix('-') {
        Some(digits) => ("\u{2212}", digits),
        None => ("", amount),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let mut shown = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}

/// Writes a time in UTC, to the second.
pub(super) fn time(time: DateTime<Utc>) -> Markup {
    let exact = time.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! {
        time datetime=(exact) title=(exact) { (time.format("%Y-%m-%d %H:%M:%S")) " UTC" }
    }
}

/// Writes a time in the zone of an account, with the zone's offset.
pub(super) fn local_time(time: DateTime<FixedOffset>) -> Markup {
    let exact = time.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! {
        time datetime=(exact) title=(exact) { (time.format("%Y-%m-%d")) " " span.faint { (time.format("%H:%M:%S")) } }
    }
}

/// Writes a state as a word in its colour.
pub(super) fn badge(state: &str) -> Markup {
    let class = match state {
        "active" | "open" | "verified" | "ok" | "captured" => "good",
        "frozen" | "suspended" | "pending" | "inactive" | "warning" => "warning",
        "blocked" | "closed" | "rejected" | "critical" => "bad",
        _ => "unknown",
    };
    html! { span class=(format!("badge {class}")) { (state) } }
}

/// Writes a link to an account.
pub(super) fn account_link(account: AccountId, shown: &str) -> Markup {
    html! { a href=(account_path(account)) { (text(shown)) } }
}

pub(super) fn account_path(account: AccountId) -> String {
    format!("/console/accounts/{account}")
}

/// Writes rows in a box of their own, which scrolls where the page is too narrow.
pub(super) fn scrolling(name: &str, table: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(name) tabindex="0" { (table) }
    }
}

/// Writes a message above a form or a list.
pub(super) fn alert(message: &Markup) -> Markup {
    html! { div.alert role="alert" { (message) } }
}

pub(super) fn notice(message: &Markup) -> Markup {
    html! { div.notice role="status" { (message) } }
}

/// A field of a form, with its label, hint and error.
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    pub(super) label: &'a str,
    pub(super) kind: &'static str,
    pub(super) value: &'a str,
    pub(super) hint: Option<&'a str>,
    pub(super) error: Option<&'a str>,
    pub(super) is_required: bool,
    pub(super) length_max: Option<usize>,
    pub(super) is_long: bool,
}

impl<'a> Field<'a> {
    pub(super) const fn new(name: &'static str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            kind: "text",
            value,
            hint: None,
            error: None,
            is_required: false,
            length_max: None,
            is_long: false,
        }
    }

    pub(super) const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(super) fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub(super) const fn error(mut self, error: Option<&'a str>) -> Self {
        self.error = error;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(super) const fn length_max(mut self, length: usize) -> Self {
        self.length_max = Some(length);
        self
    }

    /// Gives the field more room in a row of fields.
    pub(super) const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    pub(super) fn input(&self) -> Markup {
        let hint = self.hint.map(|_| format!("{}-hint", self.name));
        let error = self.error.map(|_| format!("{}-error", self.name));
        let described: Vec<_> = hint.iter().chain(&error).map(String::as_str).collect();
        let described = (!described.is_empty()).then(|| described.join(" "));
        html! {
            div.field.long[self.is_long] {
                label for=(self.name) { (self.label) }
                @if let (Some(text), Some(id)) = (self.hint, &hint) { p.hint id=(id) { (text) } }
                @if let (Some(text), Some(id)) = (self.error, &error) { p.error id=(id) { (text) } }
                input id=(self.name) name=(self.name) type=(self.kind) value=(self.value)
                    autocomplete="off" spellcheck="false" required[self.is_required]
                    maxlength=[self.length_max]
                    inputmode=[(self.name == "amount").then_some("decimal")]
                    aria-invalid=[self.error.map(|_| "true")] aria-describedby=[described];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_groups_of_three_digits() {
        for (amount, shown) in [
            ("0.00", "0.00"),
            ("100", "100"),
            ("1000.50", "1,000.50"),
            ("-36575912.90", "\u{2212}36,575,912.90"),
            ("999999999999999999.99", "999,999,999,999,999,999.99"),
        ] {
            assert_eq!(grouped(amount), shown);
        }
    }

    #[test]
    fn texts_are_escaped_and_cannot_change_the_direction_of_others() {
        let shown = text("<b>\"x'&\u{202e}").into_string();
        assert_eq!(shown, "<bdi>&lt;b&gt;&quot;x'&amp;\\u{202e}</bdi>");
    }
}
