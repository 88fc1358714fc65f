//! Currencies and how finely each is divided.

use tenon_plugin::Fields;

/// How many decimal places the currency of this ISO 4217 code has, if it is one the CRM deals in.
pub fn places(code: &str) -> Option<u8> {
    match code {
        "CLP" | "ISK" | "JPY" | "KRW" | "PYG" | "UGX" | "VND" | "XAF" | "XOF" => Some(0),
        "AED" | "ARS" | "AUD" | "BGN" | "BRL" | "CAD" | "CHF" | "CNY" | "COP" | "CZK" | "DKK" | "EGP" | "EUR"
        | "GBP" | "GHS" | "HKD" | "HUF" | "IDR" | "ILS" | "INR" | "KES" | "MAD" | "MXN" | "MYR" | "NGN" | "NOK"
        | "NZD" | "PEN" | "PHP" | "PKR" | "PLN" | "QAR" | "RON" | "RSD" | "SAR" | "SEK" | "SGD" | "THB" | "TRY"
        | "TWD" | "UAH" | "USD" | "ZAR" => Some(2),
        "BHD" | "IQD" | "JOD" | "KWD" | "OMR" | "TND" => Some(3),
        _ => None,
    }
}

/// Brings the code into capitals, and gives the currency's decimal places if it is one the CRM deals in.
pub fn check(field: &str, code: &mut String, fields: &mut Fields) -> Option<u8> {
    fields.required(field, code, 50);
    code.make_ascii_uppercase();
    let places = places(code);
    if places.is_none() && !code.is_empty() {
        fields.reject(field, format!("must be an ISO 4217 code the CRM knows, such as USD or EUR, not {code:?}"));
    }
    places
}
